"""X's answers are read, whatever stands in them; its numbers tell time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twotier.watch import x_wire as wire

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["data", "meta", "id", "text", "author_id", "next_token", "errors", "detail"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@given(JSON)
def test_any_json_reads_as_posts_or_nothing(value: Any) -> None:
    """And as a reason."""
    raw = json.dumps(value).encode()
    found = wire.posts_of(raw, bytes_max=50)
    if found is not None:
        assert len(found.items) <= found.count
        assert all(len(item.text.encode()) <= 50 for item in found.items)
    assert wire.refusal(503, raw).startswith("X says 503: ")


@given(st.binary(max_size=50))
def test_any_bytes_read_as_posts_or_nothing(raw: bytes) -> None:
    """Also what is no JSON."""
    wire.posts_of(raw, bytes_max=50)
    wire.refusal(401, raw)


@given(st.text(max_size=20))
def test_any_header_reads_as_a_time_or_nothing(value: str) -> None:
    """Digits of other scripts are digits to Python."""
    found = wire.wait_seconds({"x-rate-limit-reset": value}, now=NOON)
    assert found is None or found >= 0


@given(st.integers(min_value=1_300_000_000_000, max_value=3_000_000_000_000))
def test_a_moment_is_a_number_and_a_number_a_moment(milliseconds: int) -> None:
    """To the millisecond."""
    aware = datetime.fromtimestamp(milliseconds / 1000, UTC)
    assert abs((wire.moment_of(wire.number_at(aware)) - aware).total_seconds()) < 0.002


def test_a_post_has_a_title_and_a_time() -> None:
    """Its first line; its number's own time."""
    row = {"id": "2028440472908726342", "text": "one\ntwo\u202e", "author_id": "7"}
    item = wire.item_of(row, bytes_max=100)
    assert (item.title, item.text, item.author) == ("one", "one\ntwo", "7")
    assert item.at == "2026-03-02T12:01:10Z"
    assert wire.item_of({"id": "5"}, bytes_max=10).title == "post 5"
    assert wire.number_at(datetime(1999, 1, 1, tzinfo=UTC)) == 0
