"""Feeds over real HTTP: new entries once, quiet for nothing, and an error page is no empty feed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.tools.sites import looped, site
from tests.watch.places import Place, Shelf, texts, titles
from twotier.errors import WatchError
from twotier.watch.feed import ENTRIES_MAX

Entries = Sequence[tuple[str, str]]  # guid (empty for none) and words


def rss(entries: Entries) -> str:
    items = "".join(
        f"<item>{f'<guid>{guid}</guid>' if guid else ''}<title>about {words}</title>"
        f"<description>&lt;p&gt;{words} &lt;b&gt;bold&lt;/b&gt;&lt;/p&gt;</description></item>"
        for guid, words in entries
    )
    return f'<rss version="2.0"><channel><title>News</title>{items}</channel></rss>'


def atom(entries: Entries) -> str:
    items = "".join(
        f"<entry><id>{guid}</id><title>about {words}</title><author><name>Ann</name></author>"
        f'<updated>2026-03-02T13:00:00+01:00</updated><link href="/{guid}"/>'
        f'<content type="html">&lt;p&gt;{words} bold&lt;/p&gt;</content></entry>'
        for guid, words in entries
    )
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title>{items}</feed>'


def json_feed(entries: Entries) -> str:
    items = [
        {"id": guid, "title": f"about {words}", "content_html": f"<p>{words} bold</p>"}
        for guid, words in entries
    ]
    return json.dumps(
        {"version": "https://jsonfeed.org/version/1.1", "title": "News", "items": items}
    )


@pytest.mark.parametrize("form", [rss, atom, json_feed])
def test_only_new_entries_are_found_in_every_form(form: object, tmp_path: Path) -> None:
    """Baseline, one new entry, the same feed again, an edited entry."""
    assert callable(form)

    @looped
    async def watched() -> None:
        async with site() as here:
            shelf = Shelf(form([("b", "two"), ("a", "one")]))
            feed = Place({"kind": "feed", "url": shelf.at(here, "/feed")}, tmp_path)
            assert titles(await feed.look()) == []
            shelf.body = form([("d", "four"), ("c", "three"), ("b", "two"), ("a", "one")])
            assert sorted(texts(await feed.look())) == ["four bold", "three bold"]
            cursor = feed.cursor
            assert (titles(await feed.look()), feed.cursor) == ([], cursor)
            shelf.body = form([("d", "five"), ("c", "three")])
            assert titles(await feed.look()) == ["about five"]
            assert shelf.served == [200, 200, 304, 200]

    watched()


@looped
async def test_an_atom_entry_brings_author_time_and_link(tmp_path: Path) -> None:
    """Links are made whole, times are those of Greenwich."""
    async with site() as here:
        shelf = Shelf(atom([]))
        feed = Place({"kind": "feed", "url": shelf.at(here, "/feed")}, tmp_path)
        await feed.look()
        shelf.body = atom([("a", "one")])
        (item,) = (await feed.look()).items
    assert (item.author, item.at) == ("Ann", "2026-03-02T12:00:00+00:00")
    assert (item.link, item.source) == (f"{here.url}/a", "News")


@looped
async def test_without_etag_the_same_bytes_are_not_parsed_again(tmp_path: Path) -> None:
    """And the cursor does not move, so that nothing is written."""
    async with site() as here:
        shelf = Shelf(rss([("a", "one")]), etag=False)
        feed = Place({"kind": "feed", "url": shelf.at(here, "/feed")}, tmp_path)
        cursor = (await feed.look()).cursor
        look = await feed.look()
        assert (look.items, look.cursor) == ((), cursor)
        assert shelf.served == [200, 200]


@looped
async def test_entries_without_guid_or_with_one_that_others_have_are_told_apart(
    tmp_path: Path,
) -> None:
    """Known by what they say."""
    async with site() as here:
        shelf = Shelf(rss([("", "one"), ("x", "two"), ("x", "three")]))
        feed = Place({"kind": "feed", "url": shelf.at(here, "/feed")}, tmp_path)
        await feed.look()
        shelf.body = rss([("", "one"), ("", "four"), ("x", "two"), ("x", "three"), ("x", "five")])
        assert sorted(titles(await feed.look())) == ["about five", "about four"]


@looped
async def test_a_guid_that_is_a_number_is_no_date(tmp_path: Path) -> None:
    """The parser would make `7` the first of this month."""
    async with site() as here:
        shelf = Shelf(rss([]))
        feed = Place({"kind": "feed", "url": shelf.at(here, "/feed")}, tmp_path)
        await feed.look()
        shelf.body = rss([("7", "one"), ("a", "two")])
        assert [item.at for item in (await feed.look()).items] == ["", ""]


@looped
async def test_a_byte_that_xml_does_not_allow_damages_nothing(tmp_path: Path) -> None:
    """The parser would take another way for the whole feed, and every entry would look edited."""
    async with site() as here:
        shelf = Shelf(rss([("a", "one")]))
        feed = Place({"kind": "feed", "url": shelf.at(here, "/feed")}, tmp_path)
        await feed.look()
        shelf.body = rss([("b", "two \x1b[31m\x00"), ("a", "one")])
        assert texts(await feed.look()) == ["two [31m bold"]


@looped
async def test_the_first_look_can_go_back(tmp_path: Path) -> None:
    """With `since`, what was made in the last day is new at once."""
    async with site() as here:
        shelf = Shelf(atom([("a", "one")]))
        settings = {"kind": "feed", "url": shelf.at(here, "/feed")}
        assert titles(await Place(settings | {"since": 86_400.0}, tmp_path).look()) == ["about one"]
        assert titles(await Place(settings | {"since": 60.0}, tmp_path).look()) == []


@pytest.mark.parametrize(
    "body", ["<html><body>Sign in</body></html>", "", "{}", "plain", "<rss", '{"version": 3}']
)
def test_what_is_no_feed_is_could_not_look(body: str, tmp_path: Path) -> None:
    """A captive portal answers 200 too."""

    @looped
    async def watched() -> None:
        async with site() as here:
            feed = Place({"kind": "feed", "url": Shelf(body).at(here, "/feed")}, tmp_path)
            with pytest.raises(WatchError, match="no feed that can be read"):
                await feed.look()

    watched()


@looped
async def test_an_error_of_the_other_side_leaves_the_cursor(tmp_path: Path) -> None:
    """And what came meanwhile is found afterwards."""
    async with site() as here:
        shelf = Shelf(rss([("a", "one")]))
        feed = Place({"kind": "feed", "url": shelf.at(here, "/feed")}, tmp_path)
        await feed.look()
        shelf.status, shelf.body = 503, rss([("b", "two"), ("a", "one")])
        with pytest.raises(WatchError, match="answered with status 503"):
            await feed.look()
        shelf.status = 200
        assert titles(await feed.look()) == ["about two"]
    with pytest.raises(WatchError, match="cannot be reached"):
        await feed.look()


@looped
async def test_a_very_long_feed_is_read_in_part(tmp_path: Path) -> None:
    """The newest entries stand first."""
    async with site() as here:
        shelf = Shelf(rss([]))
        feed = Place({"kind": "feed", "url": shelf.at(here, "/feed")}, tmp_path)
        await feed.look()
        shelf.body = rss([(f"g{number}", str(number)) for number in range(ENTRIES_MAX + 10)])
        assert len((await feed.look()).items) == ENTRIES_MAX
