"""Watchers on a loopback site, and what tests of them begin with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.jobs.making import HandClock
from tests.tools.sites import Site
from twotier.watch.base import Around, Look, Watcher
from twotier.watch.kinds import make

SHARED: dict[str, Any] = {"items_max": 50, "item_bytes_max": 2_000, "since": None}


def titles(look: Look) -> list[str]:
    return [item.title for item in look.items]


def texts(look: Look) -> list[str]:
    return [item.text for item in look.items]


class Place:
    """A watcher with its cursor, as the store keeps it."""

    def __init__(
        self, settings: Mapping[str, Any], home: Path, *, secrets: Mapping[str, str] | None = None
    ) -> None:
        self.clock = HandClock()
        around = Around(home, self.clock, secret=(secrets or {}).__getitem__)
        self.watcher: Watcher = make(SHARED | dict(settings), around)
        self.cursor: Any = None

    async def look(self) -> Look:
        """Look once and move on, half an hour later."""
        self.clock.turn(1_800)
        look = await self.watcher.look(self.cursor)
        self.cursor = look.cursor
        return look


class Shelf:
    """A page of a site that changes, with an ETag that is looked at."""

    def __init__(self, body: str = "", *, kind: str = "text/html", etag: bool = True) -> None:
        self.body = body
        self.kind = kind
        self.status = 200
        self.etag = etag
        self.served: list[int] = []

    def at(self, site: Site, path: str) -> str:
        """Put it on a site; returns its address."""
        site.pages[path] = self.answer
        return site.url + path

    async def answer(self, request: web.Request) -> web.Response:
        mark = f'"{hash(self.body)}"'
        headers = {"content-type": self.kind} | ({"etag": mark} if self.etag else {})
        same = self.etag and request.headers.get("if-none-match") == mark
        status = 304 if same and self.status == 200 else self.status
        self.served.append(status)
        return web.Response(
            status=status, headers=headers, body=b"" if status == 304 else self.body.encode()
        )
