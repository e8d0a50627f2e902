"""How a job stands, from its last runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.jobs.making import job
from twotier.domain.job import JobStanding, Run, RunState
from twotier.jobs.standing import standing

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
EVERY = job(name="mail", every_seconds=600.0, deadline_seconds=60.0)
LONG_AGO = NOON - timedelta(days=1)


def run(state: RunState, because: str = "", *, ago: float = 5, trigger: str = "schedule") -> Run:
    """A run whose slot was that many minutes ago."""
    slot = NOON - timedelta(minutes=ago)
    return Run(f"r{ago}", "mail", slot, state, trigger=trigger, because=because)


def stands(*runs: Run, since: datetime = LONG_AGO) -> JobStanding:
    return standing(EVERY, runs, since=since, now=NOON)


def test_failures_in_a_row_are_counted_from_the_newest() -> None:
    """What was skipped or missed says nothing; what is on its way neither."""
    found = stands(
        run(RunState.RUNNING, ago=0),
        run(RunState.FAILED, "model: down", ago=1),
        run(RunState.SKIPPED, ago=2),
        run(RunState.INTERRUPTED, "cut off", ago=3),
        run(RunState.QUIET, ago=4),
        run(RunState.FAILED, ago=5),
    )
    assert (found.failures, found.blind, found.because) == (2, 0, "model: down")
    assert stands(run(RunState.DONE), run(RunState.FAILED, ago=9)).failures == 0


def test_a_watcher_is_blind_as_long_as_it_could_not_look() -> None:
    blind = "could not look: no such folder"
    found = stands(
        run(RunState.FAILED, blind, ago=1),
        run(RunState.FAILED, blind, ago=2),
        run(RunState.FAILED, "model: x", ago=3),
    )
    assert (found.failures, found.blind) == (3, 2)


def test_slots_let_go_while_the_local_tier_is_down_are_counted() -> None:
    """From the newest back to the first that failed for another reason."""
    down = "model: the local tier is down: loading (0 of 1 done)"
    found = stands(
        run(RunState.FAILED, down, ago=1),
        run(RunState.FAILED, down, ago=2),
        run(RunState.FAILED, "model: x", ago=3),
    )
    assert (found.failures, found.waiting) == (3, 2)


def test_a_slot_that_nobody_took_is_overdue_after_two_minutes() -> None:
    """Ordered runs do not count; a worker that has just begun has missed nothing yet."""
    assert stands(run(RunState.DONE, ago=10)).overdue_seconds == 0
    late = run(RunState.DONE, ago=20)  # the next slot was ten minutes ago
    by_hand = run(RunState.DONE, ago=1, trigger="hand")
    assert stands(by_hand, late).overdue_seconds == 8 * 60
    assert stands(late, since=NOON - timedelta(minutes=1)).overdue_seconds == 0
    assert stands().overdue_seconds > 0


def test_a_run_that_does_not_end_is_overdue_after_its_deadline() -> None:
    running = run(RunState.RUNNING, ago=10)
    assert stands(running).overdue_seconds == 7 * 60
    assert stands(running, since=NOON).overdue_seconds == 0
