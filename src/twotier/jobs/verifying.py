"""Verifies what a local tier answered for a job; what does not pass is done by the frontier tier.

It counts where the job may use both: local was tried because it costs nothing, and nobody knew
whether it would do. The whole climb is one step of the run; its questions have names, so after a
kill none of them is paid twice. What a rung cannot tell (nothing to compare, no answer in time)
never fails a run. The frontier tier gets the task and a short account of the try; where a run has
read text of strangers, only if its job says `escalate`, and so many runs a day.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from twotier.agent.course import text_of
from twotier.agent.model import Answer, Question
from twotier.agent.said import Chat, Said
from twotier.agent.turn import BOTH_TIERS
from twotier.domain.job import Job
from twotier.domain.label import Label
from twotier.domain.steps import Json, Steps
from twotier.domain.tier import TierPolicy
from twotier.errors import DeadlineError, JobError, StreamBrokenError, ToolError, UpstreamError
from twotier.jobs.parts import Asking, Part, Worked
from twotier.jobs.prompt import checked
from twotier.verify import checks, rubric
from twotier.verify.checks import LOOKS, Asked, failed, look
from twotier.verify.guards import NOTHING, Usual
from twotier.verify.ladder import End, Seen, Verdict, next_rung, story, verdict
from twotier.verify.same import value_of
from twotier.watch.kinds import labels_of

ANY_MODEL = "auto"
SECOND_TEMPERATURE = 0.7  # without chance a second answer is the first
CANNOT = (JobError, StreamBrokenError, DeadlineError, UpstreamError, ToolError)

AskModel = Callable[[Question], Awaitable[Answer]]
# The job's program with the answer as its input: whether it ended with 0, and what it said if not.
Command = Callable[[Job, str], Awaitable[tuple[bool, str]]]


Known = Callable[[str], Awaitable[Usual]]  # what earlier runs of a job needed on local tiers


async def nothing_known(_: str) -> Usual:
    """Of any job."""
    return NOTHING


class Desk(Protocol):
    """Counts the runs of a day that went up although they had read text of strangers."""

    async def may_escalate(self, job: str, *, run: str, times_max: int) -> bool:
        """Whether one more may; a yes is counted."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """An answer that is looked at, and the question it answers. `again`: it may be asked once more
    as it stands, because no tools were used for it.
    """

    part: Part
    question: Question
    text: str
    again: bool = True

    @property
    def job(self) -> Job:
        """Whose it is."""
        return self.part.job


class Verifier:
    """`verdict` climbs, `allowed` says whether the frontier tier may be asked, `verified` does both
    for a single answer. `usual` knows what earlier runs needed.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        command: Command,
        local_tiers: frozenset[str],
        usual: Known = nothing_known,
    ) -> None:
        self.local_tiers = local_tiers
        self.usual = usual
        self._desk = desk
        self._command = command

    def wants(self, job: Job, tier: str) -> bool:
        """Whether an answer of this tier is looked at: the job leaves the choice to us."""
        free = job.tier in BOTH_TIERS and job.model == ANY_MODEL and not job.batch
        return free and bool(job.verify.rungs) and tier in self.local_tiers

    async def verdict(
        self, subject: Subject, *, ask: AskModel, steps: Steps, wrong: str = ""
    ) -> Verdict:
        """What was found, rung by rung. `wrong`: its form is known to be."""

        async def climbed() -> Json:
            seen = [Seen("checks", False, wrong)] if wrong else []
            while name := next_rung(subject.job.verify.rungs, seen):
                seen.append(await self._seen(name, subject, ask=ask))
            found = verdict(seen)
            return {"end": found.end.value, "by": found.by, "because": list(found.because)}

        told = await steps.do("verify", climbed)
        return Verdict(End(told["end"]), told["by"], tuple(told["because"]))

    async def verified(
        self, part: Part, made: Mapping[str, Any], *, asking: Asking, steps: Steps
    ) -> dict[str, Any]:
        """What was made, with what the run tells of it; or what the frontier tier made instead."""
        text = made["text"] if "text" in made else made["said"]
        subject = Subject(part, asking.question, text)
        wrong = made.get("wrong", "")
        found = await self.verdict(subject, ask=asking.ask, steps=steps, wrong=wrong)
        kept: dict[str, Any] = {**made, "looked": looked(found)}
        if found.end is not End.ESCALATE:
            return kept | {"told": list(filter(None, [noted(found)]))}
        refused = await self.allowed(part.job, run=part.run.id, steps=steps)
        if not refused:
            there = await steps.do("model", partial(self._there, subject, found, asking=asking))
            if "text" in there:
                told = [f"carried on by the frontier tier: {found.text}"]
                return {**kept, **there, "told": told, "gave_up": made["answer"]["tier"]}
            refused = f"the frontier tier has no answer: {there['because']}"
        if wrong:
            return kept | {"wrong": f"{wrong}; {refused}"}
        return kept | {"told": [f"kept, though not verified ({found.text}): {refused}"]}

    async def _there(self, subject: Subject, found: Verdict, *, asking: Asking) -> Json:
        """The frontier tier's answer, or why there is none."""
        question = carried_on(asking.question, text=subject.text, found=found)
        try:
            answer = await asking.ask(question)
            text = asking.checked(answer.text, cut=answer.cut)
        except CANNOT as exc:
            return {"because": exc.message}
        return {"text": text, "answer": told_of(answer), "step": question.step}

    async def allowed(self, job: Job, *, run: str, steps: Steps) -> str:
        """Why the frontier tier may not be asked; empty where it may."""

        async def asked() -> Json:
            if not is_tainted(job):
                return ""
            if not job.terms.escalate:
                return "it read what strangers wrote, and the job does not say escalate = true"
            most = job.terms.escalations_max
            may = await self._desk.may_escalate(job.name, run=run, times_max=most)
            return "" if may else f"{most} runs of today were escalated already (escalations_max)"

        return str(await steps.do("escalate", asked))

    # -- the rungs

    async def _seen(self, name: str, subject: Subject, *, ask: AskModel) -> Seen:
        """What one rung found. What it cannot do it cannot tell."""
        climbs = {
            "checks": self._checks,
            "command": self._commanded,
            "second": self._second,
            "rubric": self._rubric,
        }
        try:
            passed, because = await climbs[name](subject, ask)
        except CANNOT as exc:
            return Seen(name, None, exc.message)
        return Seen(name, passed, because)

    async def _checks(self, subject: Subject, ask: AskModel) -> tuple[bool | None, str]:
        del ask
        wrong = failed(
            look(
                asked_of(subject),
                checks.Said(subject.text),
                names=[*LOOKS, *subject.job.verify.looks],
            )
        )
        return not wrong, wrong

    async def _commanded(self, subject: Subject, ask: AskModel) -> tuple[bool | None, str]:
        del ask
        good, said = await self._command(subject.job, subject.text)
        name = subject.job.verify.command
        return good, f"{name} ended with 0" if good else f"{name}: {said}"

    async def _second(self, subject: Subject, ask: AskModel) -> tuple[bool | None, str]:
        question = subject.question
        structured = question.schema is not None and not subject.job.answer_lines
        compare = partial(value_of, prompt=subject.job.prompt, structured=structured)
        first = compare(subject.text)
        if first is None:
            return None, "an answer like this cannot be compared"
        if not subject.again:
            return None, "what was done with tools is not done twice"
        answer = await ask(
            replace(
                question,
                policy=TierPolicy.LOCAL_ONLY,
                model=subject.job.verify.second or question.model,
                step=f"{question.step}:second",
                temperature=SECOND_TEMPERATURE,
            )
        )
        second = compare(checked(subject.job, answer.text, cut=answer.cut))
        if second is None:
            return None, "the second answer cannot be compared"
        if first.says(second):
            return True, f"a second answer says the same ({first.kind.value})"
        return False, f"a second answer says something else ({first.kind.value})"

    async def _rubric(self, subject: Subject, ask: AskModel) -> tuple[bool | None, str]:
        job, question = subject.job, subject.question
        material = sources_of(subject.part)
        answer = await ask(
            replace(
                question,
                system=rubric.SYSTEM,
                prompt=rubric.question(job.prompt, material, answer=subject.text),
                policy=job.verify.rubric,
                model=ANY_MODEL,
                step=f"{question.step}:rubric",
                schema=rubric.SCHEMA,
                output_tokens_max=rubric.OUTPUT_TOKENS_MAX,
                temperature=0.0,
            )
        )
        good, because = rubric.read(answer.text)
        return good, f"the rubric finds it {'good' if good else 'not good'}: {because}"


def is_tainted(job: Job) -> bool:
    """Whether what it works on is text of strangers."""
    return job.watch is not None and Label.UNTRUSTED in labels_of(job.watch)


def sources_of(part: Part) -> Sequence[str]:
    """What a part is to work on, with names and links."""
    return [text for item in part.items for text in (item.title, item.text, item.link) if text]


def asked_of(subject: Subject) -> Asked:
    """What was asked, as far as an answer can be held against it."""
    job = subject.job
    # The lines of an answer were joined again: its form was looked at when they were taken apart.
    schema = None if job.answer_lines else subject.question.schema
    return Asked(job.prompt, sources_of(subject.part), lines=job.answer_lines, schema=schema)


def carried_on(question: Question, *, text: str, found: Verdict) -> Question:
    """The same question for the frontier tier, with an account of the try."""
    return replace(
        question,
        prompt=f"{question.prompt}\n\n{story(text, found)}",
        policy=TierPolicy.FRONTIER,
        step=f"{question.step}:frontier",
    )


def told_of(answer: Answer | Worked) -> dict[str, Any]:
    """What an answer took, without its text."""
    return {
        "tier": answer.tier,
        "model": answer.model,
        "rule": answer.rule,
        "request": answer.request,
        "tokens": answer.tokens,
        "cost_microusd": answer.cost_microusd,
    }


def noted(found: Verdict) -> str:
    """What a run tells of an answer that is kept; nothing where it only passed free looks."""
    if found.by == "checks" and found.end is End.KEEP:
        return ""
    return f"{'verified' if found.end is End.KEEP else 'not verified'}: {found.because[-1]}"


def looked(found: Verdict) -> tuple[bool | None, str]:
    """What the record is told: good or not, None where nobody could tell, and by what."""
    good = {End.KEEP: True, End.ESCALATE: False, End.UNDECIDED: None}[found.end]
    return good, found.by


def by_chat(ask: Callable[[Chat], Awaitable[Said]]) -> AskModel:
    """A way to ask single questions, made of an agent's way to ask."""

    async def asked(question: Question) -> Answer:
        said = await ask(
            Chat(
                messages=(
                    {"role": "system", "content": question.system},
                    {"role": "user", "content": question.prompt},
                ),
                job=question.job,
                run=question.run,
                step=question.step,
                kind=question.kind,
                policy=question.policy,
                model=question.model,
                output_tokens_max=question.output_tokens_max,
                deadline_seconds=question.deadline_seconds,
                schema=question.schema,
                temperature=question.temperature,
            )
        )
        return Answer(
            text=text_of(said.message),
            cut=said.finish == "length",
            tier=said.tier,
            model=said.model,
            rule=said.rule,
            request=said.request,
            tokens=said.tokens,
            cost_microusd=said.cost_microusd,
        )

    return asked
