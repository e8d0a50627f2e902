"""F19: back after eight hours with 45 jobs due: each once, a few at a time, status meanwhile."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import LOCAL_SERVER, Service, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

JOBS = 45
AWAY_MS = 8 * 3_600_000
RUNS_AT_ONCE = 2
JOB = """
[[jobs]]
name = "job{number:02d}"
every = "1h"
tier = "local-only"
prompt = "say: job {number:02d}"
deliver = "file:outbox/job{number:02d}.txt"
missed = "{missed}"
"""


class Counting(FakeOpenAI):
    """Knows how many were asked for at the same time."""

    def __init__(self) -> None:
        super().__init__(pace_seconds=0.01)
        self.most = 0
        self._now = 0

    async def _behave(self, *given: object, **named: object) -> object:  # type: ignore[override]
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            return await super()._behave(*given, **named)  # type: ignore[arg-type]
        finally:
            self._now -= 1


def ends(work: Path) -> list[tuple[str, str, bool]]:
    """Every run: its job, its state, whether it was late."""
    with closing(sqlite3.connect(work)) as connection:
        return connection.execute("SELECT job, state, late FROM runs ORDER BY slot_ms").fetchall()


def set_back(work: Path, by_ms: int) -> None:
    """All that the worker knows lies so much longer ago: as if it had been away since."""
    with closing(sqlite3.connect(work)) as connection, connection:
        connection.execute("UPDATE schedules SET seen_ms = seen_ms - ?", (by_ms,))
        connection.execute("UPDATE runs SET slot_ms = slot_ms - ?", (by_ms,))


def test_eight_hours_away_and_45_jobs_are_due(tmp_path: Path) -> None:
    """Of eight missed slots the newest is made up for, or none where the job says skip."""
    jobs = [JOB.format(number=n, missed="skip" if n % 5 == 0 else "once") for n in range(JOBS)]
    once = {f"job{n:02d}" for n in range(JOBS) if n % 5}
    with Counting() as local:
        service = Service(tmp_path, LOCAL_SERVER.format(base_url=local.base_url), *jobs)
        with service:
            eventually(lambda: len(schedules(service.paths.work)) == JOBS, what="jobs are known")
            service.command("down")
            set_back(service.paths.work, AWAY_MS)
            service.up()
            waits: list[float] = []

            def caught_up() -> bool:
                began = time.monotonic()
                service.status()
                waits.append(time.monotonic() - began)
                return {job for job, state, _ in ends(service.paths.work) if late(state)} == once

            eventually(caught_up, seconds=180.0, what="each job ran once")
            service.command("status")
            service.command("down")
    rows = ends(service.paths.work)
    done = Counter(job for job, state, _ in rows if late(state))
    assert set(done.values()) == {1}, done
    assert {path.stem for path in (tmp_path / "outbox").iterdir()} == once
    assert local.most <= RUNS_AT_ONCE, "a stampede"
    assert {state for job, state, _ in rows if job not in once} <= {"missed"}, rows
    print(f"{len(waits)} looks at the status meanwhile, the slowest {max(waits) * 1e3:.0f} ms")  # noqa: T201


def late(state: str) -> bool:
    """Worked on, if after its time."""
    return state in {"done", "late"}


def schedules(work: Path) -> list[str]:
    """The jobs that the worker has seen."""
    with closing(sqlite3.connect(work)) as connection:
        return [job for (job,) in connection.execute("SELECT job FROM schedules")]
