"""Does a piece of work once more, in another way and without effects, and compares.

Nothing is looked for, delivered or changed: what it works on is stored, and what comes out goes
into the trial's own rows. Each question is asked of main like any other, under a name of its own in
the ledger (`JOB/shadow`), so that neither the job's budget nor its figures change. Before each one
its worst case is held against the trial's limit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from twotier.agent.model import Answer, Question
from twotier.domain.clock import Clock
from twotier.domain.job import Job
from twotier.domain.tier import TierPolicy
from twotier.errors import JobError, ToolError
from twotier.jobs import judging
from twotier.jobs.again_agent import KIND, AgentAgain, Agents, Redone, read_apart, schema_check
from twotier.jobs.agreeing import agreed
from twotier.jobs.compare import Given, alike, checks, passed
from twotier.jobs.effects import limited
from twotier.jobs.judging import Verdict
from twotier.jobs.parts import Part
from twotier.jobs.prompt import SYSTEM, checked, prompt_of, schema_of
from twotier.jobs.till import Asks, Till
from twotier.jobs.trials import Compared, Trial, TrialStore, Work
from twotier.jobs.verdicts import COMMAND, looked_at
from twotier.verify.checks import Check

TRIES_PER_ANSWER = 2  # as a run has
AGAIN_TEMPERATURE = 0.7
SECONDS_MAX = 600.0

# The job's program with the answer as its input: whether it ended with 0, and what it said if not.
# Raises `ToolError` where it cannot tell, as one does that may change something.
Command = Callable[[Job, str], Awaitable[tuple[bool, str]]]


class Again:
    """Does pieces of one trial again. `client` goes to main, `agents` work on jobs with tools,
    `command` is a job's program that looks at its answers.
    """

    def __init__(
        self,
        trial: Trial,
        store: TrialStore,
        *,
        client: Asks,
        clock: Clock,
        agents: Agents | None = None,
        command: Command | None = None,
    ) -> None:
        self._command = command
        self._trial = trial
        self._clock = clock
        self._agents = agents
        self._till = Till(trial, store, client=client)

    async def compare(self, job: Job, work: Work) -> Compared:
        """The piece done again, beside what the job said.

        Raises `LimitReachedError` before it would cost too much, and what main raises.
        """
        began = self._clock.monotonic()
        redone = await self._redone(job, work)
        seconds = self._clock.monotonic() - began
        found = self._checks(job, work, redone=redone)
        if passed(found):
            found = (*found, *await self._commanded(job, redone=redone))
        verdict, because, judge_microusd = Verdict.NONE, redone.failed, 0
        same = alike(redone.text, work.said) and not redone.deeds.differ
        if redone.failed:
            fits = not self._trial.other_cheaper
        elif fits := passed(found):
            if same:
                verdict, because = Verdict.SAME, "word for word the same"
            else:
                verdict, because = self._agreed(job, work, redone=redone)
            if verdict is Verdict.NONE and self._trial.judge:
                verdict, because, judge_microusd = await self._judged(job, work, redone=redone)
        by = ""
        if verdict is Verdict.NONE and fits and self._trial.free:
            by = verified_by(job, work, redone=redone, found=found)
            because = f"nobody judged; verified by: {by or 'nothing'}"
        return Compared(
            other=redone.text,
            fits=fits,
            checks=found,
            verdict=verdict,
            because=because,
            tier=redone.tier,
            model=redone.model,
            tokens=redone.tokens,
            cost_microusd=redone.cost_microusd,
            judge_microusd=judge_microusd,
            seconds=seconds,
            deeds=redone.deeds,
            by=by,
        )

    def _agreed(self, job: Job, work: Work, *, redone: Redone) -> tuple[Verdict, str]:
        """Whether both come to the same, as far as a program can tell. That they do not is left to
        the judge, where there is one.
        """
        if redone.deeds.differ or not self._trial.other_cheaper:
            return Verdict.NONE, ""
        verdict, because = agreed(job, redone.text, other=work.said)
        left = verdict is Verdict.WORSE and not self._trial.free
        return (Verdict.NONE, "") if left else (verdict, because)

    async def _commanded(self, job: Job, *, redone: Redone) -> tuple[Check, ...]:
        """What the job's own program finds in the cheaper tier's answer. Not in that of an agent:
        what it would have left in the job's folder is not there.
        """
        wanted = job.verify.command and not job.terms.agent and self._trial.other_cheaper
        if self._command is None or not wanted:
            return ()
        try:
            good, said = await self._command(job, redone.text)
        except ToolError:
            return ()
        return (Check(COMMAND, good, "" if good else said),)

    async def _redone(self, job: Job, work: Work) -> Redone:
        if not job.terms.agent:
            return await self._answer(replace(job, prompt=self._trial.prompt or job.prompt), work)
        if self._agents is None:
            raise JobError(f"nobody is here to work on {job.name}, which an agent works on")
        return await AgentAgain(self._trial, self._agents, till=self._till).redone(job, work)

    def _checks(self, job: Job, work: Work, *, redone: Redone) -> tuple[Check, ...]:
        """Of the cheaper tier's answer, held against the dearer one's."""
        if redone.failed:
            return (Check("answer", False, redone.failed),)
        agent = job.terms.agent
        sources = [text for item in work.items for text in (item.title, item.text, item.link)]
        sources += redone.read
        cheaper, dearer = redone.text, work.said
        if not self._trial.other_cheaper:
            cheaper, dearer = dearer, cheaper
            sources = sources if redone.remembered else []  # its figures may come from tools
        typed = job.terms.schema is not None
        given = Given(job.prompt, sources, lines=0 if agent else job.answer_lines, typed=typed)
        found = checks(cheaper, other=dearer, given=given, cut=redone.cut)
        return (*found, schema_check(job, cheaper)) if typed else found

    async def _answer(self, job: Job, work: Work) -> Redone:
        """As a run asks: once more where the form was wrong. What is wrong then too is compared as
        it is, and fails its checks.
        """
        number, wrong, cut = 1, "", False
        said: list[Answer] = []
        while True:
            question = self._question(job, work, number=number, wrong=wrong, cut=cut)
            answer = await self._till.ask(question, self._trial.rates)
            said.append(answer)
            try:
                text = checked(job, answer.text, cut=answer.cut)
            except JobError as exc:
                if number == TRIES_PER_ANSWER:
                    return redone_of(said, answer.text.strip(), cut=answer.cut)
                number, wrong, cut = number + 1, exc.message, answer.cut
            else:
                return redone_of(said, text, cut=answer.cut and not job.answer_lines)

    def _question(self, job: Job, work: Work, *, number: int, wrong: str, cut: bool) -> Question:
        prompt = prompt_of(job, work.items)
        # A router that is to choose as it does for the job has to know the kind of work.
        own = job.kind if self._trial.policy == job.tier.value else ""
        return Question(
            system=SYSTEM,
            prompt=f"{prompt}\n\nNot good enough last time: {wrong}." if wrong else prompt,
            job=f"{job.name}/{KIND}",
            run=self._trial.id,
            step=f"{work.run.id}:{work.key[:12]}:{number}",
            kind=own or KIND,
            policy=TierPolicy(self._trial.policy),
            model=self._trial.model,
            output_tokens_max=job.output_tokens_max,
            deadline_seconds=min(job.deadline_seconds, SECONDS_MAX),
            schema=schema_of(job, short=cut),
            temperature=AGAIN_TEMPERATURE if wrong else 0.0,
        )

    async def _judged(self, job: Job, work: Work, *, redone: Redone) -> tuple[Verdict, str, int]:
        """Both orders, by a model that is told of neither author; and what that cost."""
        texts, deeds = (work.said, redone.text), redone.deeds.shown
        found = () if read_apart(job, self._trial) else work.items
        material = [*(f"{item.title}\n{item.text}" for item in found), *redone.read]
        said = []
        for number, turned in ((1, False), (2, True)):
            prompt = judging.question(
                job.prompt,
                material,
                answers=pair(texts, turned=turned),
                actions=pair(deeds, turned=turned),
            )
            question = self._judges(job, work, prompt=prompt, number=number)
            said.append(await self._till.ask(question, self._trial.judge_rates))
        verdict = judging.verdict(*(one.text for one in said))
        verdict = limited(verdict, redone.deeds, other_cheaper=self._trial.other_cheaper)
        cost = sum(one.cost_microusd for one in said)
        return verdict, judging.because(said[0].text), cost

    def _judges(self, job: Job, work: Work, *, prompt: str, number: int) -> Question:
        return Question(
            system=judging.SYSTEM,
            prompt=prompt,
            job=f"{job.name}/{KIND}",
            run=self._trial.id,
            step=f"{work.run.id}:{work.key[:12]}:judge{number}",
            kind=KIND,
            policy=TierPolicy(self._trial.judge),
            model="auto",
            output_tokens_max=judging.OUTPUT_TOKENS_MAX,
            deadline_seconds=SECONDS_MAX,
            schema=judging.SCHEMA,
        )


def verified_by(job: Job, work: Work, *, redone: Redone, found: Sequence[Check]) -> str:
    """What verifies an answer that passed all of `found`, as it would a run's; else empty."""
    if redone.deeds.differ:
        return ""
    if any(check.name == COMMAND for check in found):
        return COMMAND
    good, by = looked_at(Part(job, work.run, work.key, work.items), redone.text)
    return by if good else ""


def pair(both: tuple[str, str], *, turned: bool) -> tuple[str, str]:
    """The two as they are, or with their places changed."""
    return (both[1], both[0]) if turned else both


def redone_of(said: Sequence[Answer], text: str, *, cut: bool) -> Redone:
    """A text with what all of its tries took."""
    return Redone(
        text=text,
        tier=said[-1].tier,
        model=said[-1].model,
        cut=cut,
        tokens=sum(one.tokens for one in said),
        cost_microusd=sum(one.cost_microusd for one in said),
    )


def most(works: Sequence[Work], job: Job) -> dict[str, int | bool]:
    """The most that doing all of it again reads, in bytes or tokens, and that one piece says."""
    terms = job.terms
    if terms.agent:
        read, said = len(works) * terms.tokens_max, terms.steps_max * job.output_tokens_max
    else:
        prompts = (f"{SYSTEM}{prompt_of(job, work.items)}" for work in works)
        read, said = sum(len(prompt.encode()) for prompt in prompts), job.output_tokens_max
    return {"agent": terms.agent, "prompt_bytes": read, "output_tokens_max": said}
