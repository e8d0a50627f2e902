"""One day of the article's seven jobs and some chat, in virtual time, and what it costs five ways.

    python -m bench.day

Everything but the models is real: the worker's scheduler and watchers, dispatcher, router, ledger.
Two tiers are played: the frontier by the rules of Anthropic's API (its prompt cache included), the
local one by a server that counts. What found nothing, and so asked no model, is priced as the call
that an agent without change checks would have made; those sizes are below, and of them only the
comment check's 20,000 tokens, 48 times a day, are the article's own.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from msgspec.structs import replace as changed

from bench.virtual import VirtualClock, frontier_spec, local_spec
from tests.fakes.anthropic_bill import Cache, Row
from twotier.agent.model import Answer, MainClient, Question, answer_of, body_of, headers_of
from twotier.attempts import new_ids
from twotier.build.money import price_on
from twotier.dispatch import Dispatch
from twotier.domain.job import Job
from twotier.domain.message import Dialect, Text, Usage, Whole
from twotier.domain.money import MICROUSD_PER_USD
from twotier.domain.task import Caller
from twotier.domain.tier import TierFacts, TierPolicy, TierState
from twotier.domain.verdict import Verdict
from twotier.exchange import Ground, Tier
from twotier.jobs.database import Database
from twotier.jobs.delivery import Delivery
from twotier.jobs.engine import Engine
from twotier.jobs.items import ItemStore
from twotier.jobs.places import Places
from twotier.jobs.results import ResultStore
from twotier.jobs.runner import LEAVE, Runner, Stores
from twotier.jobs.schedule import due_slots
from twotier.jobs.scheduler import Scheduler
from twotier.jobs.stop import Stop
from twotier.jobs.store import ON_THE_WAY, RunStore
from twotier.jobs.tables import runs as runs_table
from twotier.jobs.triggers import TriggerStore
from twotier.ledger.book import Book
from twotier.ledger.savings import Column, Done, Savings, savings
from twotier.ledger.shipped import shipped_prices
from twotier.protocols import INBOUND
from twotier.providers.base import Ask, Reply
from twotier.providers.scripted import ASKED, Scripted, events
from twotier.providers.scripted import Answer as Played
from twotier.router.breaker import Breakers
from twotier.router.names import Names
from twotier.router.retry import RetryBudget
from twotier.router.tree import Router
from twotier.tries import Remedy
from twotier.watch.base import Around
from twotier.watch.kinds import make

START = datetime(2026, 3, 2, tzinfo=UTC)
OPUS, HAIKU = ("anthropic", "claude-opus-4-6"), ("anthropic", "claude-haiku-4-5")
NOTHING_TOKENS = 50
UNTIL_SECONDS_MAX = 600.0
WORDS = re.compile(r"in (\d+) words")


@dataclass(frozen=True, slots=True)
class Poll:
    """A job that looks for something new. `tokens` are what one look costs an agent that has no
    change check, `same` those of them that are the same each time (its instructions and tools).
    """

    name: str
    minutes: int
    tokens: int
    same: int
    found: Mapping[str, int]  # by the kind of day


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that is written once a day."""

    name: str
    cron: str
    prompt_tokens: int
    output_tokens: int
    deadline_hours: int


@dataclass(frozen=True, slots=True)
class Chat:
    """How much is talked: each turn says 400 tokens and hears 400, behind 6,000 of instructions."""

    talks: int
    turns: int


def days(quiet: int, normal: int, busy: int) -> Mapping[str, int]:
    """A figure for each kind of day."""
    return {"quiet": quiet, "normal": normal, "busy": busy}


POLLS = (
    Poll("comments", 30, 20_000, 12_000, days(0, 3, 20)),
    Poll("mail", 30, 16_000, 12_000, days(2, 12, 40)),
    Poll("mentions", 30, 16_000, 12_000, days(0, 4, 24)),
    Poll("x-scan", 120, 24_000, 12_000, days(1, 4, 10)),
    Poll("spend-check", 60, 14_000, 12_000, days(0, 0, 0)),
)
PIECES = (
    Piece("brief", "30 6 * * *", 18_000, 3_000, 1),
    Piece("post", "0 10 * * *", 14_000, 6_000, 8),
)
CHATS = {"quiet": Chat(1, 8), "normal": Chat(3, 12), "busy": Chat(6, 16)}


class Opus:
    """The frontier: counts and caches as Anthropic's API does, answers as long as it is told."""

    dialect: Dialect = "anthropic_messages"

    def __init__(self, clock: VirtualClock) -> None:
        self._cache = Cache(4_096, clock.monotonic)

    async def ask(self, ask: Ask) -> Reply:
        """A streamed message."""
        body = json.loads(ask.body)
        row = Row("r", body["model"])
        self._cache.read(body, row)
        output = output_tokens(ask.body.decode())
        usage = Usage(
            row.input_tokens,
            output,
            cache_read_tokens=row.cache_read_tokens,
            cache_write_tokens=row.cache_write_5m_tokens,
            cache_write_1h_tokens=row.cache_write_1h_tokens,
        )
        writer = INBOUND["anthropic_messages"].stream_writer(
            "r", model=body["model"], created=0, request=ASKED
        )
        whole = said(body["model"], output, usage)
        stream = b"".join(map(writer.write, events(whole)))
        line = Played((stream,), {"content-type": "text/event-stream"})
        return await Scripted([line], dialect=self.dialect).ask(ask)


class Mini:
    """The local tier: counts four bytes a token, answers as long as it is told."""

    dialect: Dialect = "openai_chat"

    async def ask(self, ask: Ask) -> Reply:
        """A chat completion, streamed if it is asked for."""
        output = output_tokens(ask.body.decode())
        whole = said("m25", output, Usage(len(ask.body) // 4, output))
        return await Scripted([whole]).ask(ask)


def said(model: str, output: int, usage: Usage) -> Whole:
    """An answer of so many words."""
    return Whole("r", model, (Text("word " * output),), "stop", usage)


def output_tokens(body: str) -> int:
    """How long the answer is to be."""
    return int(WORDS.findall(body)[-1])


class Inside:
    """Main without its socket: what the worker asks goes to the dispatcher at once."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch

    async def ask(self, question: Question) -> Answer:
        """Ask and wait for the whole answer."""
        told = headers_of(question)
        period = told.get("x-twotier-period")
        caller = Caller(
            private=True,
            client="worker",
            job=question.job,
            run=question.run,
            step=question.step,
            kind=question.kind,
            policy=question.policy,
            deadline_seconds=question.deadline_seconds,
            period_seconds=float(period) if period else None,
        )
        raw, headers = await asked(self._dispatch, body_of(question), caller)
        return answer_of(raw, headers)

    async def done_with(self, model: str) -> None:
        """Nothing to let go of."""

    async def judged(self, verdict: Verdict) -> None:
        """Every job here names its tiers, so no record has a say."""


async def asked(
    dispatch: Dispatch, body: Mapping[str, Any], caller: Caller
) -> tuple[bytes, Mapping[str, str]]:
    """One request through the dispatcher, to its end."""
    request = INBOUND["openai_chat"].read_request(json.dumps(body).encode())
    answer = await dispatch.answer(request, caller)
    chunks = []
    try:
        while chunk := await answer.read():
            chunks.append(chunk)
    finally:
        await answer.close()
    return b"".join(chunks), answer.headers


@dataclass
class World:
    """Everything that runs while a day passes."""

    home: Path
    clock: VirtualClock
    book: Book
    dispatch: Dispatch
    scheduler: Scheduler
    runs: RunStore
    database: Database
    jobs: list[Job]
    talks: dict[int, list[dict[str, str]]] = field(default_factory=dict)

    async def until(self, moment: datetime) -> None:
        """Let time pass, and everything that is due be done."""
        self.clock.turn((moment - self.clock.now()).total_seconds())
        self.scheduler.look()  # it may just be lying down, by the time before the turn
        due = sum(len(due_slots(job, after=START, now=moment)) for job in self.jobs)
        over = sa.select(sa.func.count()).where(runs_table.c.state.not_in(ON_THE_WAY))
        async with asyncio.timeout(UNTIL_SECONDS_MAX):
            while await self.database.do(lambda one: one.scalar(over)) != due:  # noqa: ASYNC110
                await asyncio.sleep(0.002)

    async def say(self, talk: int) -> None:
        """One more turn of a talk."""
        system = {"role": "system", "content": f"{talk} " + "rule " * 6_000}
        turns = self.talks.setdefault(talk, [system])
        turns.append({"role": "user", "content": "word " * 394 + "in 400 words"})
        body = {"model": "frontier", "messages": turns, "max_tokens": 1_000}
        raw, _ = await asked(self.dispatch, body, Caller(client=f"chat {talk}"))
        text = json.loads(raw)["choices"][0]["message"]["content"]
        turns.append({"role": "assistant", "content": text})


@asynccontextmanager
async def world(home: Path, jobs: list[Job]) -> AsyncIterator[World]:
    """Build it, let it work."""
    clock = VirtualClock(START)
    book = await Book.open(home / "ledger.db", clock=clock)
    near, far = local_spec(), frontier_spec(shipped_prices().price(*OPUS, on=START.date()))
    router = Router(Names([near, far], {}, lambda _provider, _model: False))
    ready = {spec.name: TierFacts(spec.name, TierState.READY) for spec in (near, far)}
    dispatch = Dispatch(
        {
            "local": Tier(near, Mini(), lambda: ready["local"]),
            "frontier": Tier(far, Opus(clock), lambda: ready["frontier"]),
        },
        router=router,
        price=price_on(shipped_prices()),
        ground=Ground(book, (), clock, (router.caches,)),
        new_id=new_ids(),
        remedy=Remedy(Breakers(), RetryBudget(), lambda: 0.0),
    )
    database = Database.open(home / "work.db")
    runs = RunStore(database, clock)
    engine = Engine.on(home / "engine.db", leave=LEAVE)
    stores = Stores(ItemStore(database, clock), ResultStore(database, clock), engine)
    delivery = Delivery(home, stores.results, channels={})
    watchers = {job.name: make(job.watch, Around(home, clock)) for job in jobs if job.watch}
    client = cast("MainClient", Inside(dispatch))
    runner = Runner(stores, client, delivery=delivery, watchers=watchers, clock=clock)
    scheduler = Scheduler(
        jobs,
        store=runs,
        triggers=TriggerStore(database, clock),
        runner=runner,
        places=Places(),
        clock=clock,
    )
    stop = Stop()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(scheduler.run(stop))
            await scheduler.started.wait()
            yield World(home, clock, book, dispatch, scheduler, runs, database, jobs)
            stop.ask("the day is over", grace_seconds=0.0)
    finally:
        await engine.close()
        database.close()
        await book.close()


def jobs_of(home: Path) -> list[Job]:
    """The article's seven."""
    common: dict[str, Any] = {
        "zone": "UTC",
        "tier": TierPolicy.AUTO,
        "model": "auto",
        "deliver": "log",
        "each": False,
        "answer_lines": 0,
        "missed": "once",
        "enabled": True,
        "root": str(home),
    }
    made = []
    for poll in POLLS:
        (home / poll.name).mkdir()
        watch = {
            "kind": "files",
            "path": poll.name,
            "match": ("*.txt",),
            "settle_seconds": 0.0,
            "item_bytes_max": 12_000,
            "items_max": 50,
        }
        made.append(
            Job(
                name=poll.name,
                prompt="Say what is new, in 300 words.",
                every_seconds=poll.minutes * 60.0,
                cron="",
                watch=watch,
                output_tokens_max=600,
                deadline_seconds=600.0,
                **common,
            )
        )
    return made + [
        Job(
            name=piece.name,
            prompt="word " * (piece.prompt_tokens - 4) + f"in {piece.output_tokens} words",
            every_seconds=None,
            cron=piece.cron,
            watch=None,
            output_tokens_max=2 * piece.output_tokens,
            deadline_seconds=piece.deadline_hours * 3_600.0,
            **common,
        )
        for piece in PIECES
    ]


async def day(kind: str, home: Path) -> tuple[Savings, Column]:
    """What such a day came to, and what was really read, written and called."""
    async with world(home, jobs_of(home)) as there:
        for moment, what in plan(kind):
            await there.until(moment)
            if isinstance(what, int):
                await there.say(what)
            if not isinstance(what, str):
                continue
            path = home / what / f"{moment:%H%M}-{len(list((home / what).iterdir()))}.txt"
            path.write_text(f"{path.stem} " + "news " * 300, encoding="utf-8")
        end = START + timedelta(days=1)
        served = await there.book.served(
            START, end + timedelta(seconds=1), local=frozenset({"local"}), looks=()
        )
        looks = await there.runs.looks(START, end + timedelta(seconds=1))
    real = Column(
        sum(one.paid_microusd for one in served.done),
        len(served.done),
        sum(one.prompt_tokens + one.output_tokens for one in served.done),
    )
    polls = {f"job {poll.name}": poll for poll in POLLS}
    done = [as_before(one, polls.get(one.who)) for one in served.done]
    for look in looks:
        poll = polls[f"job {look.job}"]
        done += [found_nothing(poll, look.quarter.timestamp())] * look.count
    prices = shipped_prices()
    frontier, cheap = (prices.price(*model, on=START.date()) for model in (OPUS, HAIKU))
    assert frontier is not None
    done.sort(key=lambda one: one.at)
    return savings(done, frontier=frontier, cheap=cheap), real


def plan(kind: str) -> list[tuple[datetime, int | str | None]]:
    """When something new arrives and where, when somebody talks in which talk, and each half hour
    in which the machine is awake.
    """
    events: list[tuple[datetime, int | str | None]] = [
        (START + timedelta(minutes=30 * number), None) for number in range(1, 49)
    ]
    for poll in POLLS:
        count = poll.found[kind]
        for number in range(count):
            minutes = (number + 0.5) * 1_440 / count
            events.append((START + timedelta(minutes=minutes - 1), poll.name))
    chat = CHATS[kind]
    for talk in range(chat.talks):
        begun = START + timedelta(hours=9 + 1.5 * talk, seconds=7)
        events += [(begun + timedelta(minutes=2 * turn), talk) for turn in range(chat.turns)]
    return sorted(events, key=lambda event: event[0])


def as_before(one: Done, poll: Poll | None) -> Done:
    """A call as an agent without change checks would have made it."""
    if poll is None:
        return one
    return changed(one, prompt_tokens=poll.tokens, same_tokens=poll.same)


def found_nothing(poll: Poll, at: float) -> Done:
    """The same of a look that found nothing."""
    return Done(
        at, f"job {poll.name}", poll.tokens, NOTHING_TOKENS, same_tokens=poll.same, look=True
    )


NAMES = {
    "A": "all at Opus 4.6, nothing cached",
    "B": "**the same with caching and batches**",
    "C": "as B, with Haiku 4.5 for the polls",
    "D": "as B, with change checks alone",
    "P": "**twotier**",
}


def columns(seen: Savings, real: Column) -> dict[str, Column]:
    """One day, by letter; P with what was really read and written."""
    assert seen.cheap is not None
    paid = Column(seen.paid.microusd, real.calls, real.tokens)
    return dict(zip(NAMES, (seen.plain, seen.fair, seen.cheap, seen.checks, paid), strict=True))


def table(made: Mapping[str, tuple[Savings, Column]]) -> list[str]:
    """All days as Markdown: dollars, calls of a model, millions of tokens."""
    heads = "".join(f" {kind} day | calls | M tokens |" for kind in made)
    lines = [f"| USD |{heads}", f"|---|{'---:|' * 3 * len(made)}"]
    for letter, name in NAMES.items():
        cells = ""
        for seen, real in made.values():
            one = columns(seen, real)[letter]
            usd, tokens = one.microusd / MICROUSD_PER_USD, one.tokens / 1_000_000
            cells += f" {usd:.2f} | {one.calls} | {tokens:.2f} |"
        lines.append(f"| {letter}: {name} |{cells}")
    return [*lines, "", *(f"- {kind} day: {parts(seen)}" for kind, (seen, _) in made.items())]


def parts(seen: Savings) -> str:
    """B less P, and what it is made of."""
    of = {
        "no model was needed": seen.no_model,
        "local tier": seen.local,
        "caching": seen.caching,
        "batch": seen.batch,
        "failed tries": -seen.against,
    }
    told = ", ".join(
        f"{name} {value / MICROUSD_PER_USD:+.2f}" for name, value in of.items() if round(value, -4)
    )
    return f"{seen.saved / MICROUSD_PER_USD:.2f} USD less than B, {seen.percent:.0f} % ({told})"


def main() -> None:
    """Three days, printed."""
    made = {}
    for kind in CHATS:
        with tempfile.TemporaryDirectory() as home:
            made[kind] = asyncio.run(day(kind, Path(home)))
    print("\n".join(table(made)))


if __name__ == "__main__":
    main()
