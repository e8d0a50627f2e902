"""GitHub's answers are read, whatever stands in them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twotier.watch import github_wire as wire

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("repository", "discussions", "nodes", "comments", "replies", "pageInfo"),
                    *("id", "endCursor", "hasNextPage", "url", "body", "author", "login", "type"),
                    *("errors", "message", "title", "createdAt", "startCursor", "hasPreviousPage"),
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)


@settings(max_examples=1_000 if os.environ.get("SOAK") else 30)  # such JSON is long in the making
@given(JSON)
def test_any_json_reads_as_threads_posts_and_errors(value: Any) -> None:
    """Nothing raises, and what has no shape is empty."""
    threads = wire.threads_of(value)
    assert all(isinstance(thread.posts, tuple) for thread in threads.threads)
    row = value if isinstance(value, dict) else {}
    post = wire.rest_post(row)
    item = wire.item_of(post, "title", bytes_max=100)
    assert len(item.text.encode()) <= 100
    json.dumps([item.id, item.text, item.author, item.link]).encode()
    wire.graphql_errors(value)
    wire.refusal(500, {}, raw=json.dumps(value).encode())


@given(st.dictionaries(st.sampled_from(["link", "retry-after", "x-ratelimit-reset"]), st.text()))
def test_any_header_reads_as_a_page_or_a_time(headers: dict[str, str]) -> None:
    """Headers are a stranger's too."""
    wire.next_page(headers)
    now = datetime(2026, 3, 2, tzinfo=UTC)
    found = wire.wait_seconds({**headers, "x-ratelimit-remaining": "0"}, now=now)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("api", "page"),
    [
        ("https://api.github.com/repos/a/b/issues/7", "https://github.com/a/b/issues/7"),
        ("https://api.github.com/repos/a/b/pulls/7", "https://github.com/a/b/pull/7"),
        ("https://api.github.com/repos/a/b/commits/abc", "https://github.com/a/b/commit/abc"),
        ("https://api.github.com/repos/a/b/releases/7", "https://github.com/a/b/releases"),
        ("https://ghe.test/api/v3/repos/a/b/issues/7", "https://ghe.test/a/b/issues/7"),
        ("https://evil.test/", ""),
        ("", ""),
    ],
)
def test_a_subject_has_a_page_for_people(api: str, page: str) -> None:
    """GitHub names API addresses in its notifications."""
    assert wire.page_link(api) == page


def test_what_is_no_time_or_link_is_empty() -> None:
    """Times are compared as text, links are shown to people."""
    assert wire.stamp("2026-03-02T12:00:00Z") == "2026-03-02T12:00:00Z"
    assert [wire.stamp(one) for one in ("now", None, 1, "9999")] == [""] * 4
    assert wire.link("https://github.com/a") == "https://github.com/a"
    bad = ("javascript:alert(1)", "https://a\u202e", "https://" + "a" * 3_000, None)
    assert [wire.link(one) for one in bad] == [""] * 4
