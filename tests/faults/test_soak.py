"""F25: the soak in short: a fault every few seconds for a minute, and nothing is lost.

`python -m bench.soak` is the long form: whether anything grows can only be seen in hours.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.measured import Life, Sample, slope_per_hour
from tests.faults.soak_world import soak_world
from tests.faults.soaking import KILLS, KINDS, Length, Soak, kinds

SECONDS = 50.0
FAULT_SECONDS = 3.5


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_minute_of_faults_loses_nothing(tmp_path: Path) -> None:
    """Every kind of fault once; whole or an error for each client, each file answered once."""
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # fakes whose callers leave
    length = Length(SECONDS, rate=3.0, fault_seconds=FAULT_SECONDS, sample_seconds=1.0)
    said: list[str] = []
    with soak_world(tmp_path, seed=3, every_seconds=FAULT_SECONDS) as world:
        soak = Soak(world, length, 3, said.append)
        asyncio.run(soak.run())
        lost = world.look()
    told = soak.told(0.0)
    assert (lost, told["trouble"]) == ([], []), "\n".join(said)
    assert told["faulted"] >= 5, told
    assert any(name.endswith("whole") for name in told["seen"]), told
    assert {life["name"] for life in told["lives"]} == {"main", "worker"}, told


def test_each_kind_of_fault_comes_and_kills_are_over_soon() -> None:
    """From a seed, always the same; what is measured is a life that nobody ends."""
    long = kinds(7, 108)
    assert long == kinds(7, 108)
    assert long != kinds(8, 108)
    assert set(long) == set(KINDS)
    last = max(at for at, kind in enumerate(long) if kind in KILLS)
    assert last < len(long) // 8
    often = Counter(kind for kind in long if kind not in KILLS)
    assert max(often.values()) - min(often.values()) <= 1, often


def test_a_leak_shows_and_a_collection_does_not() -> None:
    """A megabyte an hour under a noise of ten; nothing under the same noise."""
    times = [float(10 * n) for n in range(600)]
    noise = [10.0 if n % 7 == 0 else 0.0 for n in range(600)]
    leaking = [100 + at / 3_600 + more for at, more in zip(times, noise, strict=True)]
    assert slope_per_hour(times, leaking) == pytest.approx(1.0, abs=0.05)
    assert slope_per_hour(times, [100 + more for more in noise]) == 0.0
    assert slope_per_hour([1.0, 2.0], [1.0, 2.0]) is None


def test_a_life_tells_what_it_held() -> None:
    """This process, and one that has gone."""
    here = Life("main", os.getpid())
    here.look(0.0)
    here.look(1.0)
    told = here.told(0.5)
    assert (told["minutes"], told["samples_after_warm_up"]) == (0.0, 1)
    assert told["rss_megabytes_last"] > 1
    assert told["rss_megabytes_per_hour"] is None
    gone = Life("worker", 2**22 + 1)
    gone.look(0.0)
    assert gone.samples == []
    gone.samples.append(Sample(0.0, 1.0, 1, 1))
    assert gone.told(60.0)["rss_megabytes_warm"] is None
