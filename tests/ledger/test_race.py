"""A cap holds against whatever else writes to the file, and whatever the clock does."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger.test_book import rows, with_book
from tests.ledger.test_crash import ROOT
from tests.ledger.toys import NOON, HandClock, daily, paid, settled
from twotier.domain.money import Budget
from twotier.errors import BudgetError
from twotier.ledger.book import Book
from twotier.ledger.budget import period
from twotier.ledger.migrate import migrate
from twotier.ledger.rows import moment
from twotier.ledger.store import create_private

CAP = 1000
DAY = timedelta(days=1)


def racer(path: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.ledger.racer", str(path), name, str(CAP)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )


@pytest.mark.slow
def test_two_processes_race_against_one_cap_and_do_not_pass_it(tmp_path: Path) -> None:
    """Each sees in its transaction what the other has committed: together they spend the cap."""
    path = tmp_path / "ledger.db"
    create_private(path)
    migrate(path)
    with ExitStack() as stack:
        both = [stack.enter_context(racer(path, name)) for name in ("a", "b")]
        for one in both:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for one in both:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        given = [int(one.communicate(timeout=60)[0]) for one in both]
    assert sum(given) == CAP // 10
    assert rows(path, "SELECT sum(cost_microusd) AS spent FROM usage") == [{"spent": CAP}]


def test_what_another_process_wrote_counts_in_the_next_transaction(tmp_path: Path) -> None:
    """The sums in memory are right until somebody else commits; then the file is asked again."""
    path = tmp_path / "ledger.db"

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("a", 400), (daily(CAP),))
        other = await Book.open(tmp_path / "other.db", clock=clock)
        await other.close()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE usage SET reserved_microusd = 900")
            connection.commit()
        with pytest.raises(BudgetError):
            await book.reserve(paid("b", 101), (daily(CAP),))
        await book.reserve(paid("b", 100), (daily(CAP),))

    with_book(path, scenario)


def test_a_step_back_opens_no_closed_day_again(tmp_path: Path) -> None:
    """Tuesday has begun and was paid in; the clock falls back to Monday. What is spent now is
    dated Tuesday: Monday stays closed, and Tuesday's cap holds, also after a restart.
    """
    path, cap = tmp_path / "ledger.db", (daily(CAP),)

    async def before(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("mon", 500), cap)
        clock.turn(DAY.total_seconds())
        await book.reserve(paid("tue", 700), cap)
        clock.turn(-DAY.total_seconds())
        with pytest.raises(BudgetError, match=r"\$0\.000700 reserved.* resets at 2026-03-12"):
            await book.reserve(paid("back", 301), cap)
        await book.reserve(paid("back", 200), cap)
        (state,) = await book.budgets(cap)
        assert (state.reserved_microusd, state.since.day) == (900, 11)

    async def after(book: Book, clock: HandClock) -> None:
        with pytest.raises(BudgetError):
            await book.reserve(paid("again", 101), cap)
        clock.turn(DAY.total_seconds() * 2)  # the clock has caught up, and a new day begins
        await book.reserve(paid("again", CAP), cap)

    with_book(path, before)
    with_book(path, after)
    days = {row["attempt_id"]: row["created_ms"] // 86_400_000 for row in rows(path)}
    assert days["back"] == days["tue"] == days["mon"] + 1


def test_a_step_forward_by_mistake_passes_no_cap_when_it_is_taken_back(tmp_path: Path) -> None:
    """Next year by mistake, for an hour. Back in today what is spent counts there, until a person
    says that the clock was wrong.
    """
    path, cap = tmp_path / "ledger.db", (daily(CAP),)

    async def scenario(book: Book, clock: HandClock) -> None:
        await book.reserve(paid("today", 900), cap)
        clock.turn(365 * DAY.total_seconds())
        await book.reserve(paid("wrong", 900), cap)
        clock.moment = NOON
        with pytest.raises(BudgetError):
            await book.reserve(paid("more", 101), cap)
        (state,) = await book.budgets(cap)
        assert state.since.year == 2027
        await book.settle_clock()
        with pytest.raises(BudgetError, match="resets at 2026-03-11"):
            await book.reserve(paid("more", 101), cap)
        await book.reserve(paid("fits", 100), cap)
        (state,) = await book.budgets(cap)
        assert (state.since.year, state.reserved_microusd) == (2026, CAP)

    async def later(book: Book, clock: HandClock) -> None:
        clock.turn(DAY.total_seconds())
        await book.reserve(paid("tomorrow", 100), cap)
        clock.turn(-DAY.total_seconds())
        await book.reserve(paid("back", 900), cap)  # counts tomorrow: steps are still watched
        with pytest.raises(BudgetError, match="resets at 2026-03-12"):
            await book.reserve(paid("more", 1), cap)
        clock.turn(365 * DAY.total_seconds())
        with pytest.raises(BudgetError):  # what was spent by the wrong clock counts in its day
            await book.reserve(paid("then", 101), cap)

    with_book(path, scenario)
    with_book(path, later)


@dataclass(frozen=True)
class Ask:
    """Reserve this much for one kind of work, and wait or not."""

    microusd: int
    background: bool
    client: str


@dataclass(frozen=True)
class End:
    """Settle one open attempt at this share, or have its caller leave."""

    pick: int
    percent: int


@dataclass(frozen=True)
class Step:
    """The clock jumps by so many hours."""

    hours: int


CRASH = "crash"
STEPS = st.lists(
    st.one_of(
        st.builds(
            Ask, st.integers(1, 700), st.booleans(), st.sampled_from(["", "phone", "laptop"])
        ),
        st.builds(End, st.integers(0, 9), st.integers(0, 100)),
        st.builds(Step, st.integers(-50, 50)),
        st.just(CRASH),
    ),
    max_size=30,
)
BUDGETS = (
    daily(CAP),
    Budget("week", "week", "America/Los_Angeles", None, 2500, "local-only"),
    Budget("phone", "day", "Asia/Kolkata", None, 500, "stop", "phone"),
    Budget("jobs", "month", "Europe/Berlin", None, 1500, work="background"),
)


def sums(path: Path) -> list[tuple[datetime, int, str, bool]]:
    """Every paid row: when, how much it is charged or holds, whose."""
    columns = "created_ms, settled, cost_microusd, reserved_microusd, client, background"
    with closing(sqlite3.connect(path)) as connection:
        return [
            (moment(created_ms), held if state == "open" else cost, client, bool(background))
            for created_ms, state, cost, held, client, background in connection.execute(
                f"SELECT {columns} FROM usage"
            )
        ]


def check(path: Path) -> None:
    """No period of any budget holds more than its limit, whatever the clock said."""
    found = sums(path)
    for budget in BUDGETS:
        periods: dict[datetime, int] = {}
        for created, amount, client, background in found:
            ours = budget.client in ("", client) and (not budget.work or background)
            start = period(budget, created)[0]
            periods[start] = periods.get(start, 0) + (amount if ours else 0)
        assert all(sum_ <= (budget.limit_microusd or 0) for sum_ in periods.values()), budget


class Life:
    """A book, and the attempts that are open or wait."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = HandClock()
        self.open: list[str] = []
        self.waiting: dict[str, asyncio.Task[None]] = {}
        self.number = 0

    async def begin(self) -> None:
        self.book = await Book.open(self.path, clock=self.clock)

    async def step(self, step: Ask | End | Step | str) -> None:
        if isinstance(step, Ask):
            await self.ask(step)
        elif isinstance(step, End):
            await self.end(step)
        elif isinstance(step, Step):
            self.clock.turn(step.hours * 3600)
        else:
            await self.crash()
        await self.book.flush()
        await asyncio.sleep(0)

    async def ask(self, step: Ask) -> None:
        self.number += 1
        name = f"a{self.number}"
        attempt = paid(name, step.microusd, background=step.background, client=step.client)
        own = [one for one in BUDGETS if one.covers(attempt)]
        self.waiting[name] = asyncio.ensure_future(
            self.book.reserve(attempt, own, wait_seconds=20.0)
        )
        await asyncio.sleep(0)

    async def end(self, step: End) -> None:
        names = [*self.waiting]
        if not names:
            return
        name = names[step.pick % len(names)]
        task = self.waiting.pop(name)
        if not task.done():
            task.cancel()
        elif task.exception() is None:
            row = next(row for row in rows(self.path) if row["attempt_id"] == name)
            cost = row["reserved_microusd"] * step.percent // 100
            await self.book.settle(name, settled(cost))

    async def crash(self) -> None:
        """The files as a power cut leaves them, opened elsewhere."""
        self.number += 1
        after = self.path.with_name(f"life{self.number}.db")
        for ending in ("", "-wal"):
            if (source := Path(f"{self.path}{ending}")).exists():
                shutil.copyfile(source, f"{after}{ending}")
        await self.close()
        self.path = after
        await self.begin()

    async def close(self) -> None:
        for task in self.waiting.values():
            task.cancel()
        await asyncio.gather(*self.waiting.values(), return_exceptions=True)
        self.waiting = {}
        await self.book.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "ledger.db"
    create_private(path)
    migrate(path)
    return path


@pytest.mark.slow
@settings(
    max_examples=600 if os.environ.get("SOAK") else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_no_order_of_reserve_settle_cancel_crash_and_clock_step_passes_a_cap(
    template: Path, steps: list[Ask | End | Step | str]
) -> None:
    """Four budgets over other periods, zones and work; callers that wait and leave."""

    async def play(path: Path) -> None:
        life = Life(path)
        await life.begin()
        try:
            for step in steps:
                await life.step(step)
                check(life.path)
        finally:
            await life.close()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        shutil.copyfile(template, path)
        asyncio.run(play(path))
