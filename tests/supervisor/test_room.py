"""Who is told how much room there is, and the alerts of main."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass, field

import pytest

from tests.supervisor.machines import GB, HandClock
from twotier.build.alerts import PAUSES_SECONDS, Alerts
from twotier.domain.alert import Alert
from twotier.errors import DeliveryError
from twotier.notify.base import Message
from twotier.supervisor.memory import MemoryNow
from twotier.supervisor.room import Room, shortage
from twotier.supervisor.spec import Need

ALERT = Alert("local", "quarantined", "not started again by itself; it crashed")


def test_the_sentence_names_the_three_largest_and_what_is_promised() -> None:
    now = MemoryNow(64 * GB, 10 * GB)
    said = shortage(Need(20 * GB, 10 * GB, "x"), now, waiting=3 * GB, holders=[])
    assert said == (
        "it needs 20.0 GB and 10.0 GB of headroom, and 10.0 GB are free of this machine, 3.0 GB of"
        " it promised to other servers"
    )


def test_a_machine_without_a_reader_has_no_pressure() -> None:
    assert asyncio.run(Room().look()) is None


def test_what_the_others_hold_is_asked_in_a_thread_and_nobody_is_let_in_past_it() -> None:
    """The table of processes takes milliseconds. Who is let in while it is walked has taken nothing
    yet, and all of that is missing for whoever looked.
    """
    here = threading.get_ident()
    room, need = Room(), Need(6 * GB, 1 * GB, "x")
    now = MemoryNow(64 * GB, 10 * GB)
    asked: list[int] = []

    def resident() -> int:
        asked.append(threading.get_ident())
        return 6 * GB

    async def scenario() -> str:
        room.promise("first", need, resident=resident)
        async with asyncio.TaskGroup() as group:
            lacks = group.create_task(room.lacks("third", need, now=now))
            await asyncio.sleep(0)  # it has begun to look
            room.promise("second", need, resident=lambda: 0)
        return lacks.result()

    assert "6.0 GB of it promised to other servers" in asyncio.run(scenario())
    assert asked
    assert here not in asked


@dataclass
class Channel:
    """Takes a message at the try with this number."""

    takes_at: int
    sent: list[Message] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, target: str, message: Message) -> None:
        self.sent.append(message)
        if len(self.sent) < self.takes_at:
            raise DeliveryError("nobody there")
        self.done.set()


def test_an_alert_is_kept_logged_and_sent_until_it_is_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With one key for all tries, so that a receiver can drop what it has."""

    async def scenario() -> None:
        channel = Channel(takes_at=3)
        alerts = Alerts(HandClock(), channel=channel, target="my-topic")
        alerts(ALERT)
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            running = group.create_task(alerts.run())
            await channel.done.wait()
            running.cancel()
        assert len({message.key for message in channel.sent}) == 1
        assert channel.sent[0].title == "twotier: local (quarantined)"
        assert [one["text"] for one in alerts.told()] == [ALERT.text]

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert f"ALERT local: {ALERT.text}" in caplog.messages


def test_an_alert_that_nobody_takes_stands_in_the_status(caplog: pytest.LogCaptureFixture) -> None:
    """And without a channel nothing waits for one."""

    async def scenario() -> None:
        channel = Channel(takes_at=len(PAUSES_SECONDS) + 2)
        alerts = Alerts(HandClock(), channel=channel, target="x")
        alerts(ALERT)
        alerts(ALERT)
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            running = group.create_task(alerts.run())
            await channel.done.wait()  # the first try of the second one
            running.cancel()
        quiet = Alerts(HandClock())
        quiet(ALERT)
        await quiet.run()
        assert len(quiet.told()) == 1

    asyncio.run(scenario())
