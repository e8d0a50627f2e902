"""Reads a page of the web as text.

What comes back is a stranger's; from a host at home that the owner allowed it is private too. An
address carries out what stands in it, so every fetch sends, except to the hosts that the job names;
and once a run has read what is private, only those are asked, whatever a page redirects to.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twotier.domain.label import Label, Labels
from twotier.errors import ReachError, ToolError
from twotier.tools import readable
from twotier.tools.addresses import listed
from twotier.tools.base import Call, Result, Tool, ToolSpec
from twotier.tools.children import Bounds, run
from twotier.tools.page import Page
from twotier.tools.settings import Bench, Wanted
from twotier.tools.web import at_home, host_of

READS: Labels = frozenset({Label.UNTRUSTED})
HOME: Labels = READS | {Label.PRIVATE}
LABELS: Labels = READS | {Label.SENDS}
ACCEPT = "text/html, application/xhtml+xml, text/plain;q=0.9, application/json;q=0.9, */*;q=0.5"
HTML = ("text/html", "application/xhtml+xml")
TEXTS = ("application/json", "application/xml", "application/yaml", "application/javascript")
READABLE_BYTES_MAX = 8_000_000  # of what the program prints: JSON of a million characters
TEXT_ENDINGS = ("+json", "+xml", "+yaml")


def make(wanted: Wanted, bench: Bench) -> Sequence[Tool]:
    """The tool; it takes no targets."""
    del wanted
    return [Fetch(bench)]


@dataclass(frozen=True, slots=True)
class Fetch:
    """GETs an address and makes text of it."""

    bench: Bench

    @property
    def spec(self) -> ToolSpec:
        """What it takes."""
        parameters = {
            "type": "object",
            "properties": {"url": {"type": "string"}},
            "required": ["url"],
            "additionalProperties": False,
        }
        return ToolSpec("fetch", "Read a web page as text.", parameters, LABELS, looks=True)

    def needs(self, arguments: Mapping[str, Any]) -> Labels:
        """Nothing is sent where the job itself names the host."""
        url = str(arguments.get("url", ""))
        try:
            labels = self._labels(url)
            return labels if listed(self.bench.hosts, host_of(url)) else labels | LABELS
        except ReachError:
            return LABELS

    def _labels(self, url: str) -> Labels:
        """What a page of this address brings along."""
        return HOME if at_home(self.bench.web, url) else READS

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        """The page's title, address and text. Raises `ToolError`."""
        web = self.bench.web
        if Label.PRIVATE in call.taint:
            web = web.only(self.bench.hosts)
        sizes = self.bench.sizes
        seconds = min(sizes.seconds_max, call.deadline_seconds)
        try:
            page = await web.get(
                str(arguments["url"]),
                headers={"accept": ACCEPT},
                bytes_max=sizes.page_bytes_max,
                seconds=seconds,
            )
            page.expect_ok()
        except ReachError as exc:
            raise ToolError(exc.message) from exc
        title, text = await text_of(page, seconds)
        head = f"{title}\n{page.url}" if title else page.url
        return Result(f"{head}\n\n{text}", self._labels(page.url))


async def text_of(page: Page, seconds: float) -> tuple[str, str]:
    """Title and text. Raises `ToolError` for what cannot be read as text."""
    kind = page.content_type
    looks_html = not kind and page.body[:200].lstrip()[:1] == b"<"
    if kind in HTML or looks_html:
        return await read_apart(page, seconds)
    if kind.startswith("text/") or kind in TEXTS or kind.endswith(TEXT_ENDINGS) or not kind:
        if b"\0" in page.body[:8_192] and "charset" not in page.headers.get("content-type", ""):
            raise ToolError("the address holds no text")
        return "", page.text
    raise ToolError(f"the address holds {kind}, which cannot be read as text")


async def read_apart(page: Page, seconds: float) -> tuple[str, str]:
    """Title and text of HTML, read by a program of its own, within limits. Raises `ToolError`."""
    ended = await run(
        [sys.executable, "-I", readable.__file__, page.url.partition("?")[0]],
        folder=Path(readable.__file__).parent,
        environment={"LC_ALL": "C.UTF-8"},
        bounds=Bounds(seconds, READABLE_BYTES_MAX),
        fed=page.text.encode("utf-8", "replace") or b"\n",
    )
    if ended.code or ended.bytes_cut:
        raise ToolError("the page is too tangled to be read as text; try another one")
    title, text = json.loads(ended.output)
    if not text:
        raise ToolError("the page holds no text; it may be drawn by scripts")
    return str(title), str(text)
