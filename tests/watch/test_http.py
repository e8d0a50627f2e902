"""A list in a JSON API over real HTTP: new parts once, edited ones again, and a named secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tools.sites import Site, looped, site
from tests.watch.places import Place, Shelf, texts, titles
from twotier.errors import WatchError

SETTINGS: dict[str, Any] = {
    "kind": "http",
    "items": "data.list",
    "id": "id",
    "title": "name",
    "text": "body.plain",
    "author": "by",
    "at": "made",
    "link": "url",
    "secret": None,
    "secret_header": "Authorization: Bearer {secret}",
}


def answer(*parts: Any) -> str:
    return json.dumps({"data": {"list": parts}})


def part(number: int, text: str = "words") -> dict[str, Any]:
    made = 1_772_452_800 + number
    return {"id": number, "name": f"n{number}", "body": {"plain": text}, "by": "Ann", "made": made}


def api(here: Site, shelf: Shelf, home: Path, **changes: Any) -> Place:
    url = shelf.at(here, "/api")
    return Place(SETTINGS | {"url": url} | changes, home, secrets={"env:KEY": "canary"})


@looped
async def test_new_and_edited_parts_are_found_once(tmp_path: Path) -> None:
    """The oldest first, with all that the owner named."""
    async with site() as here:
        shelf = Shelf(answer(part(1)), kind="application/json")
        watched = api(here, shelf, tmp_path)
        assert titles(await watched.look()) == []
        shelf.body = answer(part(3), part(2), part(1, "edited"))
        look = await watched.look()
        assert titles(look) == ["n1", "n2", "n3"]
        assert (look.items[0].text, look.items[0].author) == ("edited", "Ann")
        assert look.items[0].at == "2026-03-02T12:00:01+00:00"
        assert titles(await watched.look()) == []
        assert shelf.served == [200, 200, 304]


@looped
async def test_a_part_without_fields_is_known_and_shown_by_all_it_says(tmp_path: Path) -> None:
    """Plain values too; white space and the order of names are no news."""
    async with site() as here:
        shelf = Shelf('["one", {"a": 1, "b": 2}]')
        bare = dict.fromkeys(("items", "id", "title", "text", "author", "at", "link"), "")
        watched = api(here, shelf, tmp_path, **bare)
        await watched.look()
        shelf.body = '["one", {"b": 2,  "a": 1}, "two", {"a": 2}]'
        assert sorted(texts(await watched.look())) == ["two", '{"a": 2}']


@looped
async def test_the_secret_goes_into_its_header_and_nowhere_else(tmp_path: Path) -> None:
    """Not into the cursor, an item or the place."""
    async with site() as here:
        shelf = Shelf(answer())
        watched = api(here, shelf, tmp_path, secret="env:KEY", secret_header="X-Key: k-{secret}")
        await watched.look()
        shelf.body = answer(part(1))
        look = await watched.look()
        assert here.headers()["x-key"] == "k-canary"
        assert "canary" not in repr(look) + watched.watcher.place


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("<html>", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("{}", "has no list at data.list"),
        ('{"data": {"list": {"error": 1}}}', "has no list at data.list"),
    ],
    ids=["html", "deep", "empty", "error"],
)
def test_an_answer_of_another_form_is_could_not_look(tmp_path: Path, body: str, says: str) -> None:
    """An error in JSON is not an empty list."""

    @looped
    async def watched() -> None:
        async with site() as here:
            with pytest.raises(WatchError, match=says):
                await api(here, Shelf(body), tmp_path).look()

    watched()


@looped
async def test_the_first_look_can_go_back(tmp_path: Path) -> None:
    """As far as `since` says, by the time of each part."""
    async with site() as here:
        shelf = Shelf(answer(part(1), part(-7_200)))
        watched = api(here, shelf, tmp_path, since=3_600.0)
        assert titles(await watched.look()) == ["n1"]
