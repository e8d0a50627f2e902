"""How much of each fault: the whole of it, or a short form that shows that it works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Of requests, or seconds where the name says so."""

    streams: int = 1_000
    half_storm_seconds: float = 15.0
    storm_seconds: float = 20.0
    leavers: int = 2_000
    race: int = 500
    kills: int = 50
    kills_of_peers: int = 3
    lies: int = 3
    half_sent: int = 1_000
    good_seconds: float = 12.0


WHOLE = Counts()
SHORT = Counts(
    streams=200,
    half_storm_seconds=4.0,
    storm_seconds=8.0,
    leavers=200,
    race=150,
    kills=5,
    kills_of_peers=1,
    lies=1,
    half_sent=150,
    good_seconds=5.0,
)
