"""A page over real HTTP: the item is what changed in its words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tools.sites import looped, site
from tests.watch.places import Place, Shelf, texts
from twotier.errors import WatchError
from twotier.watch import pick


def html(*lines: str, around: str = "") -> str:
    body = "".join(f"<li class=x>{line}</li>" for line in lines)
    return f"<html><head><title>t</title></head><body><p>{around}</p><ul>{body}</ul></body></html>"


def page_at(url: str, home: Path, **settings: Any) -> Place:
    return Place({"kind": "page", "url": url, "selector": ""} | settings, home)


@looped
async def test_the_item_is_the_difference(tmp_path: Path) -> None:
    """Lines that are gone and lines that came, with one beside them; not the whole page."""
    async with site() as here:
        shelf = Shelf(html("far", "beside", "one", "two"))
        page = page_at(shelf.at(here, "/p"), tmp_path)
        assert texts(await page.look()) == []
        assert texts(await page.look()) == []
        shelf.body = html("far", "beside", "one", "three")
        (item,) = (await page.look()).items
        assert item.text.splitlines() == ["...", " one", "-two", "+three"]
        assert item.title == f"what changed at {here.url}/p"
        assert shelf.served == [200, 304, 200]


@looped
async def test_mark_up_and_white_space_may_change(tmp_path: Path) -> None:
    """The words are the same, so it is quiet; without ETag not even the cursor moves."""
    async with site() as here:
        shelf = Shelf(html("one two", "three"), etag=False)
        page = page_at(shelf.at(here, "/p"), tmp_path)
        cursor = (await page.look()).cursor
        for body in (
            html("one two", "three").replace("class=x", "class=y id=nonce"),
            html("one\n   two", "<b>three</b><script>var n = 7</script>"),
            html("one", "two three"),
        ):
            shelf.body = body
            look = await page.look()
            assert (look.items, look.cursor) == ((), cursor)


@looped
async def test_back_to_what_it_was_is_a_change_too(tmp_path: Path) -> None:
    """In stock, sold out, in stock, sold out: three items with three ids."""
    async with site() as here:
        shelf = Shelf(html("in stock"))
        page = page_at(shelf.at(here, "/p"), tmp_path)
        ids = []
        for words in ("in stock", "sold out", "in stock", "sold out"):
            shelf.body = html(words)
            ids += [item.id for item in (await page.look()).items]
    assert len(set(ids)) == 3


@looped
async def test_only_what_the_selector_finds_counts(tmp_path: Path) -> None:
    """The rest of the page may do as it likes."""
    async with site() as here:
        shelf = Shelf(html("one", around="12:00"))
        page = page_at(shelf.at(here, "/p"), tmp_path, selector="ul > li.x")
        await page.look()
        shelf.body = html("one", around="12:30")
        assert texts(await page.look()) == []
        shelf.body = html("one", "two", around="13:00")
        assert texts(await page.look()) == ["...\n one\n+two"]


@pytest.mark.parametrize(
    ("selector", "body", "says"),
    [
        ("#gone", html("one"), r"nothing at .* is a '#gone'; has the page been rebuilt\?"),
        ("p[[", html("one"), "cannot be read; write for example"),
        ("", "<html><script>render()</script></html>", "holds no words; is it made by a script"),
    ],
)
def test_nothing_to_compare_is_could_not_look(
    tmp_path: Path, selector: str, body: str, says: str
) -> None:
    """Not the same as a page that has become empty."""

    @looped
    async def watched() -> None:
        async with site() as here:
            page = page_at(Shelf(body).at(here, "/p"), tmp_path, selector=selector)
            with pytest.raises(WatchError, match=says):
                await page.look()

    watched()


@looped
async def test_plain_text_is_taken_as_it_is(tmp_path: Path) -> None:
    """`<b>` in a text file is text."""
    async with site() as here:
        shelf = Shelf("one\n", kind="text/plain")
        page = page_at(shelf.at(here, "/p"), tmp_path)
        await page.look()
        shelf.body = "one\na <b> c\n"
        assert texts(await page.look()) == ["...\n one\n+a <b> c"]


@looped
async def test_a_secret_in_the_address_reaches_no_item(tmp_path: Path) -> None:
    """Items go to models and into results."""
    async with site() as here:
        shelf = Shelf(html("one"))
        page = page_at(f"{shelf.at(here, '/p')}?token=canary", tmp_path)
        await page.look()
        shelf.body = html("two")
        (item,) = (await page.look()).items
    assert "canary" not in repr(item) + page.watcher.place


@pytest.mark.slow
@looped
async def test_a_page_made_to_hang_a_parser_is_could_not_look(tmp_path: Path) -> None:
    """80 KB of formatting that is never closed: minutes and gigabytes, in a child that is ended."""
    body = "".join(f"<b x={number}><p>" for number in range(20_000))
    async with site() as here:
        page = page_at(Shelf(body).at(here, "/p"), tmp_path, selector="b.none")
        with pytest.raises(WatchError, match="cannot be taken apart"):
            await page.look()


def test_the_parts_come_as_html() -> None:
    """What the child does, without the child."""
    assert pick.picked(b"<p class=a>x<p>y", "p.a") == ['<p class="a">x</p>']
    with pytest.raises(ValueError, match="selector"):
        pick.picked(b"<p>", "p[[")
