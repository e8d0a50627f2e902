"""Since when slots count, and which comes next: remembered, and computed anew when that changes."""

from __future__ import annotations

from datetime import timedelta

from tests.jobs.making import START, job
from twotier.jobs.slots import Slots

TEN = timedelta(minutes=10)  # the period of `job`


def test_slots_count_from_an_instant_on() -> None:
    """Those that came are due until they are done with; a pause lets them pass."""
    slots, one = Slots({"inbox": START}), job()
    assert (list(slots), "inbox" in slots, slots.seen(one)) == (["inbox"], True, START)
    assert (slots.next(one), slots.due(one, START)) == (START + TEN, [])
    assert slots.due(one, START + 2 * TEN) == [START + TEN, START + 2 * TEN]
    slots.count_from("inbox", START + TEN)
    assert slots.next(one) == START + 2 * TEN
    slots.let_pass("inbox", START)  # the clock was set back
    assert slots.next(one) == START + 2 * TEN
    slots.let_pass("inbox", START + 5 * TEN)
    assert slots.due(one, START + 5 * TEN) == []
    assert slots.next(one) == START + 6 * TEN


def test_who_waits_for_something_else_has_no_slots() -> None:
    """A job after another one, or by webhook."""
    slots, one = Slots({"inbox": START}), job(every_seconds=None, webhook=True)
    assert (slots.next(one), slots.due(one, START + TEN)) == (None, [])
