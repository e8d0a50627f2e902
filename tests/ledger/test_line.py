"""Who only lacks what others hold waits for it, in turn; who can no longer hope is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.ledger.test_book import HOUR, rows, until, with_book
from tests.ledger.toys import NOON, USD, HandClock, daily, paid, settled
from twotier.domain.money import Attempt, Budget
from twotier.errors import BudgetError, LedgerError, StoppingError
from twotier.ledger.book import Book

LONG = 30.0
SHORT = 0.05
CAP = (daily(1000),)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


class Waiting:
    """Reservations under way, by name, in the order in which they ended."""

    def __init__(self, book: Book, group: asyncio.TaskGroup) -> None:
        self.book = book
        self.group = group
        self.ended: list[str] = []
        self.refused: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(
        self,
        name: str,
        microusd: int,
        budgets: Sequence[Budget] = CAP,
        *,
        seconds: float = LONG,
        background: bool = False,
    ) -> None:
        """Begin to reserve; returns when it waits, or has ended."""
        one = self._one(paid(name, microusd, background=background), budgets, seconds=seconds)
        self.tasks[name] = self.group.create_task(one)
        await asyncio.sleep(0)
        await self.book.flush()
        await asyncio.sleep(0)

    async def _one(self, attempt: Attempt, budgets: Sequence[Budget], *, seconds: float) -> None:
        try:
            await self.book.reserve(attempt, budgets, wait_seconds=seconds)
        except BudgetError:
            self.refused.append(attempt.id)
        else:
            self.ended.append(attempt.id)

    async def give_back(self, name: str, cost: int = 0) -> None:
        """Settle one, and let those who wait hear of it."""
        await self.book.settle(name, settled(cost))
        await self.book.flush()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def test_a_reservation_waits_for_money_that_others_hold(path: Path) -> None:
    """The same transaction that settles one reserves for the next."""

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 900), CAP)
        async with asyncio.TaskGroup() as group:
            waiting = Waiting(book, group)
            await waiting.ask("b", 500)
            assert waiting.ended == []
            await waiting.give_back("a", 300)
            assert waiting.ended == ["b"]
        (state,) = await book.budgets(CAP)
        assert (state.spent_microusd, state.reserved_microusd, state.refused) == (300, 500, 0)

    with_book(path, scenario)


def test_who_does_not_want_to_wait_or_cannot_hope_is_refused_at_once(path: Path) -> None:
    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 900), CAP)
        await book.settle("a", settled(600))
        await book.reserve(paid("b", 300), CAP)
        with pytest.raises(BudgetError) as passing:
            await book.reserve(paid("c", 400), CAP)
        assert passing.value.passing
        with pytest.raises(BudgetError) as never:
            await book.reserve(paid("d", 401), CAP, wait_seconds=LONG)
        assert not never.value.passing
        assert never.value.facts["limit_usd"] == "0.001000"

    with_book(path, scenario)


def test_a_wait_ends_as_soon_as_the_money_is_really_spent(path: Path) -> None:
    """Not after 30 seconds: nothing that is still open could help any more."""

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 900), CAP)
        async with asyncio.TaskGroup() as group:
            waiting = Waiting(book, group)
            await waiting.ask("b", 200)
            await waiting.give_back("a", 900)
            assert waiting.refused == ["b"]
        (state,) = await book.budgets(CAP)
        assert state.refused == 1

    with_book(path, scenario)


def test_a_wait_has_an_end(path: Path) -> None:
    """Nobody settles anything: it is refused when its time is over, with the sentence."""

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 900), CAP)
        with pytest.raises(BudgetError, match=r"\$0\.000900 reserved"):
            await book.reserve(paid("b", 200), CAP, wait_seconds=SHORT)
        await book.settle("a", settled(0))
        await book.reserve(paid("b", 200), CAP)  # nothing of it is left behind

    with_book(path, scenario)


def test_they_are_served_in_turn_and_small_ones_do_not_starve_a_large_one(path: Path) -> None:
    """What the one in front asks counts as held for those behind, also for one that only comes."""

    async def scenario(book: Book, clock: HandClock) -> None:
        for name in ("a", "b"):
            await book.reserve(paid(name, 450), CAP)
        async with asyncio.TaskGroup() as group:
            waiting = Waiting(book, group)
            await waiting.ask("large", 600)
            await waiting.ask("small", 100)  # would fit, but not beside the one in front
            assert waiting.ended == []
            await waiting.ask("other", 100, (daily(5000, zone="Asia/Kolkata"),))
            assert waiting.ended == ["other"]  # of another budget, which has room
            await waiting.give_back("a")
            assert waiting.ended == ["other"]
            await waiting.give_back("b")
            assert waiting.ended == ["other", "large", "small"]

    with_book(path, scenario)


def test_a_person_goes_before_background_work(path: Path) -> None:
    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 800), CAP)
        async with asyncio.TaskGroup() as group:
            waiting = Waiting(book, group)
            await waiting.ask("job", 500, background=True)
            await waiting.ask("person", 500)
            await waiting.give_back("a")
            assert waiting.ended == ["person"]
            await waiting.ask("next", 400)  # does not stand behind the job either
            assert waiting.ended == ["person", "next"]
            for name in ("person", "next"):
                await waiting.give_back(name)
            assert waiting.ended == ["person", "next", "job"]

    with_book(path, scenario)


def test_who_leaves_the_line_makes_room_for_those_behind(path: Path) -> None:
    """A cancelled caller holds nothing, writes nothing, and nobody waits for it."""

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 900), CAP)
        async with asyncio.TaskGroup() as group:
            waiting = Waiting(book, group)
            await waiting.ask("large", 1000)
            await waiting.ask("small", 100)
            waiting.tasks["large"].cancel()
            await until(lambda: waiting.ended == ["small"])
        assert [row["attempt_id"] for row in rows(path)] == ["a", "small"]

    with_book(path, scenario)


def test_a_new_day_serves_those_who_waited_for_the_old_one(path: Path) -> None:
    """The clock is the caller's own, and goes on while it waits."""

    async def scenario(book: Book, clock: HandClock) -> None:
        clock.moment = NOON + 12 * HOUR - timedelta(milliseconds=200)
        await book.reserve(paid("a", 900), CAP)
        await book.reserve(paid("b", 900), CAP, wait_seconds=LONG)
        clock.turn(60)
        (state,) = await book.budgets(CAP)
        assert state.reserved_microusd == 900

    with_book(path, scenario)


def test_closing_the_book_tells_those_who_wait(path: Path) -> None:
    async def play() -> None:
        book = await Book.open(path, clock=HandClock())
        await book.reserve(paid("a", 900), CAP)
        waiting = asyncio.ensure_future(book.reserve(paid("b", 900), CAP, wait_seconds=LONG))
        await book.flush()
        await book.close()
        with pytest.raises(StoppingError):
            await waiting

    asyncio.run(play())


def test_a_disk_that_cannot_be_written_tells_those_who_wait(path: Path) -> None:
    """503 at once, not 402 after a while: nobody knows what can still be spent."""

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 900), CAP)
        waiting = asyncio.ensure_future(book.reserve(paid("b", 900), CAP, wait_seconds=LONG))
        await book.flush()
        connection = book._writer._connection
        assert connection is not None
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LedgerError, match="full"):
            await book.settle("a", msgspec.structs.replace(settled(), error="x" * 90_000))
        with pytest.raises(LedgerError, match="full"):
            await waiting
        connection.execute("PRAGMA max_page_count = 1000000")

    with_book(path, scenario)


def test_who_was_served_in_a_look_that_fails_hears_of_it(path: Path) -> None:
    """The first fits, the disk is full at the second: neither holds anything, and both are told."""

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 900), CAP)
        large = msgspec.structs.replace(paid("c", 200), model="x" * 90_000)
        waiting = [
            asyncio.ensure_future(book.reserve(attempt, CAP, wait_seconds=LONG))
            for attempt in (paid("b", 200), large)
        ]
        await book.flush()
        connection = book._writer._connection
        assert connection is not None
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(LedgerError, match="full"):
            await book.settle("a", settled(0))
        for one in waiting:
            with pytest.raises(LedgerError, match="full"):
                await one
        connection.execute("PRAGMA max_page_count = 1000000")
        await book.reserve(paid("d", 1000), CAP)  # the settlement was repeated, and nothing is held

    with_book(path, scenario)


def test_of_500_at_once_exactly_20_are_let_through(path: Path) -> None:
    """$0.50 each against $10, and each costs what it may: the others hear no, and none hangs."""
    cap = (daily(10 * USD),)

    async def scenario(book: Book, clock: HandClock) -> None:
        reached: list[str] = []

        async def one(number: int) -> None:
            name = f"q{number:03}"
            await book.reserve(paid(name, USD // 2), cap, wait_seconds=LONG)
            reached.append(name)
            await asyncio.sleep(0.01)
            await book.settle(name, settled(USD // 2))

        results = await asyncio.gather(*map(one, range(500)), return_exceptions=True)
        assert len(reached) == 20
        assert sum(isinstance(one, BudgetError) for one in results) == 480
        (state,) = await book.budgets(cap)
        assert (state.spent_microusd, state.reserved_microusd) == (10 * USD, 0)

    with_book(path, scenario)


def test_money_that_comes_back_is_used_until_it_is_spent(path: Path) -> None:
    """The same, and each costs a fifth: 96 of them fit, because 480 cents leave no room for 50."""
    cap = (replace(daily(10 * USD), name="cap"),)

    async def scenario(book: Book, clock: HandClock) -> None:
        spent = 0

        async def one(number: int) -> None:
            nonlocal spent
            await book.reserve(paid(f"q{number:03}", USD // 2), cap, wait_seconds=LONG)
            await asyncio.sleep(0)
            await book.settle(f"q{number:03}", settled(USD // 10))
            spent += USD // 10

        await asyncio.gather(*map(one, range(300)), return_exceptions=True)
        assert spent == 96 * USD // 10

    with_book(path, scenario)
