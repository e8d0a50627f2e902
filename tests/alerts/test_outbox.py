"""Messages on their way: held, tried again, joined, dropped; nothing of it twice."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from tests.alerts.toys import Box, away, way
from tests.ledger.toys import NOON, HandClock
from twotier.alerts.incidents import Notice
from twotier.alerts.outbox import PAUSES_SECONDS, WAITING_MAX, Habits, Outbox
from twotier.alerts.quiet import QuietHours
from twotier.domain.alert import Severity
from twotier.errors import DeliveryError
from twotier.ledger.incidents import MessageRow
from twotier.notify.base import Message

EVENING = NOON.replace(hour=21)
NIGHT = Habits(QuietHours(EVENING.time(), NOON.replace(hour=7).time(), "UTC"))


def notice(key: str, severity: Severity = Severity.WARNING) -> Notice:
    facts = {"severity": severity.value, "about": "x"}
    return Notice(key, f"twotier: {key}", f"text of {key}", severity, facts)


def states(rows: list[MessageRow]) -> list[tuple[str, str]]:
    return [(row.id, row.state) for row in rows]


def sent(outbox: Outbox) -> list[MessageRow]:
    rows: list[MessageRow] = []
    asyncio.run(outbox.send_due(rows.extend))
    return rows


def test_each_channel_hears_of_what_it_wants_to() -> None:
    all_, worst = Box(), Box()
    ways = [way(all_), way(worst, "pager", Severity.URGENT)]
    outbox = Outbox(ways, HandClock(), habits=Habits())
    outbox.put([notice("a", Severity.INFO), notice("b", Severity.URGENT)])
    assert outbox.waiting() == {"phone": 2, "pager": 1}
    sent(outbox)
    assert all_.titles == ["twotier: a", "twotier: b"]
    assert worst.titles == ["twotier: b"]
    assert worst.taken[0].key == "b"
    assert worst.taken[0].facts == {"severity": "urgent", "about": "x"}
    assert outbox.next_seconds() is None


def test_a_channel_that_is_away_is_tried_again_with_growing_pauses_and_one_key() -> None:
    """What stands behind waits with the first one, and keeps its place."""
    box, clock = Box(away(3)), HandClock()
    outbox = Outbox([way(box)], clock, habits=Habits())
    outbox.put([notice("a")])
    clock.turn(0.001)
    outbox.put([notice("b")])
    for pause in PAUSES_SECONDS[:3]:
        sent(outbox)
        count = len(box.tried)
        clock.turn(pause - 0.5)
        assert sent(outbox) == []
        assert len(box.tried) == count
        assert outbox.told()[0]["because"] == "nobody there"
        clock.turn(0.5)
    sent(outbox)
    assert [message.key for message in box.tried] == ["a", "a", "a", "a", "b"]
    assert outbox.told()[0] == {
        "name": "phone",
        "kind": "toy",
        "least": "info",
        "waiting": 0,
        "held": 0,
        "because": "",
    }
    assert dict(outbox.delivered) == {("phone", "failed"): 3, ("phone", "sent"): 2}


def test_one_that_is_refused_does_not_hold_up_the_others() -> None:
    """The other side was there. It may say when to come back, and a defect is a refusal too."""
    box = Box([DeliveryError("status 413", refused=True, retry_after_seconds=90.0)])
    clock = HandClock()
    outbox = Outbox([way(box)], clock, habits=Habits())
    outbox.put([notice("a"), notice("b")])
    sent(outbox)
    assert box.titles == ["twotier: b"]
    clock.turn(89)
    assert sent(outbox) == []
    clock.turn(1)
    box.refusals.append(ZeroDivisionError("a defect"))
    (row,) = sent(outbox)
    assert row.error == "the channel phone broke (ZeroDivisionError); see main.log"


def test_quiet_hours_end_in_one_message_and_the_urgent_goes_through() -> None:
    """The digest is a row of its own: tried again, it has the key it had before."""
    box, clock = Box(), HandClock(EVENING)
    outbox = Outbox([way(box)], clock, habits=NIGHT)
    outbox.put([notice("a")])
    clock.turn(60)
    outbox.put([notice("b", Severity.URGENT), notice("c", Severity.INFO)])
    sent(outbox)
    assert box.titles == ["twotier: b"]
    assert outbox.told()[0]["held"] == 2
    clock.turn(10 * 3600)
    box.refusals = away(1)
    changed = sent(outbox)
    joined = {row.id: row.state for row in changed}
    assert (joined.pop("a"), joined.pop("c")) == ("joined", "joined")
    clock.turn(1)
    sent(outbox)
    tries = box.tried[1:]
    assert [message.title for message in tries] == ["twotier: 2 messages of the quiet hours"] * 2
    assert len({message.key for message in tries}) == 1
    assert "21:00 a: text of a\n21:01 c: text of c" in tries[0].text
    assert outbox.waiting() == {"phone": 0}


def test_one_held_message_goes_out_as_it_is_and_a_terminal_holds_none() -> None:
    box, screen, clock = Box(), Box(), HandClock(EVENING)
    ways = [way(box), way(screen, "terminal", heeds_quiet=False)]
    outbox = Outbox(ways, clock, habits=NIGHT)
    outbox.put([notice("a")])
    sent(outbox)
    assert (box.titles, screen.titles) == ([], ["twotier: a"])
    assert outbox.next_seconds() == 1.0
    clock.turn(11 * 3600)
    assert outbox.next_seconds() == 0.0
    sent(outbox)
    assert box.titles == ["twotier: a"]


def test_what_nobody_took_for_days_is_dropped_aloud(caplog: pytest.LogCaptureFixture) -> None:
    box, clock = Box(away(9)), HandClock()
    outbox = Outbox([way(box)], clock, habits=Habits(give_up_days=2))
    outbox.put([notice("a")])
    sent(outbox)
    clock.turn(timedelta(days=2, seconds=1).total_seconds())
    with caplog.at_level(logging.ERROR):
        assert states(sent(outbox)) == [("a", "dropped")]
    assert caplog.messages[-1] == "a message was dropped"
    assert outbox.next_seconds() is None


def test_too_many_are_bounded_and_the_urgent_stays(caplog: pytest.LogCaptureFixture) -> None:
    """An outbox without an end would one day be all that the disk holds."""
    outbox = Outbox([way(Box(away(1)))], HandClock(), habits=Habits())
    outbox.put([notice("first", Severity.URGENT)])
    many = [notice(f"n{number:03}") for number in range(WAITING_MAX)]
    with caplog.at_level(logging.ERROR):
        rows = outbox.put(many)
    assert [row.id for row in rows if row.state == "dropped"] == ["n000"]
    assert outbox.waiting() == {"phone": WAITING_MAX}
    assert len(caplog.messages) == 1


class Slow(Box):
    """Does not answer at once."""

    async def send(self, target: str, message: Message) -> str:
        self.news.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return await super().send(target, message)


def test_a_channel_that_was_taken_out_takes_its_messages_along() -> None:
    """Also while one of them is on its way."""
    box = Slow(away(1))
    outbox = Outbox([way(box), way(Box(), "other")], HandClock(), habits=Habits())
    outbox.put([notice("a"), notice("b")])

    rows: list[MessageRow] = []

    async def scenario() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(outbox.send_due(rows.extend))
            await box.news.wait()
            gone = outbox.use([way(Box(), "other")], Habits())
            assert {row.state for row in gone if row.channel == "phone"} == {"dropped"}

    asyncio.run(scenario())
    assert outbox.waiting() == {"other": 0}
    assert {row.channel for row in rows if row.state == "sent"} == {"other"}
    assert outbox.way("phone") is None


def test_what_an_earlier_life_left_is_sent_on() -> None:
    """Apart from what led to a channel that there is no more."""
    first = Outbox([way(Box()), way(Box(), "old")], HandClock(), habits=Habits())
    rows = first.put([notice("a")])
    box = Box()
    anew = Outbox([way(box)], HandClock(), habits=Habits())
    assert states(anew.take_up(rows)) == [("a", "dropped")]
    sent(anew)
    assert [message.key for message in box.taken] == ["a"]
