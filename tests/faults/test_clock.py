"""F18: the machine's clock is set while the real service runs: a day on, a day back, an hour back.

Nothing hangs, nothing is restarted, no cap opens again, and each slot of a job runs once. The
calendar of 400 days in many zones is `tests/jobs/test_calendar.py`, with a clock of the test's own.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import count
from typing import Any

import pytest

from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI
from tests.faults.crowd import Ask, Seen
from tests.faults.proxy import ChaosProxy
from tests.faults.timed import Clock, library
from tests.faults.world import World
from tests.story.service import FRONTIER, LOCAL_SERVER, Service, eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux" or library() is None, reason="no libfaketime here"),
]

DAY_MS = 86_400_000
WORDS = count(40)
REST = """
[[budgets]]
period = "day"
limit_usd = {limit}

[[jobs]]
name = "tick"
every = "2s"
tier = "local-only"
prompt = "say: tick"
deliver = "log"
missed = "skip"
"""


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    """One for all."""
    preload = library()
    assert preload is not None
    made = Clock(tmp_path_factory.mktemp("clock"), preload)
    if not made.works():
        pytest.skip("libfaketime does not hold here")
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[World]:
    """The service under that clock."""
    folder = tmp_path_factory.mktemp("timed")
    with (
        FakeAnthropic(pace_seconds=0.005, retry_after="1") as frontier,
        FakeOpenAI(pace_seconds=0.005) as local,
        ChaosProxy(frontier.base_url) as before_frontier,
        ChaosProxy(local.base_url) as before_local,
    ):
        parts = (
            LOCAL_SERVER.format(base_url=before_local.base_url),
            FRONTIER.format(base_url=before_frontier.base_url),
            REST.format(limit=1000),
        )
        env = {"FRONTIER_KEY": frontier.key, **clock.env}
        program = (sys.executable, "-m", "tests.faults.timed")
        with Service(folder, *parts, env=env, program=program, wait_seconds=180.0) as service:
            # Commands see the real time: libfaketime disturbs their waits.
            service.env = {**service.env, "LD_PRELOAD": ""}
            yield World(service, frontier, local, before_frontier, before_local, [])


def asked(made: World) -> list[Any]:
    """Both tiers, streamed and whole."""
    asks = [Ask(next(WORDS), ("frontier", "local")[n % 2], "chat", n % 3 > 0) for n in range(12)]
    return made.ask(asks)


def ticks(made: World) -> Counter[int]:
    """The slots of the job that were worked on, each with how many runs it has."""
    with closing(sqlite3.connect(made.service.paths.work)) as connection:
        found = connection.execute("SELECT slot_ms FROM runs WHERE job = 'tick' AND state = 'done'")
        return Counter(slot for (slot,) in found)


def more(made: World, *, after_ms: int) -> bool:
    """Whether the job has run in a slot after that instant."""
    return any(slot > after_ms for slot in ticks(made))


def now_ms() -> int:
    """The real clock, which nobody sets."""
    return int(time.time() * 1_000)


def test_a_clock_that_jumps_disturbs_nobody(made: World, clock: Clock) -> None:
    """Forward by a day, back to where it was, an hour back, and right again."""
    eventually(lambda: more(made, after_ms=0), what="the job runs")
    first = made.service.status()
    for by, moved_ms in (("+1d", DAY_MS), ("+0s", 0), ("-1h", -3_600_000), ("+0s", 0)):
        clock.set(by)
        time.sleep(2.5)  # its processes look at it once a second
        told = asked(made)
        assert {one.seen for one in told} == {Seen.WHOLE}, (by, told)
        status = made.service.status()
        assert status["worker"]["pid"] == first["worker"]["pid"], (by, "the worker was restarted")
        assert {tier["state"] for tier in status["tiers"]} == {"ready"}, (by, status["tiers"])
        if moved_ms > 0:
            eventually(partial(more, made, after_ms=now_ms() + moved_ms // 2), what=by)
    assert set(ticks(made).values()) == {1}, "a slot ran twice"


def test_what_was_spent_tomorrow_is_not_forgotten(made: World) -> None:
    """The sums by the ledger's own time, and the bill."""
    made.service.command("status")
    made.nothing_lost()
