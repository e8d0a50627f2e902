"""Watches a page: what is on it now that was not, and what is gone.

The item is the difference, line by line, because a model that is given two whole pages finds
differences of its own. Only words count: white space, mark-up and scripts may change as they like.
A selector that finds nothing is could not look: the page was rebuilt, or it shows an error.
The taking apart that a selector needs is done in a child (see `pick`).
"""

from __future__ import annotations

import asyncio
import difflib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twotier.domain.job import Item
from twotier.domain.urls import shown_url
from twotier.errors import WatchError
from twotier.watch import ask, pick
from twotier.watch.base import Around, Look
from twotier.watch.child import Limits, run
from twotier.watch.cut import cut, mark
from twotier.watch.html_text import html_text
from twotier.watch.visible import visible

LINES_MAX = 2_000
LINE_CHARACTERS_MAX = 500
PICK_SECONDS_MAX = 20.0


@dataclass(frozen=True, slots=True)
class PageWatcher:
    """An address, and the part of it that counts."""

    url: str
    selector: str
    item_bytes_max: int
    around: Around

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> PageWatcher:
        """The watcher of a job's `watch` settings."""
        return cls(
            url=str(settings["url"]),
            selector=str(settings["selector"]),
            item_bytes_max=int(settings["item_bytes_max"]),
            around=around,
        )

    @property
    def place(self) -> str:
        """The address and the part; another part has another baseline."""
        return f"{ask.place('page', self.url)} {self.selector}"

    async def look(self, cursor: Any) -> Look:
        """The difference to the last look, as one item. Raises `WatchError`."""
        known = cursor if isinstance(cursor, dict) else {}
        answer = await ask.changed(self.around.web, self.url, cursor=known)
        if answer is None:
            return Look((), cursor)
        text = answer.page.text
        if self.selector:
            text = await selected(text, self.selector, url=self.url)
        is_html = bool(self.selector) or looks_like_html(answer.page.content_type, text)
        lines = await asyncio.to_thread(lines_of, text, is_html=is_html)
        if not lines:
            raise WatchError(f"{shown_url(self.url)} holds no words; is it made by a script?")
        before, following = known.get("lines"), answer.cursor | {"lines": lines}
        if before is None:
            return Look((), following)
        if same_words(before, lines):
            # Where nothing but noise changes each time, nothing is written each time either.
            return Look((), following if answer.page.validators else cursor)
        return Look((self._item(before, lines),), following)

    def _item(self, before: list[str], lines: list[str]) -> Item:
        now = self.around.clock.now().isoformat(timespec="seconds")
        text, bytes_cut = cut(difference(before, lines), bytes_max=self.item_bytes_max)
        return Item(
            id=mark(now, *lines),  # what was there before and is back is new
            title=f"what changed at {shown_url(self.url)}",
            text=text,
            source=shown_url(self.url),
            bytes_cut=bytes_cut,
            at=now,
            link=shown_url(self.url),
        )


def looks_like_html(content_type: str, text: str) -> bool:
    """By its type, or by its own first words where it has the wrong one."""
    return "html" in content_type or "<html" in text[:1_000].lower()


def lines_of(text: str, *, is_html: bool) -> list[str]:
    """The words, line by line, up to what two looks can be compared by."""
    plain = visible(html_text(text) if is_html else text)
    lines = (" ".join(line.split()) for line in plain.splitlines())
    return [line[:LINE_CHARACTERS_MAX] for line in lines if line][:LINES_MAX]


def difference(before: list[str], lines: list[str]) -> str:
    """What is new and what is gone, each with a line that stands beside it."""
    told = list(difflib.unified_diff(before, lines, n=1, lineterm=""))[2:]  # names of two files
    return "\n".join("..." if line.startswith("@@") else line for line in told)


def same_words(before: list[str], lines: list[str]) -> bool:
    """Whether two texts differ in where their lines end at most."""
    return " ".join(before).split() == " ".join(lines).split()


async def selected(html: str, selector: str, *, url: str) -> str:
    """The parts of a page that a selector finds. Raises `WatchError` where it finds none."""
    argv = [sys.executable, "-I", pick.__file__, selector]
    fed = html.encode("utf-8", errors="replace")
    limits = Limits(PICK_SECONDS_MAX, bytes_max=ask.BYTES_MAX)
    ended = await run(argv, limits, folder=Path("/"), fed=fed)
    if ended.code == pick.WRONG_SELECTOR:
        raise WatchError(f"selector {selector!r} cannot be read; write for example main > p.news")
    if ended.code != 0:
        raise WatchError(f"{shown_url(url)} cannot be taken apart; it is too large or nested")
    parts: list[str] = json.loads(ended.output)
    if not parts:
        raise WatchError(
            f"nothing at {shown_url(url)} is a {selector!r}; has the page been rebuilt?"
        )
    return "\n".join(parts)
