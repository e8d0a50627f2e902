"""Logs and bills in the ledger: what went past twotier is counted once, and alerts hear of it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fakes.admin_api import KEY, AdminApi
from tests.ledger.toys import NOON, OPUS, USD, HandClock, paid
from tests.outside.samples import AT_MS, SECRET, claude, openclaw
from twotier.domain.bill import COST, BillRow
from twotier.domain.message import Usage
from twotier.domain.money import Attempt, Budget, Outcome, Price, Settled, Settlement
from twotier.errors import ConfigError, UpstreamError
from twotier.ledger import outside as kept
from twotier.ledger.book import Book
from twotier.ledger.crossings import crossings
from twotier.outside import auditor, claude_code
from twotier.outside import openclaw as claw
from twotier.outside.admin import Admin
from twotier.outside.auditor import Auditor, Habits, Log
from twotier.outside.walk import Place

DAY = Budget("day", "day", "UTC", alert_microusd=USD)
SPAN = (AT_MS - 86_400_000, AT_MS + 86_400_000)
# 10 x 5 + 40 x 25 + 5000 x 0.5 + 200 x 6.25 + 100 x 10 = 50 + 1000 + 2500 + 1250 + 1000
ONE = 5_800


def price(provider: str, model: str, day: date) -> Price | None:
    return OPUS if (provider, model) == ("anthropic", "claude-opus-4-6") else None


class Twice(HandClock):
    """A clock whose second wait is ended from outside."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if len(self.slept) > 1:
            raise asyncio.CancelledError


@asynccontextmanager
async def opened(
    tmp_path: Path, *, admin: Admin | None = None, skip: frozenset[str] = frozenset()
) -> AsyncIterator[tuple[Auditor, HandClock]]:
    """An auditor of two log folders, and a ledger."""
    clock = HandClock(NOON)
    book = await Book.open(tmp_path / "ledger.db", clock=clock)
    logs = [
        Log(claude_code.SOURCE, Place(tmp_path / "claude", "*.jsonl"), claude_code.read),
        Log(claw.SOURCE, Place(tmp_path / "claw", "*/sessions/*.jsonl*"), claw.read),
    ]
    try:
        yield Auditor(book, clock, price, logs=logs, admin=admin, habits=Habits(skip=skip)), clock
    finally:
        await book.close()


def write(path: Path, *lines: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.writelines(line + b"\n" for line in lines)


async def spent(found: Auditor) -> int:
    await found.book.flush()
    return await found.book.read(lambda connection: kept.outside_microusd(connection, SPAN))


async def settle(book: Book, attempt: Attempt, usage: Usage, cost: int) -> None:
    await book.reserve(attempt)
    await book.settle(attempt.id, Settlement(Settled.SETTLED, Outcome.OK, cost, usage))


def test_an_answer_counts_once_however_often_it_is_written(tmp_path: Path) -> None:
    """Its blocks, a resumed session, a second life of ours."""

    async def scenario() -> None:
        async with opened(tmp_path) as (found, _):
            await found.look()
            assert await spent(found) == 0
            file = tmp_path / "claude" / "p" / "a.jsonl"
            write(file, claude(output=1), claude(output=40), claude(output=7))
            await found.look()
            assert await spent(found) == ONE
            write(tmp_path / "claude" / "p" / "resumed.jsonl", claude(), claude("msg_2", "req_2"))
            await found.look()
            assert await spent(found) == 2 * ONE
        async with opened(tmp_path) as (again, _):
            write(file, claude("msg_3", "req_3"))
            await again.look()
            assert await spent(again) == 3 * ONE
            assert len(again._cursors) == 2

    asyncio.run(scenario())


def test_what_came_through_us_is_not_outside(tmp_path: Path) -> None:
    """By its request id, also where the ledger hears of it later; without one by its tokens."""

    async def scenario() -> None:
        async with opened(tmp_path) as (found, clock):
            one = replace(paid("req_ours-0", USD), request_id="req_ours")
            await settle(found.book, one, Usage(10, 40), 1_050)
            usage = Usage(10, 40, 5000, 300)
            await settle(found.book, paid("x-0", USD), usage, 5_425)
            write(
                tmp_path / "claude" / "a.jsonl", claude("m1", "req_ours"), claude("m2", "req_late")
            )
            write(
                tmp_path / "claw" / "main" / "sessions" / "s.jsonl", openclaw(), openclaw("other")
            )
            await found.look()
            assert await spent(found) == ONE + 5_425
            late = replace(paid("req_late-0", USD), request_id="req_late")
            await settle(found.book, late, Usage(10, 40), 1_050)
            clock.turn(60)
            await found.look()
            assert await spent(found) == 5_425
            await found.look()
            assert await spent(found) == 5_425

    asyncio.run(scenario())


def test_an_unknown_price_is_said_and_a_skipped_provider_is_not_kept(tmp_path: Path) -> None:
    """It is never nothing in silence; and no text is in the file."""

    async def scenario() -> None:
        async with opened(tmp_path, skip=frozenset({"mlx-local"})) as (found, _):
            lines = [openclaw("a", model="claude-next"), openclaw("b", provider="mlx-local")]
            write(tmp_path / "claw" / "main" / "sessions" / "s.jsonl.reset.2026", *lines)
            write(tmp_path / "claude" / "a.jsonl", claude())
            await found.look()
            await found.book.flush()
            told = await found.book.read(lambda connection: kept.found(connection, SPAN))
            assert [tuple(one) for one in told] == [
                ("claude_code", ONE, 1, 0),
                ("openclaw", 0, 1, 1),
            ]
            names = await found.book.read(lambda one: kept.unpriced_models(one, SPAN))
            assert names == ["anthropic/claude-next"]

    asyncio.run(scenario())
    for file in tmp_path.glob("ledger.db*"):
        content = file.read_bytes()
        for word in (SECRET, "secret-project", "secret-branch", "a.jsonl"):
            assert word.encode() not in content


def test_an_alert_counts_it_and_a_limit_does_not(tmp_path: Path) -> None:
    """Nor does a budget of somebody's work: it was nobody's here."""

    async def scenario() -> None:
        limit = Budget("hard", "day", "UTC", limit_microusd=5_000, at_limit="stop")
        job = Budget("job", "day", "UTC", alert_microusd=5_000, job="inbox")
        alert = Budget("soft", "day", "UTC", alert_microusd=5_000)
        async with opened(tmp_path) as (found, clock):
            write(tmp_path / "claude" / "a.jsonl", claude())
            await found.look()
            await found.book.flush()
            states = [one.state for one in await found.book.outlooks([limit, job, alert])]
            assert [one.outside_microusd for one in states] == [ONE, 0, ONE]
            told = crossings(states, now=clock.now())
            assert [one.about for one in told] == ["budget soft"] * 3
            assert "$0.005800 spent, $0.005800 of it not through twotier" in told[-1].text
            small = replace(paid("p-0", 4_000))
            await found.book.reserve(small, [limit])

    asyncio.run(scenario())


def charged(day: str, microusd: int) -> BillRow:
    return BillRow("anthropic", COST, day, "claude-opus-4-6", cost_microusd=microusd)


def test_what_only_the_provider_knows_counts_at_its_noon(tmp_path: Path) -> None:
    """Less what is ours and what a log has; told again it is not counted again."""

    async def scenario() -> None:
        async with opened(tmp_path) as (found, clock):
            await settle(found.book, paid("x-0", 5 * USD), Usage(10, 40), USD)
            write(tmp_path / "claude" / "a.jsonl", claude())
            await found.look()
            day = "2026-03-10"
            billed = (("anthropic", COST, day),)
            for _ in range(2):
                await found.take_bills([charged(day, 3 * USD)], billed)
                assert await spent(found) == 2 * USD
            (state,) = await found.book.budgets([DAY])
            assert state.outside_microusd == 2 * USD
            (that,) = await found.compared([day])
            assert (that.ours.cost_microusd, that.theirs.cost_microusd) == (USD, 3 * USD)
            assert that.logs_microusd == ONE
            await found.take_bills([], billed)
            assert await spent(found) == ONE
            clock.turn(86_400)
            (tomorrow,) = await found.book.budgets([DAY])
            assert tomorrow.outside_microusd == 0

    asyncio.run(scenario())


def test_searches_of_ours_stand_apart_as_they_do_in_the_bill(tmp_path: Path) -> None:
    """Fees are no tokens' price."""

    async def scenario() -> None:
        async with opened(tmp_path) as (found, _):
            attempt = paid("x-0", USD)
            await found.book.reserve(attempt)
            usage = Usage(10, 40, uses=(("web_search", 2),))
            end = Settlement(Settled.SETTLED, Outcome.OK, 21_050, usage, fees_microusd=20_000)
            await found.book.settle(attempt.id, end)
            (day,) = await found.compared(["2026-03-10"])
            sides = {one.model: one.ours for one in day.lines}
            costs = {model: one and one.cost_microusd for model, one in sides.items()}
            assert costs == {"claude-opus-4-6": 1_050, "web_search": 20_000}
            assert sides["web_search"] is not None
            assert sides["web_search"].sums[5] == 2

    asyncio.run(scenario())


def test_the_admin_api_is_asked_now_and_then(tmp_path: Path) -> None:
    """Of this month at first, of three days later; page by page; its answer is weighed."""

    async def scenario(api: AdminApi) -> None:
        async with opened(tmp_path, admin=Admin(api.base_url, lambda: KEY)) as (found, clock):
            await settle(found.book, paid("x-0", 5 * USD), Usage(10, 40), USD)
            api.charge("2026-03-10", "150")
            api.charge("2026-03-10", "50.5", model=None)
            api.charge("2026-03-02", "7")
            api.count("2026-03-10", fresh=20, output=80)
            await found.look()
            assert await spent(found) == 1_005_000
            cost, *pages = [query for path, query in api.asked if path.endswith("cost_report")]
            assert (cost["starting_at"], cost["group_by[]"]) == (
                ["2026-03-01T00:00:00Z"],
                ["description"],
            )
            assert len(pages) == 4
            (second, tenth) = await found.compared(["2026-03-02", "2026-03-10"])
            assert second.theirs.cost_microusd == 70_000
            assert tenth.lines[0].difference_tokens == 50
            asked = len(api.asked)
            clock.turn(60)
            await found.look()
            assert len(api.asked) == asked
            clock.turn(900)
            await found.look()
            again = api.asked[asked:]
            assert again[0][1]["starting_at"] == ["2026-03-08T00:00:00Z"]
            assert len(again) == 4

    with AdminApi() as api:
        asyncio.run(scenario(api))


def test_a_provider_that_says_no_is_told_of_and_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once in the log, as long as it lasts; never with the key."""
    keys: list[str | None] = [None]

    async def scenario(api: AdminApi) -> None:
        async with opened(tmp_path, admin=Admin(api.base_url, lambda: keys[0])) as (found, clock):
            await found.look()
            assert "admin_key" in found.because["admin"]
            keys[0] = "sk-ant-api-ordinary"
            for _ in range(2):
                clock.turn(900)
                await found.look()
                assert "refuses the key (401)" in found.because["admin"]
            keys[0] = KEY
            clock.turn(900)
            await found.look()
            assert found.because == {}

    with AdminApi() as api:
        asyncio.run(scenario(api))
    assert caplog.text.count("admin_api_not_asked") == 2
    assert "api-ordinary" not in caplog.text


def test_what_the_admin_api_may_do_is_bounded() -> None:
    """No redirect is followed, pages end, an error is one, a silence too."""
    day = date(2026, 3, 10)

    async def scenario(api: AdminApi) -> None:
        admin = Admin(api.base_url, lambda: KEY)
        api.endless = True
        with pytest.raises(UpstreamError, match="more than 50 pages"):
            await admin.ask(day, day)
        for status in (302, 500):
            api.status = status
            with pytest.raises(UpstreamError, match=str(status)):
                await admin.ask(day, day)
        with pytest.raises(ConfigError):
            await Admin(api.base_url, lambda: None).ask(day, day)

    with AdminApi() as api:
        asyncio.run(scenario(api))
    with pytest.raises(UpstreamError, match="cannot be asked"):
        asyncio.run(Admin(api.base_url, lambda: KEY).ask(day, day))


def test_a_disk_that_cannot_be_read_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Main lives on, and the next look reads."""

    async def scenario() -> None:
        async with opened(tmp_path) as (found, _):
            write(tmp_path / "claude" / "a.jsonl", claude())
            with monkeypatch.context() as patch:
                patch.setattr(auditor, "_take", failing)
                await found.look()
            assert "input/output" in found.because["claude_code"].lower()
            await found.look()
            assert (found.because, await spent(found)) == ({}, ONE)

    def failing(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    asyncio.run(scenario())


def test_nothing_to_look_at_is_no_task_and_a_ledger_that_is_gone_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """`run` ends at once without logs and key; with them it goes on."""

    async def scenario() -> None:
        async with opened(tmp_path) as (found, clock):
            await Auditor(found.book, clock, price).run()
            await found.book.close()
            found.clock = Twice()
            with pytest.raises(asyncio.CancelledError):
                await found.run()
            assert found.clock.slept == [60.0, 60.0]

    asyncio.run(scenario())
    assert "outside_not_looked" in caplog.text


def test_old_answers_are_forgotten(tmp_path: Path) -> None:
    """After 400 days."""

    async def scenario() -> None:
        async with opened(tmp_path) as (found, clock):
            write(tmp_path / "claude" / "a.jsonl", claude())
            await found.look()
            clock.moment = datetime(2027, 6, 1, tzinfo=UTC)
            late = tmp_path / "claude" / "b.jsonl"
            write(late, claude("new", at="2027-05-31T00:00:00Z"))
            os.utime(late, (clock.moment.timestamp(),) * 2)
            await found.look()
            assert await spent(found) == 0

    asyncio.run(scenario())
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        assert connection.execute("SELECT id FROM outside_rows").fetchall() == [("new",)]
