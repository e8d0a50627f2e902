"""Who is told how much room there is."""

from __future__ import annotations

import asyncio
import threading

from tests.supervisor.machines import GB
from twotier.supervisor.memory import MemoryNow
from twotier.supervisor.room import Room, shortage
from twotier.supervisor.spec import Need


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
