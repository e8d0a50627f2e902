"""The look-out on a real ledger, a worker on a real socket and a service that waits for pings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tests.alerts.toys import Box, way
from tests.ledger.toys import USD, HandClock, paid, settled
from tests.notify.test_http import Receiver, receiving
from twotier.alerts.conditions import Limits
from twotier.alerts.desk import Alerts
from twotier.alerts.upstreams import Upstreams
from twotier.build.lookout import LOOK_SECONDS, Lookout, Ping, Sources, failing, standings_of
from twotier.domain.job import JobStanding
from twotier.domain.money import Budget
from twotier.domain.tier import TierFacts, TierState
from twotier.ledger.book import Book

ARTICLE = Budget("day", "day", "UTC", alert_microusd=15 * USD)
WELL: list[JobStanding] = [JobStanding("inbox")]


@dataclass
class World:
    """What a look-out looks at; a test changes it."""

    lookout: Lookout
    clock: HandClock
    book: Book
    box: Box
    servers: dict[str, TierFacts]
    standings: list[JobStanding] | None = field(default_factory=lambda: list(WELL))
    ports: dict[str, str] = field(default_factory=dict)

    @property
    def told(self) -> list[tuple[str, str]]:
        """What is open, by whom and what."""
        return [(one["about"], one["kind"]) for one in self.lookout.desk.told()]

    async def after(self, seconds: float) -> None:
        """A look so much later."""
        self.clock.turn(seconds)
        await self.lookout.look()


@asynccontextmanager
async def world(folder: Path, ping: str = "") -> AsyncIterator[World]:
    clock, box = HandClock(), Box()
    book = await Book.open(folder / "ledger.db", clock=clock)
    desk = Alerts(clock, ways=[way(box)])
    await desk.open(book)
    found: list[World] = []

    async def standings() -> list[JobStanding] | None:
        return found[0].standings

    sources = Sources(
        servers=lambda: found[0].servers,
        tiers=("local", "frontier"),
        budgets=lambda: [ARTICLE],
        ports=lambda: found[0].ports,
        standings=standings,
        book=book,
    )
    lookout = Lookout(desk, sources, clock, Upstreams({"local"}), Limits(), Ping(ping, 60.0))
    servers = {name: TierFacts(name, TierState.READY) for name in ("local", "worker")}
    found.append(World(lookout, clock, book, box, servers))
    try:
        yield found[0]
    finally:
        await book.close()


async def spend(at: World, dollars: float, name: str) -> None:
    """Money that was really spent; whoever hears of attempts is told."""
    attempt, end = paid(name, int(dollars * USD)), settled(int(dollars * USD))
    await at.book.reserve(attempt)
    await at.book.settle(attempt.id, end)
    at.lookout.hear(attempt, end)


def test_the_articles_fifteen_dollars_are_an_incident_on_the_day_they_are_passed(
    tmp_path: Path,
) -> None:
    """Heard of within a second of the answer that passed it, once, and over at midnight."""

    async def scenario() -> None:
        async with world(tmp_path) as at:
            await at.lookout.look()
            assert at.told == []
            await spend(at, 14.99, "a")
            await spend(at, 0.02, "b")
            began = at.clock.now()
            await at.lookout()
            assert (at.clock.now() - began).total_seconds() == 1.0
            assert {about for about, _ in at.told} == {"budget day"}
            count = len(at.told)
            began = at.clock.now()
            await at.lookout()
            assert (at.clock.now() - began).total_seconds() == LOOK_SECONDS
            assert len(at.told) == count
            await at.after(86_400)
            assert at.told == []

    asyncio.run(scenario())


def test_a_server_and_a_worker_that_are_away_are_heard_of_after_five_minutes(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as at:
            at.servers["local"] = TierFacts("local", TierState.DOWN, "held up: no room")
            at.standings = None
            await at.after(0)
            await at.after(299)
            assert at.told == []
            await at.after(1)
            assert at.told == [("local", "down"), ("worker", "down")]
            at.servers["local"] = TierFacts("local", TierState.READY)
            at.standings = WELL
            await at.after(1)
            assert at.told == []

    asyncio.run(scenario())


def test_jobs_and_ports_are_heard_of_and_a_machine_that_woke_catches_up_first(
    tmp_path: Path,
) -> None:
    late = JobStanding("inbox", overdue_seconds=30_000)

    async def scenario() -> None:
        async with world(tmp_path) as at:
            at.standings = [JobStanding("inbox", failures=3, because="model: x")]
            at.ports = {"127.0.0.1:8080": "nginx has it"}
            await at.after(0)
            assert at.told == [("job inbox", "failing"), ("gateway", "port")]
            at.standings, at.ports = [late], {}
            await at.after(15)
            assert at.told == []
            await at.after(90)
            assert at.told == [("jobs", "none-ran")]

    asyncio.run(scenario())


def paths(receiver: Receiver) -> list[str]:
    return list(receiver.paths)


def test_the_ping_goes_out_while_both_are_well_and_a_failure_when_they_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A restart is no failure: what has just begun says nothing either way."""

    async def scenario() -> None:
        async with receiving() as receiver, world(tmp_path, f"{receiver.url}/uuid") as at:
            await at.after(0)
            await at.after(30)
            await at.after(30)
            assert paths(receiver) == ["/uuid", "/uuid"]
            at.standings = None
            for _ in range(5):
                await at.after(60)
            assert len(paths(receiver)) == 2
            await at.after(60)
            await at.after(60)
            assert paths(receiver)[2:] == ["/uuid/fail"] * 2
            at.standings = WELL
            receiver.status = 500
            await at.after(60)
            assert paths(receiver)[4:] == ["/uuid"]

    asyncio.run(scenario())
    assert "the ping was not heard" in caplog.messages
    assert "uuid" not in caplog.text


def test_a_ledger_that_cannot_be_written_is_urgent(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with receiving() as receiver, world(tmp_path, f"{receiver.url}/uuid") as at:
            await at.book.close()
            await at.after(0)
            (found,) = at.lookout.desk.told()
            assert (found["about"], found["severity"]) == ("ledger", "urgent")
            await at.after(300)
            assert paths(receiver) == ["/uuid/fail"]

    asyncio.run(scenario())


def test_the_failing_address_keeps_its_query() -> None:
    assert failing("https://h/a/b/?x=1") == "https://h/a/b/fail?x=1"
    assert failing("https://h") == "https://h/fail"


def test_the_worker_is_asked_on_its_socket_and_silence_is_no_answer(tmp_path: Path) -> None:
    """Nobody there, an error, a body that is none: in each case nothing is known of the jobs."""
    socket = tmp_path / "w.sock"
    answers = [
        web.json_response({"schema_version": 1, "jobs": [{"name": "a", "failures": 2}]}),
        web.Response(status=500),
        web.Response(text="no"),
    ]

    async def answer(_: web.Request) -> web.Response:
        return answers.pop(0)

    async def scenario() -> None:
        assert await standings_of(socket) is None
        app = web.Application()
        app.router.add_get("/standing", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        assert await standings_of(socket) == [JobStanding("a", failures=2)]
        assert await standings_of(socket) is None
        assert await standings_of(socket) is None
        await runner.cleanup()

    asyncio.run(scenario())
