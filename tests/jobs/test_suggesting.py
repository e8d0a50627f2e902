"""Jobs that are worth a change, found by how they went."""

from __future__ import annotations

from dataclasses import replace

from twotier.jobs.proposal import Pace, Proposal
from twotier.jobs.suggesting import Record, a_month, suggest

DEAR = Record(
    job="report",
    side="frontier",
    local_only=False,
    watched=True,
    period_seconds=600.0,
    runs=20,
    failed_by_model=0,
    same_answers=0,
    served_local=0,
    pace=Pace(30, 3_000_000, 30.0),
)
PROVEN = Proposal(True, 10, 10, 0, 72.2, 2_500_000.0)
LOCAL = replace(DEAR, job="mail", side="local", pace=Pace(30, 0, 30.0))


def test_a_job_that_the_local_tier_does_as_well_comes_first() -> None:
    """With its evidence, its dollars and the command; the untried one comes after it."""
    proven = replace(DEAR, job="proven", proposal=PROVEN)
    first, second = suggest([DEAR, proven])
    assert (first.job, first.proven, first.microusd_a_month) == ("proven", True, 2_500_000.0)
    assert first.because == "10 of 10 as good on the local tier; at least 72 % with 95 % certainty"
    assert first.command == "twotier job set proven tier=local-then-frontier"
    assert (second.job, second.kind, second.proven) == ("report", "shadow", False)
    assert second.microusd_a_month == 3_000_000.0
    assert a_month(second.microusd_a_month) == "$3.00 a month"


def test_what_is_known_of_an_unproven_job_is_said() -> None:
    """What a comparison lacks, or that the local tier has answered when it had to."""
    nearly = Proposal(False, 9, 10, 0, 59.6, 1.0, "5 more runs without a failure")
    (one,) = suggest([replace(DEAR, proposal=nearly)])
    assert one.because == "not yet: 9 of 10 as good; 5 more runs without a failure"
    (one,) = suggest([replace(DEAR, served_local=3)])
    assert one.because == "the local tier has answered 3 times when it had to"


def test_a_job_that_costs_nothing_and_works_is_left_alone() -> None:
    """Neither is one that has just begun."""
    assert suggest([LOCAL, replace(DEAR, pace=Pace(0, 0, 30.0))]) == []


def test_asking_a_model_at_each_look_is_what_a_watcher_is_for() -> None:
    """Only for those who ask often; a daily report has nothing to look for."""
    polling = replace(LOCAL, watched=False, same_answers=18)
    (one,) = suggest([polling])
    assert (one.kind, one.proven) == ("watcher", False)
    assert one.because == (
        "it asked a model 30 times without looking first, 18 of them said the same again"
    )
    (one,) = suggest([replace(polling, same_answers=0)])
    assert one.because == "it asked a model 30 times without looking first"
    assert suggest([replace(polling, period_seconds=86_400.0)]) == []
    assert suggest([replace(polling, period_seconds=None)]) == []


def test_a_job_that_fails_on_the_local_tier_may_try_the_other() -> None:
    """Unless its text must not leave this machine."""
    failing = replace(LOCAL, failed_by_model=5)
    (one,) = suggest([failing])
    assert (one.kind, one.because) == ("frontier", "the local tier failed in 5 of 20 runs")
    assert suggest([replace(failing, local_only=True)]) == []
