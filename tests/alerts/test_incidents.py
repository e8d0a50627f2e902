"""One incident, one message, one "resolved"."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.alerts.toys import NOON, after, condition
from twotier.alerts.incidents import (
    TEXT_CHARACTERS_MAX,
    Look,
    Step,
    condition_of,
    lasted,
    notices,
    plain,
)
from twotier.domain.alert import Alert, Condition, Severity

URGENT = Severity.URGENT


def test_one_incident_is_told_once_and_its_end_once() -> None:
    """However often it is said again, with whatever words; the last words are told at its end."""
    open_, first = after({}, Look((condition(),), ("server:",)))
    (message,) = notices(first)
    assert message.title == "twotier: local (down)"
    assert message.text == "it died"
    assert message.facts["state"] == "open"
    assert message.facts["at"] == NOON.isoformat()
    open_, again = after(open_, Look((condition(text="it died twice"),), ("server:",)), minutes=1)
    assert notices(again) == []
    assert again.changed[0].opened_at == NOON
    _, same = after(open_, Look((condition(text="it died twice"),), ("server:",)), minutes=2)
    assert same == Step()
    open_, last = after(open_, Look((), ("server:",)), minutes=5)
    (over,) = notices(last)
    assert over.title == "twotier: local (down) resolved"
    assert over.text == "over after 5 min; it was: it died twice"
    assert over.key != message.key
    assert open_ == {}
    assert after(open_, Look((), ("server:",)))[1] == Step()


def test_the_same_again_is_another_incident_with_another_key() -> None:
    """A receiver that drops repeats by their key must not drop what is new."""
    open_, first = after({}, Look((condition(),)))
    open_, _ = after(open_, Look((), ("server:",)), minutes=1)
    _, second = after(open_, Look((condition(),)), minutes=2)
    assert notices(first)[0].key != notices(second)[0].key


def test_a_higher_severity_is_told_once_more_and_never_falls() -> None:
    open_, _ = after({}, Look((condition(),)))
    worse = replace(condition(severity=URGENT), kind="quarantined")
    open_, raised = after(open_, Look((worse,)), minutes=1)
    (message,) = notices(raised)
    assert (message.severity, message.title) == (URGENT, "twotier: local (quarantined)")
    open_, milder = after(open_, Look((condition(text="not ready for 9 min"),)), minutes=9)
    assert notices(milder) == []
    assert open_["server:local"].severity is URGENT
    assert open_["server:local"].kind == "quarantined"
    assert open_["server:local"].text == "not ready for 9 min"


def test_what_a_source_cannot_tell_of_stays() -> None:
    """Keys outside its scopes, those it keeps, those that last until their time is over."""
    held = [condition(key) for key in ("server:a", "server:b", "job:x", "budget:day-forecast:1")]
    open_, _ = after({}, Look(held))
    look = Look((), ("server:", "budget:"), frozenset({"server:b"}), ("-forecast:1",))
    open_, ended = after(open_, look)
    assert [one.key for one in ended.ended] == ["server:a"]
    _, later = after(open_, Look((), ("budget:",), lasting=("-forecast:2",)))
    assert [one.key for one in later.ended] == ["budget:day-forecast:1"]


def test_what_begins_together_about_one_thing_is_one_message() -> None:
    """A bill that jumps over three thresholds rings once, and so does the end of the day."""
    crossed = [
        Condition(f"budget:day:{percent}", "budget day", "threshold", f"{percent} %")
        for percent in (50, 80)
    ]
    limit = Condition("budget:day:limit", "budget day", "limit", "100 %", URGENT)
    open_, step = after({}, Look((*crossed, limit, condition())))
    first, second = notices(step)
    assert first.title == "twotier: budget day (threshold, limit)"
    assert first.text == "50 %\n80 %\n100 %"
    assert first.severity is URGENT
    assert second.title == "twotier: local (down)"
    _, over = after(open_, Look((), ("budget:",)), minutes=90)
    (message,) = notices(over)
    assert message.title == "twotier: budget day (threshold, limit) resolved"
    assert message.text.count("over after 90 min") == 3


def test_all_trouble_of_a_server_is_one_incident() -> None:
    """Two alerts about it at once would be two messages about one thing."""
    given_up = condition_of(Alert("local", "quarantined", "it crashed"))
    assert (given_up.key, given_up.severity) == ("server:local", URGENT)
    assert condition_of(Alert("local", "hung", "x")).severity is Severity.WARNING
    assert condition_of(Alert("local", "port", "x")).key == "server:local"
    assert condition_of(Alert("gateway", "port", "x")).key == "port:gateway"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (200_000, "2 days")],
)
def test_a_time_is_said_in_its_largest_unit(seconds: float, said: str) -> None:
    assert lasted(seconds) == said


def test_text_from_outside_steers_no_terminal_and_is_bounded() -> None:
    """A job's failure quotes a page; half a surrogate pair cannot be stored."""
    assert plain("a\x1b[2Jb\x07\nc\ud800") == "a [2Jb \nc?"
    long = plain("x" * (TEXT_CHARACTERS_MAX + 1))
    assert long == "x" * TEXT_CHARACTERS_MAX + " ..."
    assert plain("y" * TEXT_CHARACTERS_MAX) == "y" * TEXT_CHARACTERS_MAX
    _, step = after({}, Look((Condition("k", "job\x07", "k\n2", "t\x1b"),)))
    (message,) = notices(step)
    assert "\x07" not in message.title
    assert (NOON + timedelta()).isoformat() == message.facts["at"]
