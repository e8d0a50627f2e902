"""What holds, from what the parts say of themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.alerts.toys import NOON, after, condition
from twotier.alerts.conditions import (
    RAN_KEY,
    Lasting,
    Limits,
    budgets,
    down,
    jobs,
    ledger,
    ports,
    servers,
    silent_worker,
)
from twotier.alerts.incidents import Look, condition_of
from twotier.domain.alert import Alert, Severity
from twotier.domain.job import JobStanding
from twotier.domain.money import Budget, BudgetState
from twotier.domain.tier import TierFacts, TierState

LIMITS = Limits(down_seconds=300, failures=3)
UP = TierFacts("local", TierState.READY)
DOWN = TierFacts("local", TierState.DOWN, "held up: no room")


def test_how_long_something_holds_is_counted_without_breaks() -> None:
    lasting = Lasting()
    assert lasting.seconds({"a"}, now=10) == {"a": 0}
    assert lasting.seconds({"a", "b"}, now=15) == {"a": 5, "b": 0}
    assert lasting.seconds(set(), now=16) == {}
    assert lasting.seconds({"a"}, now=20) == {"a": 0}


@pytest.mark.parametrize(
    ("state", "because", "lost", "is_down"),
    [
        (TierState.READY, "", False, False),
        (TierState.STANDBY, "", False, False),
        (TierState.NO_KEY, "it waits for its key", False, False),
        (TierState.COMING_UP, "loading for 9 s", False, True),
        (TierState.QUARANTINED, "not started again", False, True),
        (TierState.DOWN, "held up: no room", False, True),
        (TierState.DOWN, "stopped", False, False),
        (TierState.DOWN, "stopped; killed by SIGKILL", True, True),
    ],
)
def test_what_a_person_stopped_is_not_down(
    state: TierState, because: str, lost: bool, is_down: bool
) -> None:
    assert down(TierFacts("x", state, because, lost=lost)) is is_down


def test_a_server_that_is_away_for_long_is_an_incident_until_it_is_back() -> None:
    open_, soon = after({}, servers({"local": DOWN}, {"local": 299}, limits=LIMITS))
    assert soon.opened == ()
    open_, now = after(open_, servers({"local": DOWN}, {"local": 300}, limits=LIMITS))
    assert now.opened[0].text == (
        "not ready for 5 min: held up: no room; `twotier engine why local` shows more"
    )
    # Started anew, it has been down for a moment only as far as we know: it is not well yet.
    open_, anew = after(open_, servers({"local": DOWN}, {"local": 1}, limits=LIMITS))
    assert anew.ended == ()
    assert after(open_, servers({"local": UP}, {}, limits=LIMITS))[1].ended != ()
    # One that has left the configuration is nobody's any more.
    assert after(open_, servers({}, {}, limits=LIMITS))[1].ended != ()


def test_a_server_that_was_given_up_is_one_incident_with_the_one_that_is_away() -> None:
    alert = Alert("local", "quarantined", "not started again by itself; it crashed")
    open_, _ = after({}, Look((condition_of(alert),)))
    gone = TierFacts("local", TierState.QUARANTINED, "not started again by itself (3 deaths)")
    open_, later = after(open_, servers({"local": gone}, {"local": 900}, limits=LIMITS))
    assert later.opened == ()
    assert len(open_) == 1
    assert after(open_, servers({"local": UP}, {}, limits=LIMITS))[1].ended != ()


def test_a_worker_that_does_not_answer_is_down_whatever_its_keeper_thinks() -> None:
    ready = TierFacts("worker", TierState.READY)
    facts = silent_worker({"worker": ready, "local": UP})
    assert down(facts["worker"])
    _, step = after({}, servers(facts, {"worker": 300}, limits=LIMITS))
    assert step.opened[0].text.endswith("does not answer on its socket; see worker.log")
    coming = TierFacts("worker", TierState.COMING_UP, "loading")
    assert silent_worker({"worker": coming})["worker"] is coming
    assert silent_worker({"local": UP}) == {"local": UP}
    bare = TierFacts("worker", TierState.DOWN)
    assert "5 min: down" in servers({"worker": bare}, {"worker": 300}, limits=LIMITS).holds[0].text


def test_a_job_that_fails_or_is_blind_often_enough_is_an_incident() -> None:
    """A watcher that cannot look is not a job that fails: nobody would find it in the model."""
    two = JobStanding("mail", failures=2, because="model: down")
    open_, step = after({}, jobs([two], limits=LIMITS))
    assert step.opened == ()
    three = JobStanding("mail", failures=3, blind=1, because="model: down")
    open_, step = after(open_, jobs([three], limits=LIMITS))
    (found,) = step.opened
    assert (found.about, found.kind) == ("job mail", "failing")
    assert found.text == (
        "its last 3 runs failed; model: down; `twotier runs --job mail` shows more"
    )
    blind = JobStanding("x", failures=3, blind=3, because="could not look: no such folder")
    (stale,) = jobs([blind], limits=LIMITS).holds
    assert stale.kind == "stale"
    assert "could not look 3 times in a row" in stale.text
    assert after(open_, jobs([JobStanding("mail")], limits=LIMITS))[1].ended != ()


def test_a_job_that_waits_for_its_local_tier_is_told_once_after_two_slots() -> None:
    """However long it waits on, it is one incident, and over with the first run that works."""
    said = "model: the local tier is down: loading"
    one = JobStanding("mail", failures=1, because=said, waiting=1)
    assert jobs([one], limits=LIMITS).holds == []
    open_, step = after({}, jobs([replace(one, failures=2, waiting=2)], limits=LIMITS))
    (found,) = step.opened
    assert (found.key, found.kind) == ("job:mail", "waits")
    assert found.text.startswith("it waits for its local tier, 2 slots so far; model: the local")
    open_, step = after(open_, jobs([replace(one, failures=7, waiting=7)], limits=LIMITS))
    assert (step.opened, step.ended) == ((), ())
    assert after(open_, jobs([JobStanding("mail")], limits=LIMITS))[1].ended != ()


def test_a_job_that_does_not_run_is_an_incident_and_none_that_runs_is_one_for_all() -> None:
    late, well = JobStanding("a", overdue_seconds=600), JobStanding("b")
    failing = JobStanding("c", failures=3, because="x", overdue_seconds=60)
    look = jobs([late, well, failing], limits=LIMITS)
    assert [(one.key, one.kind) for one in look.holds] == [
        ("job:c", "failing"),
        ("job:a", "not-run"),
    ]
    open_, _ = after({}, look)
    all_late = [late, JobStanding("b", overdue_seconds=300), failing]
    open_, step = after(open_, jobs(all_late, limits=LIMITS))
    (none,) = step.opened
    assert (none.key, none.severity) == (RAN_KEY, Severity.URGENT)
    assert "no job has run for 60 s past its time (a, b, c)" in none.text
    assert step.ended == ()
    _, step = after(open_, jobs([JobStanding("a"), well, JobStanding("c")], limits=LIMITS))
    assert {one.key for one in step.ended} == {RAN_KEY, "job:a", "job:c"}
    assert jobs([], limits=LIMITS).holds == []


def test_ports_and_the_ledger_are_incidents_while_they_are_in_trouble() -> None:
    open_, _ = after({}, Look((condition_of(Alert("gateway", "port", "also_ports: nginx")),)))
    taken = {"127.0.0.1:8080": "nginx has port 8080"}
    open_, step = after(open_, ports(taken))
    assert step.opened == ()
    assert after(open_, ports({}))[1].ended != ()
    open_, step = after({}, ledger("the disk is full"))
    assert step.opened[0].severity is Severity.URGENT
    assert after(open_, ledger(""))[1].ended != ()


def test_a_forecast_is_said_once_a_period() -> None:
    """It goes up and down with the hour; its end is no news before the period ends."""
    budget = Budget("day", "day", "UTC", 1, None)
    today = BudgetState(budget, 0, 0, NOON, NOON + timedelta(days=1))
    key = f"budget:/day:alert-forecast:{NOON.isoformat()}"
    open_, _ = after({}, budgets([condition(key)], [today]))
    open_, step = after(open_, budgets([], [today]))
    assert step.ended == ()
    tomorrow = BudgetState(budget, 0, 0, NOON + timedelta(days=1), NOON + timedelta(days=2))
    assert after(open_, budgets([], [tomorrow]))[1].ended != ()
    held, _ = after({}, budgets([condition("budget:/day:alert-100:x")], [today]))
    assert after(held, budgets([], [today]))[1].ended != ()
