"""The control paths of what did not come through us, asked as the command line asks them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.requests import Request

from tests.ledger.toys import NOON, HandClock
from twotier.errors import RequestError
from twotier.gateway.outside import OutsidePage, asked_days
from twotier.ledger.book import Book
from twotier.outside.auditor import Auditor


def asked(query: str, body: bytes = b"") -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "GET", "query_string": query.encode(), "headers": []}
    return Request(scope, receive)


def test_days_are_those_of_the_provider() -> None:
    """Today in UTC, a day, a month as far as it has come."""
    now = datetime(2026, 3, 10, 23, 30, tzinfo=UTC)
    assert asked_days(asked(""), now) == ["2026-03-10"]
    assert asked_days(asked("day=2026-01-31"), now) == ["2026-01-31"]
    march = asked_days(asked("month=2026-03"), now)
    assert (march[0], march[-1], len(march)) == ("2026-03-01", "2026-03-10", 10)
    assert len(asked_days(asked("month=2026-02"), now)) == 28
    assert asked_days(asked("month=2026-04"), now) == []


@pytest.mark.parametrize("query", ["day=yesterday", "month=13", "month=2026-13", "month=9999-12x"])
def test_what_is_no_day_is_refused(query: str) -> None:
    with pytest.raises(RequestError, match="YYYY-MM"):
        asked_days(asked(query), NOON)


def test_rows_that_are_none_are_refused_and_nothing_is_told_of_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = HandClock()
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        try:
            page = OutsidePage(Auditor(book, clock, lambda *_: None))
            for body in (
                b"",
                b'{"rows": [{"provider": 1}]}',
                b'{"rows": [{"provider":"a","kind":"cost","day":"soon","model":"m"}]}',
                b'{"rows": [{"provider":"a","kind":"usage","day":"2026-03-10","model":"m"}]}',
                b'{"rows": [{"provider":"a","kind":"other","day":"2026-03-10","model":"m"}]}',
            ):
                with pytest.raises(RequestError, match="cannot be read"):
                    await page.take(asked("", body))
            told = await page.told(NOON, NOON)
            assert told["outside_usd"] == "0.000000"
            assert told["logs"] == told["unpriced_models"] == []
        finally:
            await book.close()

    asyncio.run(scenario())
