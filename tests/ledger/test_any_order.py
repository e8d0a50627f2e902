"""Whatever the order of reserve, settle, cancel, kill, restart, clock step: the money is right."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.ledger.test_rollups import wrong_days
from tests.ledger.toys import HandClock, daily, free, paid, settled
from twotier.domain.money import Settled
from twotier.errors import BudgetError
from twotier.ledger.book import Book

T = TypeVar("T")
LIMIT = 10_000
BUDGETS = (daily(LIMIT),)
DAY_SECONDS = 86_400
STATES = st.sampled_from([Settled.SETTLED, Settled.ESTIMATED])
_template: list[Path] = []


def template() -> Path:
    """An empty ledger, made once."""
    if not _template:
        path = Path(tempfile.mkdtemp(prefix="twotier-any-order-")) / "ledger.db"

        async def made() -> None:
            await (await Book.open(path, clock=HandClock(), owner="gateway")).close()

        asyncio.run(made())
        _template.append(path)
    return _template[0]


class AnyOrder(RuleBasedStateMachine):
    """`bill` is what an upstream charged for the attempts it took, by their ids."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "life0" / "ledger.db"
        self.path.parent.mkdir()
        shutil.copyfile(template(), self.path)
        self.clock = HandClock()
        self.count = self.life = 0
        self.open: dict[str, int] = {}
        self.bill: dict[str, int] = {}
        self.book = self.run(self.opened())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def opened(self) -> Book:
        return await Book.open(self.path, clock=self.clock, owner="gateway")

    def named(self) -> str:
        self.count += 1
        return f"a{self.count}"

    @rule(microusd=st.integers(0, 6000), answered=st.integers(0, 100))
    def reserve(self, microusd: int, answered: int) -> None:
        """The upstream is asked where that is allowed, and charges some of the bound."""
        name = self.named()
        try:
            self.run(self.book.reserve(paid(name, microusd), BUDGETS))
        except BudgetError:
            return
        self.open[name] = microusd
        self.bill[name] = microusd * answered // 100

    @rule(steps=st.integers(0, 4))
    def cancel(self, steps: int) -> None:
        """The caller leaves at some moment before it was told: the upstream was not asked."""
        name = self.named()

        async def left() -> None:
            task = self.loop.create_task(self.book.reserve(paid(name, 3000), BUDGETS))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if not task.cancelled() and task.exception() is None:
                self.open[name], self.bill[name] = 3000, 0
            await self.book.flush()

        self.run(left())

    @precondition(lambda self: self.open)
    @rule(pick=st.integers(0, 9), state=STATES, times=st.integers(1, 2))
    def settle(self, pick: int, state: Settled, times: int) -> None:
        """At what the upstream charged; an estimate is never below it."""
        name = list(self.open)[pick % len(self.open)]
        bound = self.open.pop(name)
        cost = self.bill[name] if state is Settled.SETTLED else bound
        for _ in range(times):
            self.run(self.book.settle(name, settled(cost, state)))

    @rule()
    def free_work(self) -> None:
        self.book.record(free(self.named()), settled())

    @rule(seconds=st.sampled_from([1, 900, 7200, DAY_SECONDS, -1, -7200, -DAY_SECONDS]))
    def turn(self, seconds: int) -> None:
        """The clock goes on, or steps back."""
        self.clock.turn(seconds)

    @rule()
    def restart(self) -> None:
        """A clean end: what is open then is charged at its bound by the next life."""
        self.run(self.book.close())
        self.begin()

    @rule()
    def kill(self) -> None:
        """The files as they are now, in a place of their own, and nothing else survives."""
        self.run(self.book.flush())
        self.life += 1
        after = self.path.parent.with_name(f"life{self.life}")
        shutil.copytree(self.path.parent, after)
        self.run(self.book.close())
        self.path = after / "ledger.db"
        self.begin()

    def begin(self) -> None:
        self.book = self.run(self.opened())
        assert not self.book.held
        assert self.book.recovered == len(self.open)
        self.open.clear()

    @invariant()
    def money_is_right(self) -> None:
        self.run(self.book.flush())
        with closing(sqlite3.connect(self.path)) as file:
            rows = file.execute(
                "SELECT attempt_id, settled, cost_microusd, reserved_microusd, created_ms"
                " FROM usage"
            ).fetchall()
        days: dict[int, int] = {}
        for name, state, cost, bound, created_ms in rows:
            if state == Settled.SETTLED.value:
                assert cost == self.bill.get(name, 0)
            elif state in (Settled.ESTIMATED.value, Settled.UNKNOWN.value):
                assert cost >= self.bill[name]
            held = bound if state == Settled.OPEN.value else cost
            day = created_ms // (DAY_SECONDS * 1000)
            days[day] = days.get(day, 0) + held
        assert all(held <= LIMIT for held in days.values())
        known = {name for name, *_ in rows}
        assert set(self.bill) <= known
        assert wrong_days(self.path) == []

    def teardown(self) -> None:
        self.run(self.book.close())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()


AnyOrder.TestCase.settings = settings(
    max_examples=600 if os.environ.get("SOAK") else 25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestAnyOrder = pytest.mark.slow(AnyOrder.TestCase)
