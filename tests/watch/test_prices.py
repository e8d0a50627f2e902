"""Prices over real HTTP: numbers are compared here, and what cannot be read is never calm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tools.sites import Site, looped, site
from tests.watch.places import Place, Shelf, texts, titles
from twotier.errors import WatchError

SETTINGS: dict[str, Any] = {
    "kind": "prices",
    "path": "quote.last",
    "symbols": ["ACME"],
    "above": {"ACME": "100"},
    "below": {},
    "change_percent": None,
    "window": None,
    "hysteresis_percent": "1",
    "secret": None,
    "secret_header": "Authorization: Bearer {secret}",
}


def quote(price: Any) -> str:
    return json.dumps({"quote": {"last": price}})


def at(here: Site, shelf: Shelf, home: Path, **changes: Any) -> Place:
    return Place(SETTINGS | {"url": shelf.at(here, "/q")} | changes, home)


@looped
async def test_a_crossing_is_an_item_with_the_numbers_as_data(tmp_path: Path) -> None:
    """Exactly as the source wrote them: no float comes in between."""
    async with site() as here:
        shelf = Shelf('{"quote": {"last": 99.10}}')
        watched = at(here, shelf, tmp_path)
        assert titles(await watched.look()) == []
        shelf.body = '{"quote": {"last": "100.20"}}'
        assert texts(await watched.look()) == [
            "ACME: 100.20\nbefore: 99.10\nwhy: it has reached 100\nat: 2026-03-02T13:00:00+00:00"
        ]
        cursor = watched.cursor
        look = await watched.look()
        assert (look.items, look.cursor) == ((), cursor)


@looped
async def test_each_symbol_has_its_place_and_one_answer_serves_all(tmp_path: Path) -> None:
    """In the address, or in the path."""
    async with site() as here:
        shelf = Shelf('{"A.B": {"p": 1}, "C": {"p": 2}}')
        one = {"symbols": ["A.B", "C"], "above": {}, "change_percent": "50"}
        watched = at(here, shelf, tmp_path, path='["{symbol}"].p', **one)
        await watched.look()
        shelf.body = '{"A.B": {"p": 2}, "C": {"p": 2}}'
        assert titles(await watched.look()) == [
            "A.B 2: it has risen by 100.0 % since it was last told"
        ]
        assert len(here.asked) == 2
        here.pages["/q/A.B"], here.pages["/q/C"] = shelf.answer, shelf.answer
        watched = at(here, shelf, tmp_path, path="C.p", url=f"{here.url}/q/{{symbol}}", **one)
        await watched.look()
        assert here.paths()[-2:] == ["/q/A.B", "/q/C"]


@looped
async def test_a_symbol_that_is_added_begins_with_a_baseline(tmp_path: Path) -> None:
    """The others go on."""
    async with site() as here:
        shelf = Shelf('{"A": 1, "B": 500}')
        first = at(here, shelf, tmp_path, path="{symbol}", symbols=["A"], above={"A": "2"})
        await first.look()
        both = {"symbols": ["A", "B"], "above": {"A": "2", "B": "100"}}
        second = at(here, shelf, tmp_path, path="{symbol}", **both)
        second.cursor = first.cursor
        shelf.body = '{"A": 2, "B": 500}'
        assert titles(await second.look()) == ["A 2: it has reached 2"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{}", "no price of ACME at quote.last"),
        (quote(None), "no price of ACME"),
        (quote({}), "no price of ACME"),
        (quote("n/a"), "the price of ACME is 'n/a', no number"),
        (quote(0), "no number"),
        (quote(-1), "no number"),
        ('{"quote": {"last": NaN}}', "no number"),
        ("<html>", "not JSON"),
    ],
)
def test_what_is_no_price_is_could_not_look(tmp_path: Path, body: str, says: str) -> None:
    """A source that fails must not look like a calm market."""

    @looped
    async def watched() -> None:
        async with site() as here:
            with pytest.raises(WatchError, match=says):
                await at(here, Shelf(body), tmp_path).look()

    watched()
