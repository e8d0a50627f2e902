"""One run of a job: look, ask, check, store, deliver.

The look comes before anything else: a run that finds nothing new is over, and the engine never
heard of it. What follows is a body of steps that the engine remembers, so a run that was killed
goes on where it stood, and no finished step is done again. Which steps there are depends on nothing
but what earlier ones gave; what is read from outside is read inside of one.

What fails says at which step: could not look, item, model or delivery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from twotier.agent.model import Answer, MainClient, Question
from twotier.domain.clock import Clock
from twotier.domain.job import Item, Job, Run, RunState
from twotier.domain.steps import Json, Steps
from twotier.domain.urls import shown_target
from twotier.domain.verdict import Verdict
from twotier.errors import (
    ApprovalWaitsError,
    DeadlineError,
    DeliveryError,
    JobError,
    NotRunningError,
    PausedError,
    StreamBrokenError,
    UpstreamError,
    WatchError,
)
from twotier.jobs import verdicts
from twotier.jobs.asking import (
    TRIES_PER_ANSWER,
    Asker,
    NotAskedError,
    SkippedError,
    WaitsError,
)
from twotier.jobs.awake import Awake
from twotier.jobs.batches import Batch
from twotier.jobs.delivery import Delivery
from twotier.jobs.digest import NO_MODEL, by_rule
from twotier.jobs.engine import Body, Engine
from twotier.jobs.items import ItemStore
from twotier.jobs.parts import ALL, Agents, Asking, Part, Tally, ended, named
from twotier.jobs.prompt import SYSTEM, schema_of
from twotier.jobs.results import Letter, ResultStore
from twotier.jobs.schedule import period_seconds
from twotier.jobs.splitting import kind_for, picked, policy_for, prompt_for, split_of, text_for
from twotier.jobs.store import Ended
from twotier.jobs.verdicts import short
from twotier.jobs.verifying import told_of
from twotier.watch.base import Look, Watcher

ANY_MODEL = "auto"
AGAIN_TEMPERATURE = 0.7
FORK_STEP_MIN = 2  # the first step says what the run works on

# These say something about the tier, the budget or our rights, and nothing about the item.
NOT_THE_ITEM = frozenset({401, 402, 403, 404, 409, 429, 503, 529})
ITEM_IS_WRONG = frozenset({400, 413, 422})  # sent again unchanged it fails again
TOO_LONG = "context_length_exceeded"  # for the window as it is now: that may grow again
FAILURES = (JobError, StreamBrokenError, DeadlineError, UpstreamError)

# With these a run is left as it is, to go on when it is started again.
LEAVE: tuple[type[Exception], ...] = (PausedError, NotRunningError, ApprovalWaitsError)


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a run keeps what it has, and what remembers its steps."""

    items: ItemStore
    results: ResultStore
    engine: Engine


@dataclass(frozen=True, slots=True)
class Order:
    """A run that is to be done now. `left_out` are the sentences of its look."""

    job: Job
    run: Run
    asker: Asker
    paused: Callable[[], bool]
    rest: Callable[[float], Awaitable[None]]
    left_out: tuple[str, ...] = ()


async def nothing_first() -> None:
    """Nothing to wait for."""


class Runner:
    """Does runs, several at a time if it is asked to. `awake` keeps the machine so meanwhile."""

    def __init__(
        self,
        stores: Stores,
        client: MainClient,
        *,
        delivery: Delivery,
        watchers: Mapping[str, Watcher],
        clock: Clock,
        agents: Agents | None = None,
    ) -> None:
        self.awake = Awake(())
        self._stores = stores
        self._client = client
        self._delivery = delivery
        self._watchers = watchers
        self._clock = clock
        self._agents = agents

    async def run(
        self,
        job: Job,
        run: Run,
        *,
        paused: Callable[[], bool],
        rest: Callable[[float], Awaitable[None]],
        begin: Callable[[], Awaitable[None]] = nothing_first,
    ) -> Ended:
        """Do the run, or what is left of it. `begin` is waited for before anything is asked, and
        only where there is something to ask; the deadline counts from then on. `rest` lets others
        work while it waits for a batch.

        Raises `PausedError` between two parts when `paused` says so, and `NotRunningError` when
        main has gone. In both cases the run is not over.
        """
        try:
            self._delivery.target_of(job, run, title="any.txt")
            found = await self._found(job, run)
        except WatchError as exc:
            return Ended(RunState.FAILED, f"could not look: {exc.message}")
        except JobError as exc:
            return Ended(RunState.FAILED, f"delivery: {exc.message}")
        if job.watch is not None and not found.items:
            return ended(job, run, tally=found)
        if job.model != NO_MODEL:
            await begin()
        ends_at = self._clock.monotonic() + job.deadline_seconds
        asker = Asker(job, self._stores.results, self._clock, ends_at)
        rested = partial(self.awake.resting, rest)
        order = Order(job, run, asker, paused, rested, tuple(found.left_out))
        async with self.awake.during():
            over = await self._engine_run(run, partial(self._body, order))
        if job.model not in (ANY_MODEL, NO_MODEL):
            await self._client.done_with(job.model)
        if job.batch:
            await self._client.over(run.id)
        return Ended(RunState(over["state"]), over["because"], over["result"])

    async def abandon(self, run: Run) -> None:
        """The run does not go on: nothing is to be waited for."""
        await self._client.over(run.id)

    async def _engine_run(self, run: Run, body: Body) -> Json:
        kind, _, rest = run.trigger.partition(":")
        if kind != "fork":
            return await self._stores.engine.run(run.id, body)
        step, _, original = rest.partition(":")
        first = max(FORK_STEP_MIN, int(step))
        return await self._stores.engine.fork(original, run.id, step=first, body=body)

    # -- before the steps

    async def _found(self, job: Job, run: Run) -> Tally:
        """What there is to work on; a run that goes on, or was forked, has its items already."""
        if job.watch is None:
            return Tally(parts=1)
        if run.items:
            return Tally(items=run.items)
        left_out = await self._look(job)
        limit = int(job.watch.get("items_max", 50))
        by_hand = run.trigger == "hand"  # who orders a run wants everything tried now
        items = await self._stores.items.take(job.name, run.id, limit=limit, pausing=by_hand)
        return Tally(items=len(items), left_out=left_out)

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

    # -- the steps

    async def _body(self, order: Order, steps: Steps) -> Json:
        begun = await steps.do("begin", partial(self._begin, order))
        parts = await self._parts(order, begun["parts"])
        tally = Tally(len(parts), begun["items"], left_out=list(begun["left_out"]))
        if begun["batch"]:
            batch = Batch(self, parts, tally, order.asker, order.paused, order.rest)
            tally = Tally(**await steps.do("batch", batch.all))
        else:
            for part in parts:
                if order.paused():
                    raise PausedError("the worker stops")
                if not await self._one(part, tally, order=order, steps=steps):
                    break
        over = ended(order.job, order.run, tally=tally)
        return {"state": over.state.value, "because": over.because, "result": over.result}

    async def _begin(self, order: Order) -> Json:
        """What the run works on, so that it stays the same whatever happens meanwhile."""
        job, run = order.job, order.run
        items = [] if job.watch is None else await self._stores.items.taken(run.id)
        keys = [item.id for item in items] if job.each and items else [ALL]
        stored = await self._stores.results.stored(run.id)
        parts = []
        for key in keys:
            mine = [item.id for item in items if key in (ALL, item.id)]
            parts.append({"key": key, "items": mine, "stored": key in stored})
        return {
            "parts": parts,
            "items": len(items),
            "left_out": list(order.left_out),
            "batch": job.batch,
        }

    async def _parts(self, order: Order, told: list[dict[str, Any]]) -> list[Part]:
        """The pieces of work with their texts, which are too large to be kept in a step."""
        ids = [item_id for part in told for item_id in part["items"]]
        known = {item.id: item for item in await self._stores.items.of(order.job.name, ids)}
        return [
            Part(
                order.job,
                order.run,
                part["key"],
                tuple(known.get(item_id, Item(item_id, "", "", "")) for item_id in part["items"]),
                stored=part["stored"],
            )
            for part in told
        ]

    async def _one(self, part: Part, tally: Tally, *, order: Order, steps: Steps) -> bool:
        """One part to its end; False where there is no use in trying the others now."""
        made: dict[str, Any] = {}
        if not part.stored:
            made = await self._made(part, order=order, steps=steps)
            if "text" not in made:
                tally.failed(made)
                return bool(made.get("go_on", False))
            tally.made(made)
            await steps.do("store", partial(self.store, part, made))
        tally.delivered(await steps.do("deliver", partial(self.deliver, part, made)))
        return True

    async def _made(self, part: Part, *, order: Order, steps: Steps) -> dict[str, Any]:
        """The text of the part, or what went wrong."""
        if part.job.model == NO_MODEL:
            return by_rule(part.items, step=short(part.key))
        if self._agents is not None and self._agents.wants(part.job):
            return await self._worked(part, self._agents, order=order, steps=steps)
        made: dict[str, Any] = {}
        if part.job.split:
            made = await steps.do("split", partial(self._split, part, asker=order.asker))
            if "because" in made or "skipped" in made:
                return made
            part = replace(part, split=split_of(made["split"]))
        for number in range(1, TRIES_PER_ANSWER + 1):
            work = partial(self.asked, part, number, before=made, asker=order.asker)
            made = await steps.do("model", work)
            if "wrong" not in made:
                break
        return await self._verified(part, made, order=order, steps=steps)

    async def _verified(
        self, part: Part, made: dict[str, Any], *, order: Order, steps: Steps
    ) -> dict[str, Any]:
        """What was made, once it was looked at; where it is of no use, what went wrong."""
        tier = made.get("answer", {}).get("tier", "")
        if self._agents is None or not self._looked_at(part.job, tier):
            return made
        if "text" in made or "wrong" in made:
            question = self.question(part, 1, wrong="", cut=False)
            asking = Asking(
                question,
                ask=lambda asked: order.asker.ask(asked, self._client.ask),
                checked=partial(text_for, part),
            )
            verifier = self._agents.verifier
            made = await verifier.verified(part, made, asking=asking, steps=steps)
        if "text" in made or "wrong" not in made:
            return made
        known = (verdicts.failed(part, tier, by="form"),)
        blame = partial(self.failed, part, JobError(made["wrong"]), asker=order.asker, known=known)
        return {**made, **await steps.do("failed", blame)}

    def _looked_at(self, job: Job, tier: str) -> bool:
        """Whether an answer of this tier is verified, and perhaps not the last one."""
        return self._agents is not None and self._agents.verifier.wants(job, tier)

    async def _worked(
        self, part: Part, agents: Agents, *, order: Order, steps: Steps
    ) -> dict[str, Any]:
        """The same by an agent, whose steps are its own."""

        async def ask(chat: Any) -> Any:
            return await order.asker.ask(chat, self._client.chat)

        failure: Exception
        known: tuple[Verdict, ...] = ()
        try:
            worked = await agents.work(part, ask=ask, steps=steps)
            if not worked.failed:
                told: dict[str, Any] = {"step": short(part.key), "answer": told_of(worked)}
                told |= {"text": worked.text, "told": worked.told, "looked": worked.looked}
                return told | {"gave_up": worked.gave_up}
            failure, known = JobError(worked.failed), verdicts.stuck(part, worked)
        except LEAVE:
            raise
        except FAILURES as exc:
            failure = exc
        blame = partial(self.failed, part, failure, asker=order.asker, known=known)
        failed: dict[str, Any] = await steps.do("failed", blame)
        return failed

    # -- what the steps do

    async def asked(
        self, part: Part, number: int, *, before: Mapping[str, Any], asker: Asker
    ) -> dict[str, Any]:
        """One model call, its answer checked: the text, what is wrong with it, or a failure.

        Raises `WaitsError` while it waits for a batch.
        """
        wrong, cut = before.get("wrong", ""), bool(before.get("cut"))
        question = self.question(part, number, wrong=wrong, cut=cut)
        try:
            answer = await asker.ask(question, self._client.ask)
            said = {"answer": told_of(answer), "step": question.step}
            try:
                return said | {"text": text_for(part, answer.text, cut=answer.cut)}
            except JobError as exc:
                if number < TRIES_PER_ANSWER or self._looked_at(part.job, answer.tier):
                    return said | {"wrong": exc.message, "cut": answer.cut, "said": answer.text}
                known = (verdicts.failed(part, answer.tier, by="form"),)
                return said | await self.failed(part, exc, asker=asker, known=known)
        except WaitsError:
            raise
        except FAILURES as exc:
            return await self.failed(part, exc, asker=asker)

    async def _split(self, part: Part, *, asker: Asker) -> dict[str, Any]:
        """What the local tier picked of the items."""
        name = short(part.key)
        try:
            told = await picked(part, name, asker=asker, main=self._client, clock=self._clock)
        except FAILURES as exc:
            return await self.failed(part, exc, asker=asker)
        return {"split": told}

    async def failed(
        self, part: Part, exc: Exception, *, asker: Asker, known: Sequence[Verdict] = ()
    ) -> dict[str, Any]:
        """Blame the item where it is to blame; otherwise it waits, and so do the others. `known`
        says which tiers are.
        """
        for verdict in known:
            await self._client.judged(verdict)
        if isinstance(exc, SkippedError):
            return {"skipped": exc.message}
        because = named(part, exc.message if isinstance(exc, FAILURES) else str(exc))
        told = exc if isinstance(exc, UpstreamError) else UpstreamError("", upstream_status=0)
        status = told.upstream_status
        if status in NOT_THE_ITEM or isinstance(exc, NotAskedError):
            return {"because": because, "go_on": False}
        final = status in ITEM_IS_WRONG and told.upstream_kind != TOO_LONG
        await self._stores.items.failed(part.job.name, part.item_ids, because=str(exc), final=final)
        return {"because": because, "go_on": asker.left_seconds > 0}

    async def store(self, part: Part, made: Mapping[str, Any]) -> None:
        """Keep the answer and queue its delivery; a second time changes nothing."""
        target = self._delivery.target_of(part.job, part.run, title=part.title or part.job.name)
        letter = Letter(part.run.id, part.key, part.job.name, target, part.title, made["text"])
        answer = Answer(text=made["text"], cut=False, **made["answer"])
        await self._stores.results.store_answer(letter, answer, step=made["step"])
        for verdict in verdicts.ended(part, made):
            await self._client.judged(verdict)

    async def deliver(self, part: Part, made: Mapping[str, Any]) -> dict[str, str]:
        """Hand it over, once. A failed delivery leaves the letter in the outbox."""
        letter = await self._stores.results.letter(part.run.id, part.key)
        if letter is None and "text" in made:  # a fork took over the step that stores
            await self.store(part, made)
            letter = await self._stores.results.letter(part.run.id, part.key)
        if letter is None:
            raise JobError(f"the answer of {part.run.id} is not there any more; order the run anew")
        if letter.delivered:
            return {"place": shown_target(letter.target)}
        try:
            place = await self._delivery.deliver(letter)
        except DeliveryError as exc:
            await self._stores.results.undelivered(letter, part.item_ids, because=exc.message)
            return {"because": f"{exc.message}; it is kept and tried again"}
        await self._stores.results.delivered(letter, part.item_ids)
        return {"place": place}

    async def finish(self, part: Part, made: Mapping[str, Any], *, tally: Tally) -> None:
        """Store and deliver, and note it."""
        if "text" in made:
            await self.store(part, made)
        tally.delivered(await self.deliver(part, made))

    async def has_answer(self, part: Part) -> bool:
        """Whether its answer is stored already."""
        return await self._stores.results.letter(part.run.id, part.key) is not None

    def question(self, part: Part, number: int, *, wrong: str, cut: bool) -> Question:
        """What the model is asked for this part."""
        job = part.job
        prompt = prompt_for(part)
        return Question(
            system=SYSTEM,
            # Without chance the same question gives the same answer; so the second one has some,
            # says what was wrong, and leaves less room where the first answer did not fit.
            prompt=f"{prompt}\n\nNot good enough last time: {wrong}." if wrong else prompt,
            job=job.name,
            run=part.run.id,
            step=f"{short(part.key)}:{number}",
            kind=kind_for(part),
            policy=policy_for(part),
            model=job.model,
            output_tokens_max=job.output_tokens_max,
            deadline_seconds=job.deadline_seconds,
            schema=schema_of(job, short=cut),
            temperature=AGAIN_TEMPERATURE if wrong else 0.0,
            period_seconds=period_seconds(job, at=self._clock.now()),
            batch=job.batch,
        )
