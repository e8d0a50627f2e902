"""What survives a kill, and who writes it: the ledger's writer stepped by timers in place of its
thread, and the steps of runs in place of DBOS, which has threads and a clock of its own.
"""

from __future__ import annotations

import asyncio
import json
import queue
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tests.simulator.loop import Loop
from twotier.domain.steps import Json
from twotier.errors import JobError
from twotier.jobs.engine import Body, RunSteps, Step
from twotier.jobs.runner import LEAVE
from twotier.ledger.writer import (
    BATCH_ORDERS_MAX,
    BEHIND_SECONDS,
    RETRY_SECONDS,
    Flush,
    Order,
    Settle,
    Writer,
)

SYNC_SECONDS = (0.0005, 0.02)


class SteppedWriter(Writer):
    """The ledger's own writer, one transaction at a time, when a timer of its loop rings."""

    full = False  # the disk
    skips = 0  # a planted bug: so many settlements are answered and not written

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop, *, owner: str) -> None:
        super().__init__(path, loop, owner=owner, monotonic=loop.time)
        self._place = cast("Loop", loop)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._alive = True

    def put(self, order: Order) -> None:
        super().put(order)
        self._wind_up(self._place.universe.chance.uniform(*SYNC_SECONDS))

    def write_behind(self, entry: Any) -> None:
        super().write_behind(entry)
        self._wind_up(BEHIND_SECONDS)

    def join(self, timeout_seconds: float) -> None:
        """There is no thread to wait for."""

    def _wind_up(self, seconds: float) -> None:
        at = self._place.time() + seconds
        if self._timer is not None and self._timer.when() <= at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._place.call_at(at, self._step)

    def _step(self) -> None:
        self._timer = None
        orders: list[Order] = []
        while len(orders) < BATCH_ORDERS_MAX:
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                break
            if order is not None:
                orders.append(order)
        self._bound()
        self._write([one for one in orders if not self._forgets(one)])
        if any(isinstance(order, Flush) and order.last for order in orders):
            self._end()
            self._alive = False
        elif not self._orders.empty():
            self._wind_up(0.0)
        elif self._failing:
            self._wind_up(RETRY_SECONDS)
        elif self._behind:
            self._wind_up(BEHIND_SECONDS)
        elif (patience := self._line.patience_seconds()) is not None:
            self._wind_up(patience)

    def _bound(self) -> None:
        """A full disk: SQLite may use no page that the file does not have already."""
        if self._connection is None:
            return
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        most = pages if self.full else 1_073_741_823
        self._connection.execute(f"PRAGMA max_page_count = {most}").fetchone()

    def _forgets(self, order: Order) -> bool:
        if not (self.skips and isinstance(order, Settle)):
            return False
        self.skips -= 1
        if order.done is not None:
            self._answer({order: None})
        return True


@dataclass
class Steps:
    """What runs have done, as the engine's database would have it. It outlives every process."""

    done: dict[str, dict[int, Step]] = field(default_factory=dict)
    over: dict[str, tuple[str, str]] = field(default_factory=dict)


class PaperEngine:
    """`jobs.engine.Engine` by its contract: finished steps are not done again. The steps are the
    product's own; a note is on disk when its thread is through.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def run(self, run_id: str, body: Body) -> Json:
        state, told = self._steps.over.get(run_id, ("", ""))
        if state == "SUCCESS":
            return json.loads(told)
        if state == "ERROR":
            raise JobError("the run had ended with an error; order it anew, or fork it")
        done = self._steps.done.setdefault(run_id, {})

        async def note(step: Step) -> None:
            kept = Step(step.number, step.name, json.loads(json.dumps(step.output)), 0.0, 0.0)
            assert step.number not in done, f"step {step.number} of {run_id} is done twice"
            await asyncio.to_thread(done.__setitem__, step.number, kept)

        try:
            made = await body(RunSteps(run_id, note=note, done=dict(done)))
        except LEAVE:
            raise
        except Exception as exc:
            await self._ended(run_id, "ERROR", str(exc))
            raise
        await self._ended(run_id, "SUCCESS", json.dumps(made))
        return made

    async def _ended(self, run_id: str, state: str, told: str) -> None:
        await asyncio.to_thread(self._steps.over.__setitem__, run_id, (state, told))
