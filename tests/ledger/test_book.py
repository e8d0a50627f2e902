"""The book on real files: nothing is spent past a cap, nothing is settled twice, nothing lost."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import stat
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields, replace

from tests.ledger.toys import NOON, OPUS, USD, HandClock, daily, free, paid, settled
from twotier.domain.decision import Because, Decision, Option
from twotier.domain.message import Usage
from twotier.domain.money import Attempt, Budget, Outcome, Scope, Settled, Settlement
from twotier.domain.task import Task
from twotier.domain.tier import TierPolicy
from twotier.errors import BudgetError, LedgerError
from twotier.ledger.book import Book
from twotier.ledger.rows import sum_paid
from twotier.ledger.writer import BEHIND_ROWS_MAX

HOUR = timedelta(hours=1)
Scenario = Callable[[Book, HandClock], Awaitable[None]]


def with_book(path: Path, scenario: Scenario) -> None:
    """Open a book, play the scenario, close it."""

    async def play() -> None:
        clock = HandClock()
        book = await Book.open(path, clock=clock)
        try:
            await scenario(book, clock)
        finally:
            await book.close()

    asyncio.run(play())


def rows(path: Path, sql: str = "SELECT * FROM usage ORDER BY attempt_id") -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql)]


async def until(true: Callable[[], bool]) -> None:
    """Poll for it, with a deadline."""
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


def test_a_reservation_is_on_disk_when_reserve_returns(path: Path) -> None:
    """Another connection sees it; the row explains itself with the price it was reserved at."""

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 1234))
        (row,) = rows(path)
        assert row["settled"] == "open"
        assert row["reserved_microusd"] == 1234
        assert row["cost_microusd"] == 0
        assert row["created_ms"] == clock.now().timestamp() * 1000
        assert row["price_output"] == OPUS.output_microusd_per_mtok
        assert (row["price_since"], row["price_source"]) == (OPUS.since, OPUS.source)

    with_book(path, scenario)


def test_the_file_is_the_owners_alone(path: Path) -> None:
    """The WAL beside it holds the same rows, so it has the same mode; a wider one is mended."""
    path.parent.mkdir()
    path.touch()
    path.chmod(0o644)

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 1))
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file

    with_book(path, scenario)


def test_every_field_of_a_settled_attempt_comes_back(path: Path) -> None:
    """Reserved and settled, or recorded at once: the same row, and every field in its column."""
    dear = dataclasses.replace(OPUS, fees=(("web_search", 10_000),))
    attempt = Attempt(
        "i", "q", "t", "p", "m", "asked", "rule", dear, 77, "probe", "c", "j", "r", "s", True
    )
    used = Usage(1, 2, 3, 4, 5, 6, (("web_search", 2), ("web_fetch", 1)), "fast", "us")
    end = Settlement(Settled.ESTIMATED, Outcome.ERROR, 55, used, "ms", "broke", 529, 0.25, 1.5)
    end = replace(end, repairs=("types", "leaked"), fees_microusd=20, above_tokens=200_000)

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(attempt)
        await book.settle("i", end)
        book.record(replace(attempt, id="k"), end)
        await book.flush()

    with_book(path, scenario)
    settled_row, recorded_row = rows(path)
    # What a price says beside its rates is written of paid attempts alone.
    unpaid = {"price_terms": "", "price_applied": "", "fees_microusd": 0, "web_searches": 0}
    assert recorded_row == settled_row | unpaid | {
        "attempt_id": "k",
        "created_ms": settled_row["created_ms"] - 1500,  # a row's time is when it began
        "lease_ms": 0,
    }
    told = {
        "attempt_id": "i", "request_id": "q", "tier": "t", "provider": "p", "model": "m",
        "model_asked": "asked", "rule": "rule", "kind": "probe", "client": "c", "job": "j",
        "run": "r", "step": "s", "background": 1, "reserved_microusd": 77, "cost_microusd": 55,
        "settled": "estimated", "outcome": "error", "error": "broke", "upstream_status": 529,
        "model_served": "ms", "first_token_ms": 250, "total_ms": 1500, "input_tokens": 1,
        "output_tokens": 2, "cache_read_tokens": 3, "cache_write_tokens": 4,
        "cache_write_1h_tokens": 5, "reasoning_tokens": 6, "price_input": 5_000_000,
        "price_output": 25_000_000, "price_cache_read": 500_000, "price_cache_write": 6_250_000,
        "price_cache_write_1h": 10_000_000, "price_since": OPUS.since,
        "price_source": OPUS.source, "repairs": "types leaked", "requests": 0,
        "price_terms": '{"fees":[["web_search",10000]]}', "fees_microusd": 20, "web_searches": 2,
        "price_applied": '{"above_tokens":200000,"mode":"fast","place":"us",'
        '"uses":{"web_search":2,"web_fetch":1}}',
        "owner": settled_row["owner"], "lease_ms": (NOON + HOUR).timestamp() * 1000,
    }  # fmt: skip
    assert told.items() <= settled_row.items()
    assert set(settled_row) - set(told) == {"created_ms"}


def test_a_hundred_at_once_never_pass_the_cap(path: Path) -> None:
    """100 reservations of $0.50 against $10: exactly 20 are held, the others hear why."""
    budgets = (daily(10 * USD, at_limit="local-only"),)

    async def scenario(book: Book, clock: HandClock) -> None:
        refused: list[BudgetError] = []

        async def one(number: int) -> None:
            try:
                await book.reserve(paid(f"a{number}", USD // 2), budgets)
            except BudgetError as exc:
                refused.append(exc)

        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(one(number))
        assert len(refused) == 80
        assert "$10.00 per day" in refused[0].message
        assert "resets at 2026-03-11 00:00 UTC" in refused[0].message
        (state,) = await book.budgets(budgets)
        assert state.reserved_microusd == 10 * USD

    with_book(path, scenario)
    assert len(rows(path)) == 20


def test_a_second_settlement_changes_nothing(path: Path) -> None:
    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 1000))
        await book.settle("a", settled(400))
        await book.settle("a", settled(900))
        await book.settle("a", settled(0, Settled.VOID))

    with_book(path, scenario)
    (row,) = rows(path)
    assert (row["cost_microusd"], row["settled"]) == (400, "settled")


def test_settling_what_was_never_reserved_is_an_error(path: Path) -> None:
    async def scenario(book: Book, clock: HandClock) -> None:
        with pytest.raises(LedgerError, match="never reserved"):
            await book.settle("ghost", settled(400))

    with_book(path, scenario)


def test_an_attempts_id_is_used_once(path: Path) -> None:
    """The second reservation is refused, and holds nothing against the budget."""
    budgets = (daily(10_000),)

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 1000), budgets)
        with pytest.raises(LedgerError, match="in the ledger already"):
            await book.reserve(paid("a", 1000), budgets)
        await book.reserve(paid("b", 9000), budgets)

    with_book(path, scenario)


def test_what_a_settlement_gives_back_can_be_spent_again(path: Path) -> None:
    budgets = (daily(1000),)

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 1000), budgets)
        with pytest.raises(BudgetError):
            await book.reserve(paid("b", 1), budgets)
        await book.settle("a", settled(400))
        await book.reserve(paid("b", 600), budgets)
        await book.settle("b", settled(0, Settled.VOID))
        await book.reserve(paid("c", 600), budgets)

    with_book(path, scenario)


def test_a_new_period_begins_with_nothing_spent(path: Path) -> None:
    """At midnight of the budget's own zone; the month goes on counting."""
    zone = "America/Los_Angeles"
    day = daily(1000, zone=zone)
    month = Budget("monthly", "month", zone, None, 1500, "stop")

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 1000), (day, month))
        clock.turn(19 * 3600 - 1)  # 12:00 UTC is 05:00 there
        with pytest.raises(BudgetError, match="budget daily"):
            await book.reserve(paid("b", 1), (day, month))
        clock.turn(1)
        await book.reserve(paid("c", 500), (day, month))
        with pytest.raises(BudgetError, match="budget monthly"):
            await book.reserve(paid("d", 1), (day, month))
        await book.settle("a", settled(100))  # late: it counts in the day it began
        states = await book.budgets((day, month))
        assert [(s.spent_microusd, s.reserved_microusd) for s in states] == [(0, 500), (100, 500)]

    with_book(path, scenario)


def test_a_clients_budget_counts_that_clients_work_alone(path: Path) -> None:
    """In the same transaction as everybody's; what others spend leaves it untouched."""
    own, other = daily(1000, client="phone"), daily(1000, client="laptop")
    every = daily(2500)

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 900, client="phone"), (own, every))
        await book.reserve(paid("b", 900, client="laptop"), (other, every))
        with pytest.raises(BudgetError, match="key phone: the limit"):
            await book.reserve(paid("c", 101, client="phone"), (own, every))
        await book.settle("a", settled(400))
        await book.reserve(paid("c", 600, client="phone"), (own, every))
        with pytest.raises(BudgetError, match=r"budget daily: .* \$0\.001500 reserved"):
            await book.reserve(paid("d", 601, client=""), (every,))
        states = await book.budgets((own, other, every))
        told = [(s.spent_microusd, s.reserved_microusd) for s in states]
        assert told == [(400, 600), (0, 900), (400, 1500)]

    with_book(path, scenario)


def test_a_clients_budget_is_summed_from_the_file_after_a_restart(path: Path) -> None:
    """By the index that holds it, however many free rows lie beside."""
    own = daily(1000, client="phone")

    async def spent(book: Book, clock: HandClock) -> None:
        for number, client in enumerate(("phone", "laptop", "phone")):
            await book.reserve(paid(f"a{number}", 300, client=client), (own,))

    async def again(book: Book, clock: HandClock) -> None:
        with pytest.raises(BudgetError, match="key phone"):
            await book.reserve(paid("b", 401, client="phone"), (own,))
        await book.reserve(paid("c", 400, client="phone"), (own,))

    with_book(path, spent)
    with_book(path, again)
    with closing(sqlite3.connect(path)) as connection:
        sql, values = sum_paid(Scope("phone"), (0, 1))
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    assert "COVERING INDEX ix_usage_paid_client (client=?" in str(plan)


def test_free_work_is_refused_where_a_reached_limit_stops_everything(path: Path) -> None:
    """And only there: a limit that sends work to the free tier lets it go on."""

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 1000, client="phone"))
        await book.check(free("f", client="phone"), (daily(1000),))  # only held, not spent
        await book.settle("a", settled(1000))
        for budget in (daily(1001), daily(1000, at_limit="local-only"), daily(1, client="laptop")):
            await book.check(free("f", client="phone"), (budget,))
        for budget in (daily(1000), daily(1000, client="phone")):
            with pytest.raises(BudgetError, match=r"limit of .* is reached"):
                await book.check(free("f", client="phone"), (budget,))

    with_book(path, scenario)
    assert len(rows(path)) == 1


def test_the_book_knows_when_each_client_came_last(path: Path) -> None:
    """Those of the time that is asked for; free work counts."""

    async def scenario(book: Book, clock: HandClock) -> None:
        for name, client in (("a", "phone"), ("b", "old"), ("c", "phone")):
            book.record(free(name, client=client), settled())
            clock.turn(-3600)
        await book.flush()
        assert await book.clients(NOON - timedelta(hours=4)) == {
            "phone": NOON,
            "old": NOON - timedelta(hours=1),
        }
        assert await book.clients(NOON) == {"phone": NOON}

    with_book(path, scenario)


def test_an_alert_budget_never_refuses(path: Path) -> None:
    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 5000), (daily(1000, at_limit="alert"),))

    with_book(path, scenario)


def test_a_paid_row_that_was_only_recorded_counts_too(path: Path) -> None:
    """An attempt whose cost was learned late (a free tier that was not) is in the next sum."""
    budgets = (daily(1000),)

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 100), budgets)
        book.record(free("b"), settled(850))
        await book.flush()
        with pytest.raises(BudgetError):
            await book.reserve(paid("c", 51), budgets)
        await book.reserve(paid("d", 50), budgets)

    with_book(path, scenario)


def test_free_rows_are_written_behind_by_themselves(path: Path) -> None:
    """Nobody flushes: they are on disk a moment later, in one batch."""

    async def scenario(book: Book, clock: HandClock) -> None:
        for number in range(1200):
            book.record(free(f"f{number}"), settled())
        book.record(free("f1"), settled())  # the same again is harmless
        await until(lambda: len(rows(path, "SELECT 1 FROM usage")) == 1200)
        assert book.lost == 0

    with_book(path, scenario)


def test_close_writes_what_is_left_and_ends_the_thread(path: Path) -> None:
    async def scenario(book: Book, clock: HandClock) -> None:
        book.record(free("f"), settled())
        await book.close()
        assert len(rows(path)) == 1
        assert not path.with_name("ledger.db-wal").exists()
        await book.close()  # a second close is nothing
        with pytest.raises(LedgerError, match="closed"):
            await book.reserve(paid("a", 1))
        book.record(free("g"), settled())
        assert book.lost == 1
        assert [row.tier for row in await book.recent(5)] == ["local"]  # reading goes on

    with_book(path, scenario)


def test_a_decision_is_kept_without_any_text_of_the_prompt(path: Path) -> None:
    values: dict[str, Any] = dict.fromkeys((field.name for field in fields(Task)), 7)
    values |= {"model_asked": "auto", "kind": "polling", "kind_because": "SECRET words"}
    values |= {"policy": TierPolicy.AUTO, "job": "giscus", "deadline_seconds": None}
    decision = Decision(
        (Option("local"), Option("frontier", "claude-opus-4-6")),
        "kind",
        (Because("kind", "chose", "polling is local work"),),
    )

    async def scenario(book: Book, clock: HandClock) -> None:
        book.note_decision("r1", decision, task=Task(**values))
        book.note_decision("r2", decision, task=replace(Task(**values), model_asked="half \ud83d"))
        await book.flush()

    with_book(path, scenario)
    first, second = rows(path, "SELECT * FROM decisions ORDER BY id")
    assert (first["request_id"], first["rule"]) == ("r1", "kind")
    assert first["options"] == (
        '[{"tier":"local","model":""},{"tier":"frontier","model":"claude-opus-4-6"}]'
    )
    assert "polling is local work" in first["because"]
    assert '"kind":"polling"' in first["task"]
    assert "SECRET" not in str(first)
    assert "half" in second["task"]


def test_values_no_database_takes_do_not_spoil_a_batch(path: Path) -> None:
    """Half a surrogate pair in a model's name, a count of 80 bits: made harmless, not lost."""

    async def scenario(book: Book, clock: HandClock) -> None:
        book.record(free("good"), settled())
        book.record(replace(free("odd"), model_asked="\ud83d"), settled())
        book.record(free("huge"), replace(settled(), usage=Usage(2**80)))
        await book.flush()
        await book.reserve(replace(paid("paid", 1), model_asked="x\udc00"))
        await book.settle("paid", replace(settled(1), error="\ud83d", first_token_seconds=None))
        assert book.lost == 0

    with_book(path, scenario)
    found = {row["attempt_id"]: row for row in rows(path)}
    assert set(found) == {"good", "odd", "huge", "paid"}
    assert found["odd"]["model_asked"] == "?"
    assert found["huge"]["input_tokens"] == 10**15
    assert found["paid"]["settled"] == "settled"


def test_a_caller_that_is_cancelled_holds_nothing(path: Path) -> None:
    """Wherever the cancellation hits, before or after the row was written: it is void or absent."""
    budgets = (daily(1000),)

    async def scenario(book: Book, clock: HandClock) -> None:
        for number in range(60):
            task_id = f"a{number}"
            async with asyncio.TaskGroup() as group:
                task = group.create_task(book.reserve(paid(task_id, 1000), budgets))
                for _ in range(number % 3 + 1):
                    await asyncio.sleep(0)
                if number % 2:
                    until_written(path, task_id)
                asyncio.get_running_loop().call_soon(task.cancel)
            await book.flush()
            (state,) = await book.budgets(budgets)
            if task.cancelled():
                assert state.reserved_microusd == 0
            else:  # it was quicker than the cancellation, so the caller does hold it
                await book.settle(task_id, settled(0, Settled.VOID))
        await book.reserve(paid("last", 1000), budgets)

    with_book(path, scenario)


def until_written(path: Path, attempt_id: str) -> None:
    """Hold the loop still until the writer has committed the row."""
    deadline = time.monotonic() + 60
    while attempt_id not in {row["attempt_id"] for row in rows(path)}:
        assert time.monotonic() < deadline


def test_the_settlement_of_a_cancelled_caller_is_still_written(path: Path) -> None:
    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 1000))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(book.settle("a", settled(400)))
            await asyncio.sleep(0)
            task.cancel()
        await book.flush()

    with_book(path, scenario)
    assert rows(path)[0]["cost_microusd"] == 400


def test_rows_written_behind_are_bounded(path: Path) -> None:
    """The writer cannot work (the file is locked by another): past the bound, rows are counted."""

    async def scenario(book: Book, clock: HandClock) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for number in range(BEHIND_ROWS_MAX + 1000):
                book.record(free(f"f{number}"), settled())
            assert 0 < book.lost <= 1000
            other.execute("ROLLBACK")
        await book.flush()
        assert len(rows(path, "SELECT 1 FROM usage")) == BEHIND_ROWS_MAX + 1000 - book.lost

    with_book(path, scenario)


async def fill(book: Book) -> int:
    """Reserve until the disk is full; how many were held."""
    said = "the disk never filled"
    for number in range(5000):
        try:
            await book.reserve(paid(f"a{number}", 1))
        except LedgerError as exc:
            said = exc.message
            break
    assert "full" in said
    assert "free space" in said
    return number


def test_a_full_disk_refuses_keeps_and_recovers(path: Path) -> None:
    """Full: no reservation is half there. Settlements and free rows wait. Space: all written."""

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("paid", 1000))
        connection = book._writer._connection
        assert connection is not None
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        held = await fill(book)
        assert len(rows(path)) == held + 1
        long = replace(settled(400), error="x" * 9000)  # needs a page that is not there
        with pytest.raises(LedgerError):
            await book.settle("paid", long)
        for number in range(20):
            book.record(free(f"f{number}"), long)
        with pytest.raises(LedgerError):
            await book.flush()
        assert len(rows(path)) == held + 1

        connection.execute("PRAGMA max_page_count = 1000000")
        await book.reserve(paid("again", 1))
        await book.flush()
        assert book.lost == 0
        found = {row["attempt_id"]: row for row in rows(path)}
        assert len(found) == held + 2 + 20
        assert found["paid"]["cost_microusd"] == 400
        assert rows(path, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]

    with_book(path, scenario)


def test_what_was_rolled_back_is_not_held_against_a_budget(path: Path) -> None:
    """The reservation fitted, its batch did not: the sums in memory must forget it too."""
    budgets = (daily(1000),)

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("first", 0), budgets)
        connection = book._writer._connection
        assert connection is not None
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        book.record(free("large"), replace(settled(), error="x" * 90_000))
        with pytest.raises(LedgerError):
            await book.reserve(paid("a", 600), budgets)
        connection.execute("PRAGMA max_page_count = 1000000")
        await book.reserve(paid("b", 1000), budgets)

    with_book(path, scenario)
    assert [row["attempt_id"] for row in rows(path)] == ["b", "first", "large"]


def test_it_recovers_without_anyone_asking(path: Path) -> None:
    """After a failure the writer tries again by itself: a settlement needs no second caller."""

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("paid", 1000))
        connection = book._writer._connection
        assert connection is not None
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LedgerError):
            await book.settle("paid", replace(settled(400), error="x" * 90_000))
        connection.execute("PRAGMA max_page_count = 1000000")
        await until(lambda: bool(rows(path)[0]["settled"] == "settled"))

    with_book(path, scenario)


def test_a_connection_that_broke_is_replaced(path: Path) -> None:
    """The failed batch is heard of; the next one works on a new connection, with right sums."""
    budgets = (daily(1000),)

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 600), budgets)
        assert book._writer._connection is not None
        book._writer._connection.close()
        with pytest.raises(LedgerError, match="cannot be written"):
            await book.reserve(paid("b", 400), budgets)
        await book.reserve(paid("c", 400), budgets)
        with pytest.raises(BudgetError):
            await book.reserve(paid("d", 1), budgets)

    with_book(path, scenario)
    assert [row["attempt_id"] for row in rows(path)] == ["a", "c"]


def test_a_row_that_cannot_be_made_is_dropped_and_counted(path: Path) -> None:
    """A fault of ours must not stop the ledger for good: its batch fails, the next one does not."""

    async def scenario(book: Book, clock: HandClock) -> None:
        book.record(free("odd"), replace(settled(), first_token_seconds=float("nan")))
        with pytest.raises(LedgerError, match="cannot be written"):
            await book.flush()
        assert book.lost == 1
        book.record(free("good"), settled())
        await book.reserve(paid("a", 1))

    with_book(path, scenario)
    assert [row["attempt_id"] for row in rows(path)] == ["a", "good"]


def test_closing_on_a_full_disk_says_so_and_counts_what_is_lost(path: Path) -> None:
    async def scenario() -> None:
        book = await Book.open(path, clock=HandClock())
        await book.reserve(paid("a", 1))
        connection = book._writer._connection
        assert connection is not None
        connection.execute("PRAGMA max_page_count = 1")
        book.record(free("f"), replace(settled(), error="x" * 90_000))
        with pytest.raises(LedgerError, match="full"):
            await book.close()
        assert book.lost == 1

    asyncio.run(scenario())


def test_spend_by_everything(path: Path) -> None:
    """Sums are exact; open, estimated and unknown are apart; probes are no requests."""

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 1000))
        await book.settle("a", settled(400))
        await book.reserve(replace(paid("b", 2000), request_id="r-a"))  # the second try of a
        await book.settle("b", settled(500, Settled.ESTIMATED))
        await book.reserve(paid("c", 3000))
        book.record(free("d", job="giscus", client="laptop"), settled())
        book.record(free("e", kind="probe"), settled())
        await book.flush()
        spend = partial(book.spend, since=NOON - HOUR, until=NOON + HOUR)
        dear, local = await spend()
        assert (dear.key, dear.requests) == ("frontier", 2)
        assert (dear.cost_microusd, dear.reserved_microusd) == (900, 3000)
        assert (dear.estimated, dear.unknown) == (1, 0)
        assert (dear.fresh_tokens, dear.output_tokens) == (200, 40)
        assert (dear.cache_read_tokens, dear.cache_write_tokens) == (6, 18)
        assert (local.key, local.requests, local.cost_microusd) == ("local", 1, 0)
        assert local.fresh_tokens == 200  # the probe's tokens were real
        by = {name: await spend(by=name) for name in ("job", "client", "model")}
        assert {row.key for row in by["job"]} == {"", "giscus"}
        assert {row.key for row in by["client"]} == {"", "laptop"}
        assert {row.key for row in by["model"]} == {"claude-opus-4-6", "MiniMax-M2.5"}
        assert [row.key for row in await spend(by="rule")] == ["kind", "explicit"]
        assert await book.spend(since=NOON + timedelta(1), until=NOON + timedelta(2)) == []

    with_book(path, scenario)


def test_spend_by_day_follows_the_zone(path: Path) -> None:
    """23:30 in Kolkata and an hour later are two days there and one in UTC."""

    async def scenario(book: Book, clock: HandClock) -> None:
        clock.turn(6 * 3600)  # 18:00 UTC = 23:30 in Kolkata
        for name in ("a", "b"):
            await book.reserve(paid(name, 10))
            await book.settle(name, settled(7))
            clock.turn(3600)
        spend = partial(book.spend, by="day", since=NOON - 24 * HOUR, until=NOON + 24 * HOUR)
        days = await spend(zone="Asia/Kolkata")
        assert [(d.key, d.cost_microusd) for d in days] == [("2026-03-10", 7), ("2026-03-11", 7)]
        (day,) = await spend()
        assert (day.key, day.cost_microusd, day.requests) == ("2026-03-10", 14, 2)

    with_book(path, scenario)


def test_recent_shows_the_newest_first(path: Path) -> None:
    async def scenario(book: Book, clock: HandClock) -> None:
        for name in ("a", "b", "c"):
            clock.turn(1)
            await book.reserve(paid(name, 10))
        await book.settle("b", replace(settled(7), first_token_seconds=0.5, total_seconds=2.0))
        c, b = await book.recent(2)
        assert (c.attempt_id, c.settled, c.first_token_ms) == ("c", Settled.OPEN, None)
        assert (b.attempt_id, b.settled, b.outcome) == ("b", Settled.SETTLED, Outcome.OK)
        assert (b.prompt_tokens, b.output_tokens) == (112, 20)
        assert (b.cost_microusd, b.reserved_microusd) == (7, 10)
        assert (b.first_token_ms, b.total_ms) == (500, 2000)
        assert b.created == NOON + timedelta(seconds=2)

    with_book(path, scenario)
