"""What every watcher promises, whatever it looks at, with the real store behind it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.github_api import TOKEN, GithubApi, Post
from tests.fakes.imap_server import PASSWORD, ImapServer
from tests.fakes.x_api import TOKEN as X_TOKEN
from tests.fakes.x_api import XApi
from tests.jobs.making import HandClock
from tests.stores import laid
from tests.tools.sites import Site, site
from tests.watch.github_home import COMMON
from tests.watch.github_home import SETTINGS as GITHUB
from tests.watch.places import SHARED, Shelf
from tests.watch.test_git import WHO
from tests.watch.test_imap import SETTINGS as MAIL
from tests.watch.test_imap import letter
from tests.watch.test_x import SETTINGS as X
from twotier.domain.fee import Use
from twotier.domain.job import Item
from twotier.errors import WatchError
from twotier.jobs.database import Database
from twotier.jobs.items import ItemStore
from twotier.watch.base import Around, Watcher
from twotier.watch.kinds import KINDS, make

Things = dict[str, str]  # what lies at a place: by name, what each says


@dataclass
class World:
    """A place of some kind: how it is made to hold things, and how it is broken."""

    settings: dict[str, Any]
    hold: Callable[[Things], None]
    broken: Callable[[bool], None]
    edits: bool = True  # whether a thing can say something else later
    first: bool = False  # whether the first look brings what is there


def feed(things: Things) -> str:
    items = [{"id": name, "title": name, "content_text": text} for name, text in things.items()]
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "F", "items": items})


def page(things: Things) -> str:
    return (
        f"<html><body><p>begin</p>{''.join(f'<p>{t}</p>' for t in things.values())}</body></html>"
    )


def api(things: Things) -> str:
    return json.dumps([{"id": name, "text": text} for name, text in things.items()])


HTTP = {"items": "", "title": "", "text": "text", "author": "", "at": "", "link": "", "id": "id"}
SECRET = {"secret": None, "secret_header": "X: {secret}"}
LISTS: dict[str, tuple[Callable[[Things], str], dict[str, Any]]] = {
    "feed": (feed, {}),
    "page": (page, {"selector": ""}),
    "http": (api, HTTP | SECRET),
}


def on_the_web(kind: str, here: Site) -> World:
    """A list that a site serves."""
    form, settings = LISTS[kind]
    shelf = Shelf(form({}))

    def hold(things: Things) -> None:
        shelf.body = form(things)

    def broken(now: bool) -> None:
        shelf.status = 500 if now else 200

    return World({"kind": kind, "url": shelf.at(here, "/x")} | settings, hold, broken)


def market(here: Site) -> World:
    """A price that is moved by 10 % for each thing; what it says is no matter."""
    shelf = Shelf('{"p": 100}')

    def hold(things: Things) -> None:
        shelf.body = json.dumps({"p": 100 * 1.1 ** len(things)})

    def broken(now: bool) -> None:
        shelf.status = 500 if now else 200

    settings: dict[str, Any] = {
        "symbols": ["A"],
        "path": "p",
        "above": {},
        "below": {},
        "change_percent": "5",
    }
    settings |= {"kind": "prices", "window": None, "hysteresis_percent": "1"} | SECRET
    return World(settings | {"url": shelf.at(here, "/x")}, hold, broken, edits=False)


def folder(home: Path) -> World:
    inbox = home / "inbox"
    inbox.mkdir()

    def hold(things: Things) -> None:
        for name, text in things.items():
            (inbox / f"{name}.txt").write_text(text)

    def broken(now: bool) -> None:
        inbox.rename(home / "away") if now else (home / "away").rename(inbox)

    settings = {"kind": "files", "path": "inbox", "match": ["*.txt"], "settle_seconds": 0.0}
    return World(settings, hold, broken, first=True)


def program(home: Path) -> World:
    path = home / "program.py"
    state: dict[str, Any] = {"things": {}, "code": 0}

    def write() -> None:
        lines = [json.dumps({"id": name, "text": text}) for name, text in state["things"].items()]
        path.write_text(f"print({chr(10).join(lines)!r})\nraise SystemExit({state['code']})")

    def hold(things: Things) -> None:
        state["things"] = things
        write()

    def broken(now: bool) -> None:
        state["code"] = 1 if now else 0
        write()

    write()
    settings = {"kind": "command", "argv": [sys.executable, "-S", str(path)], "folder": "."}
    return World(settings | {"json_lines": True, "timeout": 20.0}, hold, broken)


def repository(home: Path) -> World:
    where = home / "repository"
    where.mkdir()

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=where, env=WHO, check=True, capture_output=True)

    def hold(things: Things) -> None:
        for name, text in things.items():
            if not (where / name).exists():
                (where / name).write_text(text)
                git("add", name)
                git("commit", "--quiet", "--message", text)

    def broken(now: bool) -> None:
        where.rename(home / "away") if now else (home / "away").rename(where)

    git("init", "--quiet", "-b", "main")
    hold({"begin": "begin"})
    settings = {"kind": "git", "path": "repository", "remote": None, "branch": "main"}
    return World(settings, hold, broken, edits=False)


def talk(github: GithubApi) -> World:
    """Comments in a discussion; what there is at first lies in another one."""
    page, said = github.discuss("a page", "opening"), dict[str, Post]()

    def hold(things: Things) -> None:
        for name, text in things.items():
            if name not in said:
                said[name] = github.comment(page, text)
            elif said[name].body != text:
                github.edit(said[name], text)

    def broken(now: bool) -> None:
        github.down = now

    settings = COMMON | GITHUB["github-discussions"]
    return World(settings | {"kind": "github-discussions", "api": github.base_url}, hold, broken)


Github = Callable[[GithubApi], tuple[Callable[[str, str], Any], Callable[[Any, str], Any]]]
REST: dict[str, Github] = {  # how a thing comes about, and how it is made to say something else
    "github-issues": lambda api: (api.open_issue, lambda one, text: api.change(one, body=text)),
    "github-releases": lambda api: (api.release, lambda _, __: None),
    "github-notifications": lambda api: (lambda _, text: api.notify(text), lambda _, __: None),
}


def account(kind: str, github: GithubApi) -> World:
    """Issues, releases or notifications."""
    begin, change = REST[kind](github)
    there: dict[str, tuple[Any, str]] = {}

    def hold(things: Things) -> None:
        for name, text in things.items():
            if name not in there:
                there[name] = (begin(name, text), text)
            elif there[name][1] != text:
                change(there[name][0], text)

    def broken(now: bool) -> None:
        github.down = now

    settings = COMMON | GITHUB[kind] | {"kind": kind, "api": github.base_url}
    return World(settings, hold, broken, edits=kind == "github-issues")


class Free:
    """A ledger that lets everything be."""

    async def hold(self, use: Use) -> None:
        assert use.count > 0

    async def settle(self, use: Use, count: int) -> None:
        assert count <= use.count


def posts(api: XApi, clock: HandClock) -> World:
    """What a search on X finds. Its time is ours, because it says in numbers when a post was."""
    there: set[str] = set()

    def hold(things: Things) -> None:
        api.now = clock.now()
        for name in things.keys() - there:
            there.add(name)
            api.post(things[name])

    def broken(now: bool) -> None:
        api.failing = [(503, {"title": "Service Unavailable"}, {})] if now else []

    return World(X | {"api": api.base_url}, hold, broken, edits=False)


def mailbox(server: ImapServer, password: list[str]) -> World:
    """Mails of those subjects; it is broken by another password."""
    there: set[str] = set()

    def hold(things: Things) -> None:
        for name in things.keys() - there:
            there.add(name)
            server.deliver(letter(name, things[name]))

    def broken(now: bool) -> None:
        password[0] = "wrong" if now else PASSWORD

    return World(MAIL | {"port": server.port}, hold, broken, edits=False)


@dataclass
class Watched:
    """A watcher, its job's store, and its world."""

    world: World
    watcher: Watcher
    home: Path
    clock: HandClock

    async def round(self, *, killed: bool = False) -> list[Item]:
        """Look, store, take: what a run gets. `killed`: between the look and the store."""
        self.clock.turn(1_800)
        database = Database.open(laid(self.home / "work.db"))
        try:
            store = ItemStore(database, self.clock)
            cursor = await store.cursor("job", self.watcher.place)
            look = await self.watcher.look(cursor)
            json.dumps(look.cursor)
            if killed:
                return list(look.items)
            await store.store_look("job", self.watcher.place, look=look)
            return await store.take("job", str(self.clock.now()), limit=50)
        finally:
            database.close()

    async def texts(self) -> list[str]:
        return [item.text for item in await self.round()]


@asynccontextmanager
async def watched(kind: str, home: Path) -> AsyncIterator[Watched]:
    password, clock = [PASSWORD], HandClock()
    async with site() as here, AsyncExitStack() as stack:
        here_ones = {"files": folder, "command": program, "git": repository}
        if kind in here_ones:
            world = here_ones[kind](home)
        elif kind == "github-discussions":
            world = talk(stack.enter_context(GithubApi()))
        elif kind in REST:
            world = account(kind, stack.enter_context(GithubApi()))
        elif kind == "x":
            world = posts(stack.enter_context(XApi()), clock)
        elif kind == "imap":
            world = mailbox(stack.enter_context(ImapServer()), password)
        else:
            world = market(here) if kind == "prices" else on_the_web(kind, here)
        secrets = {"env:GITHUB_TOKEN": TOKEN, X["token"]: X_TOKEN}
        around = Around(
            home,
            clock,
            secret=lambda place: secrets.get(place, password[0]),
            job="job",
            fees=Free(),
        )
        watcher = make(SHARED | world.settings, around)
        yield Watched(world, watcher, home, clock)


OURS = (
    *("files", "command", "feed", "page", "http", "git", "prices", "imap", "x"),
    *("github-discussions", "github-issues", "github-releases", "github-notifications"),
)
each_kind = pytest.mark.parametrize("kind", OURS)


def test_every_kind_is_held_to_it_here_or_has_reasons() -> None:
    """An MCP server is one of the tests of its own; an inbox looks nowhere."""
    assert set(KINDS) - {"mcp", "inbox"} == set(OURS)


@each_kind
def test_the_first_look_is_the_baseline_and_each_new_thing_comes_once(
    kind: str, tmp_path: Path
) -> None:
    """What was there goes to no model, unless it lies in an inbox."""

    async def run() -> None:
        async with watched(kind, tmp_path) as one:
            one.world.hold({"a": "alpha"})
            assert bool(await one.texts()) is one.world.first
            assert await one.texts() == []
            one.world.hold({"a": "alpha", "b": "beta"})
            (text,) = await one.texts()
            assert "beta" in text or kind == "prices"
            assert await one.texts() == []

    asyncio.run(run())


@each_kind
def test_what_says_something_else_is_new_again(kind: str, tmp_path: Path) -> None:
    """Where a thing can."""

    async def run() -> None:
        async with watched(kind, tmp_path) as one:
            if not one.world.edits:
                return
            await one.texts()
            one.world.hold({"a": "alpha"})
            (first,) = await one.round()
            one.world.hold({"a": "gamma"})
            (second,) = await one.round()
            assert "gamma" in second.text
            assert first.id != second.id

    asyncio.run(run())


@each_kind
def test_could_not_look_is_an_error_and_loses_nothing(kind: str, tmp_path: Path) -> None:
    """Never quiet, never a new baseline: what came meanwhile is found afterwards."""

    async def run() -> None:
        async with watched(kind, tmp_path) as one:
            await one.texts()
            one.world.hold({"a": "alpha"})
            one.world.broken(True)
            with pytest.raises(WatchError):
                await one.texts()
            one.world.broken(False)
            assert len(await one.texts()) == 1

    asyncio.run(run())


@each_kind
def test_a_kill_between_look_and_store_loses_nothing_and_doubles_nothing(
    kind: str, tmp_path: Path
) -> None:
    """The cursor moves in the transaction that stores the items, or not at all."""

    async def run() -> None:
        async with watched(kind, tmp_path) as one:
            await one.texts()
            one.world.hold({"a": "alpha"})
            assert len(await one.round(killed=True)) == 1
            assert len(await one.texts()) == 1
            assert await one.texts() == []

    asyncio.run(run())


@each_kind
def test_a_quiet_look_leaves_the_cursor_as_it_is(kind: str, tmp_path: Path) -> None:
    """So that nothing is written. What the first look learns last (an ETag) is kept by the next."""

    async def run() -> None:
        async with watched(kind, tmp_path) as one:
            one.world.hold({"a": "alpha"})
            first = await one.watcher.look(None)
            second = await one.watcher.look(json.loads(json.dumps(first.cursor)))
            third = await one.watcher.look(json.loads(json.dumps(second.cursor)))
            assert (second.items, third.items, third.cursor) == ((), (), second.cursor)
            assert second.cursor == first.cursor or kind == "github-issues"

    asyncio.run(run())
