"""Whatever dies, the bill is right: an open row is charged at its bound, and no cap is passed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger.toys import NOON, HandClock, daily, paid, settled
from twotier.domain.money import Settled
from twotier.errors import BudgetError
from twotier.ledger.book import Book
from twotier.ledger.migrate import migrate
from twotier.ledger.store import create_private

ROOT = Path(__file__).parents[2]
LIMIT = 10_000
BUDGETS = (daily(LIMIT),)


def states(path: Path) -> dict[str, tuple[str, int]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT attempt_id, settled, cost_microusd FROM usage")
        return {name: (state, cost) for name, state, cost in rows}


@contextmanager
def holding(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child that holds reservations; ended here if the test did not end it."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.ledger.child", str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait(60)
        assert child.stdout is not None
        child.stdout.close()


def test_a_killed_process_leaves_its_reservations_charged(tmp_path: Path) -> None:
    """SIGKILL with three rows, one settled: the other two become unknown, at their bound."""
    path = tmp_path / "ledger.db"
    with holding(path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        child.send_signal(signal.SIGKILL)
        assert child.wait(60) == -signal.SIGKILL
    before = {"one": ("settled", 700), "two": ("open", 0), "three": ("open", 0)}
    assert states(path) == before

    async def reopened() -> None:
        book = await Book.open(path, clock=HandClock())
        assert book.recovered == 2
        after = {"one": ("settled", 700), "two": ("unknown", 2000), "three": ("unknown", 4000)}
        assert states(path) == after
        (state,) = await book.budgets((daily(7000),))
        assert (state.spent_microusd, state.reserved_microusd) == (6700, 0)
        await book.reserve(paid("fits", 300), (daily(7000),))
        with pytest.raises(BudgetError):
            await book.reserve(paid("more", 1), (daily(7000),))
        await book.settle("two", settled(1))  # too late: what was charged stays charged
        assert states(path)["two"] == ("unknown", 2000)
        (row,) = await book.spend(since=NOON, until=NOON + timedelta(seconds=1))
        assert (row.unknown, row.cost_microusd) == (2, 6700)
        await book.close()
        again = await Book.open(path, clock=HandClock())
        assert again.recovered == 1  # only the one that fitted
        await again.close()

    asyncio.run(reopened())


@dataclass
class Bill:
    """What an upstream would have charged, kept beside the book."""

    open: dict[str, int] = field(default_factory=dict)
    charged: int = 0

    @property
    def used(self) -> int:
        return self.charged + sum(self.open.values())


@dataclass(frozen=True)
class Ask:
    """Reserve this much."""

    microusd: int


@dataclass(frozen=True)
class End:
    """Settle one open attempt at this share of its reservation, once or twice."""

    pick: int
    percent: int
    twice: bool
    state: Settled


CRASH = "crash"
STEPS = st.lists(
    st.one_of(
        st.builds(Ask, st.integers(0, 4000)),
        st.builds(
            End,
            st.integers(0, 9),
            st.integers(0, 100),
            st.booleans(),
            st.sampled_from([Settled.SETTLED, Settled.ESTIMATED]),
        ),
        st.just(CRASH),
    ),
    max_size=25,
)


async def crashed(book: Book, path: Path, number: int) -> tuple[Book, Path]:
    """The book as a power cut would leave it: the files as they are now, opened elsewhere."""
    after = path.with_name(f"life{number}.db")
    for ending in ("", "-wal"):
        if (source := Path(f"{path}{ending}")).exists():  # before the first write there is no WAL
            shutil.copyfile(source, f"{after}{ending}")
    await book.close()
    return await Book.open(after, clock=HandClock(), owner="gateway"), after


async def ask(book: Book, bill: Bill, name: str, microusd: int) -> None:
    """Refused exactly where the model of the budget says so."""
    fits = bill.used + microusd <= LIMIT and not (microusd == 0 and bill.used >= LIMIT)
    if fits:
        await book.reserve(paid(name, microusd), BUDGETS)
        bill.open[name] = microusd
        return
    with pytest.raises(BudgetError):
        await book.reserve(paid(name, microusd), BUDGETS)


async def end(book: Book, bill: Bill, step: End) -> None:
    if not bill.open:
        return
    name = list(bill.open)[step.pick % len(bill.open)]
    cost = bill.open.pop(name) * step.percent // 100
    bill.charged += cost
    for _ in range(2 if step.twice else 1):
        await book.settle(name, settled(cost, step.state))


async def play(steps: list[Ask | End | str], path: Path) -> None:
    book, bill = await Book.open(path, clock=HandClock(), owner="gateway"), Bill()
    for number, step in enumerate(steps):
        if isinstance(step, Ask):
            await ask(book, bill, f"a{number}", step.microusd)
        elif isinstance(step, End):
            await end(book, bill, step)
        else:
            open_before = len(bill.open)
            book, path = await crashed(book, path, number)
            assert book.recovered == open_before
            bill.charged, bill.open = bill.used, {}
        (state,) = await book.budgets(BUDGETS)
        assert state.spent_microusd == bill.charged
        assert state.reserved_microusd == sum(bill.open.values())
        assert state.spent_microusd + state.reserved_microusd <= LIMIT
    await book.close()
    assert sum(cost for _, cost in states(path).values()) == bill.charged


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger, so that not every example has to make the tables."""
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
def test_no_order_of_reserve_settle_and_crash_loses_or_invents_money(
    template: Path, steps: list[Ask | End | str]
) -> None:
    """The book's sums are the bill after every step, and never past the cap."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        shutil.copyfile(template, path)
        asyncio.run(play(steps, path))
