"""How memory went, for an hour and for a week."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.supervisor.machines import GB, HandClock, Machine
from twotier.supervisor.memory_course import (
    FINE_KEPT,
    SPAN_MS,
    SPANS_KEPT,
    MemoryCourse,
    Sample,
    Sampler,
    thinned,
)
from twotier.supervisor.process import resident_bytes
from twotier.supervisor.room import Room


def sample(at_ms: int, free: int = 10, **held: int) -> Sample:
    return Sample(at_ms, 64, free, held)


def test_of_five_minutes_the_worst_moment_is_kept() -> None:
    """Least free, and the most that each server held, though they never held it at once."""
    course = MemoryCourse()
    assert not course.note(sample(10, free=30, local=5))
    assert not course.note(sample(20, free=3, local=50))
    assert not course.note(sample(30, free=40, small=7))
    assert course.note(sample(SPAN_MS + 1, free=60))
    restored = MemoryCourse()
    restored._spans.extend(course._spans)  # without the hour in memory, as after a start
    assert restored.since(0) == [sample(10, free=3, local=50, small=7)]


def test_the_hour_is_shown_finely_and_the_week_before_it_in_spans() -> None:
    course = MemoryCourse()
    for number in range(FINE_KEPT + 60):
        course.note(sample(number * 10_000))
    told = course.since(0)
    assert len([one for one in told if one.at_ms >= 60 * 10_000]) == FINE_KEPT
    assert [one.at_ms for one in told] == sorted(one.at_ms for one in told)
    assert [one.at_ms for one in told[:2]] == [0, SPAN_MS]
    assert course.since((FINE_KEPT + 59) * 10_000) == [sample((FINE_KEPT + 59) * 10_000)]


def test_no_more_than_a_week_is_kept() -> None:
    course = MemoryCourse()
    for number in range(SPANS_KEPT + 20):
        course.note(sample(number * SPAN_MS))
    assert len(course._spans) == SPANS_KEPT


def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    """What was written is read again, for the owner alone, the older before the newer."""
    path, course = tmp_path / "course.json", MemoryCourse()
    for number in range(4):
        course.note(sample(number * SPAN_MS, free=number, local=9))
    course.write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    later = MemoryCourse()
    later.note(sample(9 * SPAN_MS))
    later.read(path)
    assert [one.at_ms // SPAN_MS for one in later.since(0)] == [0, 1, 2, 9]
    assert later.since(0)[1] == sample(SPAN_MS, free=1, local=9)


def test_many_looks_are_shown_as_few_and_no_peak_is_lost() -> None:
    samples = [sample(number, free=100 - number % 7, local=number) for number in range(100)]
    few = thinned(samples, 30)
    assert len(few) == 25
    assert few[0].at_ms == 0
    assert few[0].held == {"local": 3}
    assert min(one.free_bytes for one in few) == min(one.free_bytes for one in samples)
    assert thinned([], 30) == []
    assert thinned(samples, 100) == samples


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"spans": [3]}', '{"spans": [{"held": 1}]}'])
def test_a_file_that_is_not_ours_is_no_course(tmp_path: Path, text: str) -> None:
    path, course = tmp_path / "course.json", MemoryCourse()
    path.write_text(text)
    course.read(path)
    course.read(tmp_path / "none.json")
    assert course.since(0) == []


def sampler(clock: HandClock, path: Path, machine: Machine) -> Sampler:
    me = {"local": os.getpid(), "gone": 2**22 + 1}
    return Sampler(MemoryCourse(), Room(machine), clock, lambda: me, resident_bytes, path)


def test_a_look_sees_the_machine_and_what_living_servers_hold(tmp_path: Path) -> None:
    """Real processes: this one holds something, one that is gone is not in the list."""
    looks = sampler(HandClock(), tmp_path / "course.json", Machine(64 * GB, 10 * GB))
    assert asyncio.run(looks.look())
    (seen,) = looks.course.since(0)
    assert (seen.total_bytes, seen.free_bytes) == (64 * GB, 10 * GB)
    assert list(seen.held) == ["local"]
    assert seen.held["local"] > 1_000_000


def test_a_disk_that_is_full_ends_no_look(tmp_path: Path) -> None:
    looks = sampler(HandClock(), tmp_path / "none" / "course.json", Machine(64 * GB, 10 * GB))
    looks.course.note(sample(0))
    assert asyncio.run(looks.look())
    assert len(looks.course.since(0)) == 2


def test_a_machine_that_does_not_tell_its_memory_is_not_asked_again(tmp_path: Path) -> None:
    looks = sampler(HandClock(), tmp_path / "course.json", Machine(unknown=True))
    asyncio.run(asyncio.wait_for(looks.run(), 30))
    assert looks.course.since(0) == []
