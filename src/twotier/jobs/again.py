"""Does a piece of work once more, in another way and without effects, and compares.

Nothing is looked for, delivered or changed: what it works on is stored, and what comes out goes
into the trial's own rows. Each question is asked of main like any other, under a name of its own in
the ledger (`JOB/shadow`), so that neither the job's budget nor its figures change. Before each one
its worst case is held against the trial's limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from twotier.agent.model import Answer, Question
from twotier.domain.clock import Clock
from twotier.domain.job import Job
from twotier.domain.money import usd
from twotier.domain.tier import TierPolicy
from twotier.errors import JobError, StreamBrokenError
from twotier.jobs import judging
from twotier.jobs.compare import Check, Given, checks, passed
from twotier.jobs.judging import Verdict
from twotier.jobs.prompt import SYSTEM, checked, prompt_of, schema_of
from twotier.jobs.trials import Compared, Rates, Trial, TrialStore, Work

TRIES_PER_ANSWER = 2  # as a run has
AGAIN_TEMPERATURE = 0.7
KIND = "shadow"
SECONDS_MAX = 600.0


class Asks(Protocol):
    """Whoever asks main."""

    async def ask(self, question: Question) -> Answer | None:
        """Ask once."""
        ...


class LimitReachedError(JobError):
    """One more question could cost more than is left of the trial's limit."""


@dataclass(slots=True)
class Sums:
    """What a piece of work took the other way."""

    tokens: int = 0
    cost_microusd: int = 0
    judge_microusd: int = 0


class Again:
    """Does pieces of one trial again. `asked` goes to main."""

    def __init__(self, trial: Trial, store: TrialStore, *, client: Asks, clock: Clock) -> None:
        self._trial = trial
        self._store = store
        self._client = client
        self._clock = clock
        self._left_microusd = trial.limit_microusd - trial.spent_microusd

    async def compare(self, job: Job, work: Work) -> Compared:
        """The piece done again, beside what the job said.

        Raises `LimitReachedError` before it would cost too much, and what main raises.
        """
        sums, began = Sums(), self._clock.monotonic()
        changed = replace(job, prompt=self._trial.prompt or job.prompt)
        answer, text, cut = await self._answer(changed, work, sums=sums)
        seconds = self._clock.monotonic() - began
        found = self._checks(job, work, other=text, cut=cut)
        fits = passed(found)
        verdict, because = Verdict.NONE, ""
        if fits and text.strip() == work.said.strip():
            verdict, because = Verdict.SAME, "word for word the same"
        elif fits and self._trial.judge:
            verdict, because = await self._judged(job, work, other=text, sums=sums)
        return Compared(
            other=text,
            fits=fits,
            checks=found,
            verdict=verdict,
            because=because,
            tier=answer.tier,
            model=answer.model,
            tokens=sums.tokens,
            cost_microusd=sums.cost_microusd,
            judge_microusd=sums.judge_microusd,
            seconds=seconds,
        )

    def _checks(self, job: Job, work: Work, *, other: str, cut: bool) -> tuple[Check, ...]:
        """Of the cheaper tier's answer, held against the dearer one's."""
        sources = [text for item in work.items for text in (item.title, item.text, item.link)]
        given = Given(job.prompt, sources, lines=job.answer_lines)
        if self._trial.kind == "shadow" and self._trial.side == "frontier":
            return checks(work.said, other=other, given=given)
        return checks(other, other=work.said, given=given, cut=cut)

    async def _answer(self, job: Job, work: Work, *, sums: Sums) -> tuple[Answer, str, bool]:
        """As a run asks: once more where the form was wrong. What is wrong then too is compared as
        it is, and fails its checks.
        """
        number, wrong, cut = 1, "", False
        while True:
            question = self._question(job, work, number=number, wrong=wrong, cut=cut)
            answer = await self._ask(question, self._trial.rates)
            sums.tokens += answer.tokens
            sums.cost_microusd += answer.cost_microusd
            try:
                text = checked(job, answer.text, cut=answer.cut)
            except JobError as exc:
                if number == TRIES_PER_ANSWER:
                    return answer, answer.text.strip(), answer.cut
                number, wrong, cut = number + 1, exc.message, answer.cut
            else:
                return answer, text, answer.cut and not job.answer_lines

    def _question(self, job: Job, work: Work, *, number: int, wrong: str, cut: bool) -> Question:
        prompt = prompt_of(job, work.items)
        # A router that is to choose as it does for the job has to know the kind of work.
        own = self._trial.policy == job.tier.value and job.watch is not None
        return Question(
            system=SYSTEM,
            prompt=f"{prompt}\n\nNot good enough last time: {wrong}." if wrong else prompt,
            job=f"{job.name}/{KIND}",
            run=self._trial.id,
            step=f"{work.run.id}:{work.key[:12]}:{number}",
            kind="polling" if own else KIND,
            policy=TierPolicy(self._trial.policy),
            model=self._trial.model,
            output_tokens_max=job.output_tokens_max,
            deadline_seconds=min(job.deadline_seconds, SECONDS_MAX),
            schema=schema_of(job, short=cut),
            temperature=AGAIN_TEMPERATURE if wrong else 0.0,
        )

    async def _judged(self, job: Job, work: Work, *, other: str, sums: Sums) -> tuple[Verdict, str]:
        """Both orders, by a model that is told of neither author."""
        said = []
        for number, pair in enumerate(((work.said, other), (other, work.said)), 1):
            answer = await self._ask(
                self._judges(job, work, answers=pair, number=number), self._trial.judge_rates
            )
            sums.judge_microusd += answer.cost_microusd
            said.append(answer.text)
        return judging.verdict(*said), judging.because(said[0])

    def _judges(self, job: Job, work: Work, *, answers: tuple[str, str], number: int) -> Question:
        material = [f"{item.title}\n{item.text}" for item in work.items]
        return Question(
            system=judging.SYSTEM,
            prompt=judging.question(job.prompt, material, answers=answers),
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

    async def _ask(self, question: Question, rates: Rates) -> Answer:
        """Ask within the limit; what was paid is counted at once."""
        asked = f"{question.system}{question.prompt}"
        bound = rates.bound(len(asked.encode()), question.output_tokens_max)
        if bound > self._left_microusd:
            raise LimitReachedError(
                f"one more question could cost {usd(bound)}, and {usd(self._left_microusd)} of its"
                " limit are left; give it more with --limit-usd"
            )
        answer = await self._client.ask(question)
        if answer is None:
            raise StreamBrokenError("main says that it waits for a batch; none was asked for")
        self._left_microusd -= answer.cost_microusd
        if answer.cost_microusd:
            await self._store.spend(self._trial.id, answer.cost_microusd)
        return answer


def texts(works: Sequence[Work], job: Job) -> int:
    """Bytes of the prompts that doing all of it again would send."""
    return sum(len(f"{SYSTEM}{prompt_of(job, work.items)}".encode()) for work in works)
