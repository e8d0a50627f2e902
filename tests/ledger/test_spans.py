"""A span is covered exactly, by as few sums as can be; local days are right in every zone."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.ledger.spans import (
    DAY_MS,
    HOUR_MS,
    QUARTER_MS,
    Cover,
    Stretch,
    cover,
    local_day,
    quarter_of,
    stretches,
)

DAY = DAY_MS
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [
    "UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu", "Australia/Lord_Howe",
    "Africa/Casablanca", "Pacific/Chatham",
]  # fmt: skip
INSTANTS = st.integers(0, 4 * DAY) | st.integers(0, 400).map(lambda n: n * QUARTER_MS)


def ms(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("span", "pieces"),
    [
        ((5, 5), Cover()),
        ((9, 5), Cover()),
        ((1, 2), Cover(rest=((1, 2),))),
        ((1, QUARTER_MS), Cover(rest=((1, QUARTER_MS),))),
        ((0, QUARTER_MS), Cover(quarters=((0, QUARTER_MS),))),
        ((0, DAY), Cover(whole=((0, DAY),))),
        ((1, DAY), Cover(quarters=((QUARTER_MS, DAY),), rest=((1, QUARTER_MS),))),
        (
            (DAY - QUARTER_MS, 3 * DAY + 7),
            Cover(((DAY, 3 * DAY),), ((DAY - QUARTER_MS, DAY),), ((3 * DAY, 3 * DAY + 7),)),
        ),
    ],
)
def test_a_span_in_pieces(span: tuple[int, int], pieces: Cover) -> None:
    assert cover(span) == pieces


@given(INSTANTS, INSTANTS, st.sampled_from((DAY_MS, HOUR_MS, QUARTER_MS)))
def test_the_pieces_are_the_span(since: int, until: int, whole_ms: int) -> None:
    """Side by side without a gap, days and quarters whole, the rest inside one quarter each."""
    pieces = cover((since, until), whole_ms=whole_ms)
    every = sorted((*pieces.whole, *pieces.quarters, *pieces.rest))
    if since >= until:
        assert not every
        return
    assert every[0][0] == since
    assert every[-1][1] == until
    assert all(one[1] == other[0] for one, other in itertools.pairwise(every))
    assert all(edge % whole_ms == 0 for span in pieces.whole for edge in span)
    assert all(quarter_of(edge) == edge for span in pieces.quarters for edge in span)
    assert all(quarter_of(a) == quarter_of(b - 1) for a, b in pieces.rest)
    assert len(pieces.whole) <= 1
    assert len(pieces.quarters) <= 2


def test_clocks_change_between_two_stretches() -> None:
    """Berlin in 2026: an hour ahead, then two, from 01:00 UTC of the 29th of March."""
    span = (ms(2026, 3, 20), ms(2026, 4, 10))
    change, hour = ms(2026, 3, 29, 1), 3_600_000
    winter, summer = Stretch((span[0], change), hour), Stretch((change, span[1]), 2 * hour)
    assert stretches(span, BERLIN) == [winter, summer]
    assert stretches((span[0], change), BERLIN) == [winter]
    assert stretches((change, span[1]), BERLIN) == [summer]
    assert stretches((change - 1, change + 1), BERLIN) == [
        Stretch((change - 1, change), hour),
        Stretch((change, change + 1), 2 * hour),
    ]
    assert stretches((5, 5), BERLIN) == []


@given(
    st.sampled_from(ZONES),
    st.integers(ms(2015, 1, 1), ms(2035, 1, 1)),
    st.integers(1, 500 * DAY),
    st.floats(0, 1, exclude_max=True),
)
def test_every_instant_has_the_local_day_of_its_zone(
    name: str, since: int, length: int, part: float
) -> None:
    """And stretches lie side by side, whatever the clocks do."""
    zone = ZoneInfo(name)
    found = stretches((since, since + length), zone)
    assert [one.span[0] for one in found[1:]] == [one.span[1] for one in found[:-1]]
    assert (found[0].span[0], found[-1].span[1]) == (since, since + length)
    at = since + int(length * part)
    (ahead,) = [one.ahead_ms for one in found if one.span[0] <= at < one.span[1]]
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(zone)
    assert local_day((at + ahead) // DAY) == local.date()
    for one in found[1:]:
        assert quarter_of(one.span[0]) == one.span[0]
