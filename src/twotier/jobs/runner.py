"""One run of a job: look, ask, check, store, deliver.

Every step is stored before the next begins, so a run that was killed goes on where it stood: items
it had taken are still its own, an answer that is stored is not asked for again, a result that was
delivered is not delivered again. What fails says at which step: could not look, item, model or
delivery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from twotier.agent.model import Answer, MainClient, Question
from twotier.domain.clock import Clock
from twotier.domain.job import Item, Job, Run, RunState
from twotier.domain.urls import shown_target
from twotier.errors import (
    DeadlineError,
    DeliveryError,
    JobError,
    StreamBrokenError,
    UpstreamError,
    WatchError,
)
from twotier.jobs.delivery import Delivery, summary
from twotier.jobs.items import ItemStore
from twotier.jobs.prompt import SYSTEM, checked, counted, prompt_of, schema_of
from twotier.jobs.results import Letter, ResultStore
from twotier.jobs.schedule import period_seconds
from twotier.jobs.store import Ended
from twotier.watch.base import Look, Watcher

ANY_MODEL = "auto"
ALL = "all"  # the key of an answer about everything the run works on
TRIES_PER_ANSWER = 2
AGAIN_TEMPERATURE = 0.7

# Not asked, so nothing was spent: worth asking again while the job's deadline lasts.
WAIT_AND_ASK_AGAIN = frozenset({429, 503})
PAUSES_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)  # the last one goes on

# These say something about the tier, the budget or our rights, and nothing about the item.
NOT_THE_ITEM = frozenset({401, 402, 403, 404, 429, 503})
ITEM_IS_WRONG = frozenset({400, 413, 422})  # sent again unchanged it fails again


class PausedError(JobError):
    """The worker stops; the run goes on after its next start."""


class WaitsError(JobError):
    """The answer comes out of a batch that has not ended: the same is asked again later."""


class Next(Enum):
    """What comes after a part of a run."""

    GO_ON = auto()
    WAIT = auto()  # and this part again, later
    STOP = auto()  # there is no use in trying the others now


class NotAskedError(DeadlineError):
    """The run's time was over before this part of it was asked."""


@dataclass(slots=True)
class Tally:
    """What a run has done so far. `failures` holds the kind of each and its sentence, `left_out`
    the sentences about what was found and is nothing to work on. `tried` holds the answers that
    were not good enough: of each part the next try, what was wrong, and whether it was cut.
    `waited` are the parts that are, or were, in a batch.
    """

    parts: int = 0
    items: int = 0
    done: int = 0
    places: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    tried: dict[str, tuple[int, str, bool]] = field(default_factory=dict)
    waited: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a run with one answer: one item, all items, or none for a job without watcher."""

    job: Job
    run: Run
    key: str
    items: tuple[Item, ...]

    @property
    def title(self) -> str:
        """What the answer is about."""
        return self.items[0].title if self.key != ALL and self.items else ""

    @property
    def item_ids(self) -> list[str]:
        """The items that are done when this part is."""
        return [item.id for item in self.items]


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a run keeps what it has."""

    items: ItemStore
    results: ResultStore


class Runner:
    """Does runs, several at a time if it is asked to."""

    def __init__(
        self,
        stores: Stores,
        client: MainClient,
        *,
        delivery: Delivery,
        watchers: Mapping[str, Watcher],
        clock: Clock,
    ) -> None:
        self._stores = stores
        self._client = client
        self._delivery = delivery
        self._watchers = watchers
        self._clock = clock

    async def run(
        self,
        job: Job,
        run: Run,
        *,
        paused: Callable[[], bool],
        rest: Callable[[float], Awaitable[None]],
    ) -> Ended:
        """Do the run, or what is left of it. `rest` lets others work while it waits for a batch.

        Raises `PausedError` between two parts when `paused` says so, and `NotRunningError` when
        main has gone. In both cases the run is not over.
        """
        ends_at = self._clock.monotonic() + job.deadline_seconds
        tally = Tally()
        try:
            self._delivery.target_of(job, run, title="any.txt")
            parts = await self._parts(job, run, tally=tally)
        except WatchError as exc:
            return Ended(RunState.FAILED, f"could not look: {exc.message}")
        except JobError as exc:
            return Ended(RunState.FAILED, f"delivery: {exc.message}")
        tally.parts = len(parts)
        left, rounds = parts, 0
        while left := await self._round(left, tally, ends_at=ends_at, paused=paused):
            await rest(PAUSES_SECONDS[min(rounds, len(PAUSES_SECONDS) - 1)])
            rounds += 1
        if parts and job.model != ANY_MODEL:
            await self._client.done_with(job.model)
        if parts and job.batch:
            await self._client.over(run.id)
        return ended(job, run, tally=tally)

    async def abandon(self, run: Run) -> None:
        """The run does not go on: nothing is to be waited for."""
        await self._client.over(run.id)

    async def _round(
        self, parts: list[Part], tally: Tally, *, ends_at: float, paused: Callable[[], bool]
    ) -> list[Part]:
        """Each part once; those that wait for a batch are left, also where the others are not
        worth trying: they may be paid for already.
        """
        waiting: list[Part] = []
        for number, part in enumerate(parts, 1):
            if paused():
                raise PausedError("the worker stops")
            after = await self._one(part, tally, ends_at=ends_at)
            if after is Next.STOP:
                return waiting + [one for one in parts[number:] if one.key in tally.waited]
            if after is Next.WAIT:
                tally.waited.add(part.key)
                waiting.append(part)
        return waiting

    async def _parts(self, job: Job, run: Run, *, tally: Tally) -> list[Part]:
        """The pieces of work; none if the watcher found nothing."""
        if job.watch is None:
            return [Part(job, run, ALL, ())]
        if run.items == 0:  # a resumed run has its items already
            tally.left_out += await self._look(job)
        limit = int(job.watch.get("items_max", 50))
        by_hand = run.trigger == "hand"  # who orders a run wants everything tried now
        items = await self._stores.items.take(job.name, run.id, limit=limit, pausing=by_hand)
        tally.items = len(items)
        if job.each:
            return [Part(job, run, item.id, (item,)) for item in items]
        return [Part(job, run, ALL, tuple(items))] if items else []

    async def _look(self, job: Job) -> list[str]:
        watcher = self._watchers[job.name]
        cursor = await self._stores.items.cursor(job.name, watcher.place)
        try:
            async with asyncio.timeout(job.deadline_seconds):
                look: Look = await watcher.look(cursor)
        except TimeoutError as exc:
            raise WatchError(f"no answer within {job.deadline_seconds:.0f} s") from exc
        if look.cursor == cursor and not look.items and not look.unreadable:
            return []
        return await self._stores.items.store_look(job.name, watcher.place, look=look)

    async def _one(self, part: Part, tally: Tally, *, ends_at: float) -> Next:
        """One part, its failure noted."""
        try:
            letter = await self._stores.results.letter(part.run.id, part.key)
            if letter is None:
                letter = await self._ask_and_store(part, tally, ends_at=ends_at)
            place = await self._hand_over(part, letter)
        except WaitsError:
            return Next.WAIT
        except DeliveryError as exc:
            tally.failures.append(("delivery", f"{exc.message}; it is kept and tried again"))
            return Next.GO_ON
        except (JobError, StreamBrokenError, DeadlineError, UpstreamError) as exc:
            tally.failures.append(("model", named(part, exc.message)))
            return await self._failed(part, exc, ends_at=ends_at)
        tally.done += 1
        tally.places.append(place)
        return Next.GO_ON

    async def _failed(self, part: Part, exc: Exception, *, ends_at: float) -> Next:
        """Blame the item where it is to blame; otherwise it waits, and so do the others."""
        status = exc.upstream_status if isinstance(exc, UpstreamError) else 0
        if status in NOT_THE_ITEM or isinstance(exc, NotAskedError):
            return Next.STOP
        await self._stores.items.failed(
            part.job.name, part.item_ids, because=str(exc), final=status in ITEM_IS_WRONG
        )
        return Next.GO_ON if self._clock.monotonic() < ends_at else Next.STOP

    async def _ask_and_store(self, part: Part, tally: Tally, *, ends_at: float) -> Letter:
        target = self._delivery.target_of(part.job, part.run, title=part.title or part.job.name)
        text, answer, step = await self._good_answer(part, tally, ends_at=ends_at)
        letter = Letter(part.run.id, part.key, part.job.name, target, part.title, text)
        await self._stores.results.store_answer(letter, answer, step=step)
        return letter

    async def _good_answer(
        self, part: Part, tally: Tally, *, ends_at: float
    ) -> tuple[str, Answer, str]:
        """An answer of the right form, after one more try if need be."""
        first, wrong, cut = tally.tried.get(part.key, (1, "", False))
        for number in range(first, TRIES_PER_ANSWER + 1):
            question = self._question(part, number, wrong=wrong, cut=cut)
            answer = await self._ask(question, ends_at)
            try:
                return checked(part.job, answer.text, cut=answer.cut), answer, question.step
            except JobError as exc:
                wrong, cut = exc.message, answer.cut
                tally.tried[part.key] = (number + 1, wrong, cut)
                await self._stores.results.count_call(part.run.id, answer)
        raise JobError(wrong)

    def _question(self, part: Part, number: int, *, wrong: str, cut: bool) -> Question:
        job = part.job
        prompt = prompt_of(job, part.items)
        return Question(
            system=SYSTEM,
            # Without chance the same question gives the same answer; so the second one has some,
            # says what was wrong, and leaves less room where the first answer did not fit.
            prompt=f"{prompt}\n\nNot good enough last time: {wrong}." if wrong else prompt,
            job=job.name,
            run=part.run.id,
            step=f"{part.key[:12]}:{number}",
            kind="polling" if job.watch is not None else "",
            policy=job.tier,
            model=job.model,
            output_tokens_max=job.output_tokens_max,
            deadline_seconds=job.deadline_seconds,
            schema=schema_of(job, short=cut),
            temperature=AGAIN_TEMPERATURE if wrong else 0.0,
            period_seconds=period_seconds(job, at=self._clock.now()),
            batch=job.batch,
        )

    async def _ask(self, question: Question, ends_at: float) -> Answer:
        """Ask, and wait for a tier that cannot be asked now, as long as the deadline lasts."""
        asked = 0
        while True:
            left_seconds = ends_at - self._clock.monotonic()
            if left_seconds <= 0:
                raise NotAskedError("the run's deadline has passed; give the job a longer one")
            try:
                answer = await self._client.ask(replace(question, deadline_seconds=left_seconds))
            except UpstreamError as exc:
                pause_seconds = max(
                    exc.retry_after_seconds or 0.0,
                    PAUSES_SECONDS[min(asked, len(PAUSES_SECONDS) - 1)],
                )
                left_seconds = ends_at - self._clock.monotonic()
                if exc.upstream_status not in WAIT_AND_ASK_AGAIN or pause_seconds >= left_seconds:
                    raise
            else:
                if answer is None:
                    raise WaitsError("it waits for a batch")
                return answer
            asked += 1
            await self._clock.sleep(pause_seconds)

    async def _hand_over(self, part: Part, letter: Letter) -> str:
        """Deliver, once. A failed delivery leaves the letter in the outbox."""
        if letter.delivered:
            return shown_target(letter.target)
        try:
            place = await self._delivery.deliver(letter)
        except DeliveryError as exc:
            await self._stores.results.undelivered(letter, part.item_ids, because=exc.message)
            raise
        await self._stores.results.delivered(letter, part.item_ids)
        return place


def ended(job: Job, run: Run, *, tally: Tally) -> Ended:
    """The run's end in one sentence. Delivery comes last: alone, it may still be made good."""
    result = summary(tally.places)
    left_out = left_out_text(tally.left_out)
    if tally.failures or (left_out and not tally.done):
        kinds = sorted({kind for kind, _ in tally.failures}, key=lambda kind: kind == "delivery")
        told = [f"{kind}: {sentences(tally.failures, kind)}" for kind in kinds]
        told += [left_out] if left_out else []
        done = f" ({tally.done} of {tally.parts} done)" if tally.parts else ""
        return Ended(RunState.FAILED, "; ".join(told) + done, result)
    if job.watch is not None and not tally.items:
        return Ended(RunState.QUIET, "nothing new")
    because = counted(tally.items, "new item") if job.watch is not None else "asked"
    because += f"; {left_out}" if left_out else ""
    if run.late:
        return Ended(RunState.LATE, f"{because}; due while twotier was not running", result)
    return Ended(RunState.DONE, because, result)


def left_out_text(left_out: Sequence[str]) -> str:
    """What was found and not worked on; empty where there was none."""
    return f"{counted(len(left_out), 'file')} left out: {first_three(left_out)}" if left_out else ""


def sentences(failures: Sequence[tuple[str, str]], kind: str) -> str:
    """The different sentences of one kind of failure, the first three of them."""
    return first_three([text for found, text in failures if found == kind])


def first_three(texts: Sequence[str]) -> str:
    """The different ones, and how many more there are."""
    told = list(dict.fromkeys(texts))
    return "; ".join(told[:3]) + (f"; and {len(told) - 3} more" if len(told) > 3 else "")


def named(part: Part, message: str) -> str:
    """A failure with the item it is about."""
    return f"{part.title}: {message}" if part.title else message
