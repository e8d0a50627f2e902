"""What a kept server does when memory gets tight: a ladder, one rung after the other.

Pure: values in, values out. The rungs are: shrink caches, let requests finish and take no new ones,
unload, say so to a person. A pressure that the system calls critical is answered at once, because
its next step is to kill; one that it only warns of has to last, because compressing a little memory
is everyday life.
"""

from __future__ import annotations

from enum import IntEnum

WARN_FREE_SHARE = 0.06
CRITICAL_FREE_SHARE = 0.03
STALL_PERCENT_WARN = 10.0
STALL_PERCENT_CRITICAL = 25.0
STALL_FREE_SHARE_WARN = 0.15  # waiting for memory counts only where little is left
STALL_FREE_SHARE_CRITICAL = 0.10

SHRINK_SECONDS = 10.0  # of warning
UNLOAD_IDLE_SECONDS = 120.0  # of warning, and nobody uses it
CRITICAL_SECONDS = 3.0  # of critical: one look could be a spike
DRAIN_SECONDS_CRITICAL = 5.0  # requests may finish that long


class Pressure(IntEnum):
    """How tight memory is, in the numbers macOS uses."""

    NORMAL = 1
    WARN = 2
    CRITICAL = 4


class Rung(IntEnum):
    """How far down the ladder a server has to go."""

    STAY = 0
    SHRINK = 1  # give caches back, where the engine can
    UNLOAD = 2  # requests may finish, then it ends; started again when there is room


def pressure_of(free_bytes: int, total_bytes: int, *, stall_percent: float) -> Pressure:
    """How tight it is where the system gives figures and no verdict (Linux)."""
    share = free_bytes / max(1, total_bytes)
    if share < CRITICAL_FREE_SHARE:
        return Pressure.CRITICAL
    if stall_percent >= STALL_PERCENT_CRITICAL and share < STALL_FREE_SHARE_CRITICAL:
        return Pressure.CRITICAL
    if share < WARN_FREE_SHARE:
        return Pressure.WARN
    if stall_percent >= STALL_PERCENT_WARN and share < STALL_FREE_SHARE_WARN:
        return Pressure.WARN
    return Pressure.NORMAL


def rung(pressure: Pressure, *, seconds: float, idle: bool) -> Rung:
    """Where a server should stand after `seconds` of this pressure."""
    if pressure is Pressure.NORMAL:
        return Rung.STAY
    if pressure is Pressure.CRITICAL:
        return Rung.UNLOAD if seconds >= CRITICAL_SECONDS else Rung.SHRINK
    if idle and seconds >= UNLOAD_IDLE_SECONDS:
        return Rung.UNLOAD
    return Rung.SHRINK if seconds >= SHRINK_SECONDS else Rung.STAY
