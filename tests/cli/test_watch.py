"""`twotier watch` against the real routes of a worker, on its real socket."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from tests.cli.standin import Done
from tests.jobs.making import job
from tests.jobs.workshop import Workshop, workshop
from tests.tools.sites import looped, site
from tests.watch.places import Shelf
from tests.watch.test_feed import rss
from twotier import cli
from twotier.domain.job import Job
from twotier.jobs.api import Api, listen, server
from twotier.jobs.api_watch import Watching
from twotier.watch.base import Around
from twotier.watch.kinds import make


def run(config: Path, *words: str) -> Done:
    """One command, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.run(["--config", str(config), "watch", *words])
    return Done(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Desk:
    """A worker that can be asked."""

    shop: Workshop
    config: Path

    async def ask(self, *words: str) -> Done:
        return await asyncio.to_thread(run, self.config, *words)


@asynccontextmanager
async def desk(home: Path, *jobs: Job) -> AsyncIterator[Desk]:
    config = home / "twotier.toml"
    config.write_text("")
    (home / ".twotier").mkdir(mode=0o700)
    async with workshop(home, jobs) as shop:
        around = Around(home, shop.clock)
        watchers = {one.name: make(one.watch, around) for one in jobs if one.watch}
        watching = Watching(shop.scheduler, watchers, items=shop.items, runs=shop.runs)
        api = Api(shop.scheduler, runs=shop.runs, items=shop.items, results=shop.results)
        serving = server(api.app(*watching.routes()))
        async with asyncio.TaskGroup() as group:
            group.create_task(serving.serve(sockets=[listen(home / ".twotier" / "worker.sock")]))
            yield Desk(shop, config)
            serving.should_exit = True


def news(url: str) -> Job:
    watch = {"kind": "feed", "url": url, "since": None, "items_max": 50, "item_bytes_max": 1_000}
    return job(name="news", every_seconds=1_800.0, watch=watch, deliver="log")


@looped
async def test_a_watcher_is_listed_tested_and_begun_anew(tmp_path: Path) -> None:
    """A test stores nothing, however often; the run afterwards finds the same."""
    async with site() as here:
        shelf = Shelf(rss([("a", "one")]))
        plain = job(name="plain")
        async with desk(tmp_path, news(shelf.at(here, "/feed")), plain) as at:
            listed = (await at.ask("list")).out.splitlines()
            assert listed[1].split()[:2] == ["news", "feed"]
            assert "0 (no baseline yet)" in listed[1]
            assert len(listed) == 2
            assert "this would be its first look" in (await at.ask("test", "news")).out
            assert (await at.shop.by_hand("news")).state == "quiet"
            shelf.body = rss([("b", "two \x1b[31mred"), ("a", "one")])
            for _ in range(2):
                tested = await at.ask("test", "news")
                assert tested.out.startswith("1 new\n\nabout two")
                assert "\x1b" not in tested.out
            (one,) = (await at.ask("list", "--json")).document["watchers"]
            assert (one["begun"], one["waiting"], one["labels"]) == (True, 0, ["untrusted"])
            assert (await at.shop.by_hand("news")).items == 1
            assert (await at.ask("test", "news")).out == "nothing new\n"
            assert (await at.ask("reset", "news")).code == 0
            shelf.body = rss([("c", "three"), ("b", "two"), ("a", "one")])
            assert (await at.shop.by_hand("news")).state == "quiet"


@looped
async def test_what_waits_can_be_seen(tmp_path: Path) -> None:
    """Items that were found and not taken yet; a job that asks in vain keeps them."""
    async with site() as here:
        shelf = Shelf(rss([]))
        async with desk(tmp_path, news(shelf.at(here, "/feed"))) as at:
            assert (await at.ask("peek", "news")).out == "nothing waits\n"
            await at.shop.by_hand("news")
            shelf.body = rss([("a", "one")])
            watcher = make(news(f"{here.url}/feed").watch or {}, Around(tmp_path, at.shop.clock))
            look = await watcher.look(await at.shop.items.cursor("news", watcher.place))
            await at.shop.items.store_look("news", watcher.place, look=look)
            assert (await at.ask("peek", "news")).out.startswith("1 waiting\n\nabout one")


@looped
async def test_could_not_look_and_wrong_names_say_so(tmp_path: Path) -> None:
    """With the way out, and an exit code."""
    async with site() as here:
        shelf = Shelf("<html>Sign in</html>")
        async with desk(tmp_path, news(shelf.at(here, "/feed")), job(name="plain")) as at:
            tested = await at.ask("test", "news")
            assert (tested.code, "no feed that can be read" in tested.err) == (1, True)
            plain = await at.ask("peek", "plain")
            assert "the job plain watches nothing; those that do: news" in plain.err
            assert "there is no job 'nobody'" in (await at.ask("reset", "nobody")).err


@looped
async def test_without_watchers_the_list_says_how_to_make_one(tmp_path: Path) -> None:
    """Instead of an empty table."""
    async with desk(tmp_path, job(name="plain")) as at:
        assert "no job watches anything; add watch" in (await at.ask("list")).out
