"""When memory is tight, and how far a server goes down the ladder."""

from __future__ import annotations

import asyncio

import pytest

from tests.supervisor.machines import HandClock, Machine
from twotier.supervisor.ladder import Ladder
from twotier.supervisor.pressure import Pressure, Rung, pressure_of, rung
from twotier.supervisor.room import Room

NORMAL, WARN, CRITICAL = Pressure


@pytest.mark.parametrize(
    ("free_percent", "stall_percent", "pressure"),
    [
        (50, 0, NORMAL),
        (50, 90, NORMAL),  # waiting counts only where little is left
        (14, 9, NORMAL),
        (14, 10, WARN),
        (9, 24, WARN),
        (9, 25, CRITICAL),
        (5, 0, WARN),
        (2, 0, CRITICAL),
    ],
)
def test_how_tight_it_is(free_percent: int, stall_percent: float, pressure: Pressure) -> None:
    assert pressure_of(free_percent, 100, stall_percent=stall_percent) is pressure


@pytest.mark.parametrize(
    ("pressure", "seconds", "idle", "expected"),
    [
        (NORMAL, 1e6, True, Rung.STAY),
        (WARN, 9, True, Rung.STAY),
        (WARN, 10, True, Rung.SHRINK),
        (WARN, 1e6, False, Rung.SHRINK),  # a warning ends nobody's answer
        (WARN, 120, True, Rung.UNLOAD),
        (CRITICAL, 0, True, Rung.SHRINK),
        (CRITICAL, 3, False, Rung.UNLOAD),
    ],
)
def test_where_a_server_should_stand(
    pressure: Pressure, seconds: float, idle: bool, expected: Rung
) -> None:
    assert rung(pressure, seconds=seconds, idle=idle) is expected


def test_each_rung_is_given_once_and_none_is_passed_over() -> None:
    """Critical from one look to the next: caches first all the same; then it starts anew."""

    async def scenario() -> list[Rung]:
        machine, clock = Machine(), HandClock()
        ladder = Ladder(clock, room=Room(machine))
        seen = [await ladder.look(idle=True)]
        machine.level = CRITICAL
        for _ in range(4):
            seen.append(await ladder.look(idle=True))
            clock.turn(5.0)
        assert ladder.level is CRITICAL
        machine.level = NORMAL
        seen.append(await ladder.look(idle=True))
        machine.level = CRITICAL
        seen.append(await ladder.look(idle=True))
        return seen

    stay, shrink, unload = Rung
    assert asyncio.run(scenario()) == [stay, shrink, unload, stay, stay, stay, shrink]


def test_a_new_life_begins_at_the_top_of_the_ladder() -> None:
    """Nobody looks while it loads, so nobody saw that memory was free before it was let in."""

    async def scenario() -> list[Rung]:
        machine, clock = Machine(), HandClock()
        ladder = Ladder(clock, room=Room(machine))
        machine.level = CRITICAL
        seen = []
        for _ in range(2):
            ladder.begin()
            for _ in range(3):
                seen.append(await ladder.look(idle=True))
                clock.turn(5.0)
        return seen

    _, shrink, unload = Rung
    first = [shrink, unload, Rung.STAY]
    assert asyncio.run(scenario()) == first + first
