"""How every page is looked at: both themes, 320 and 1280 px, by axe-core, for what a browser says.

axe-core comes by npm from `npm/package-lock.json`, which holds its hash, into the project's cache.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, Response

from tests.clients.installed import node_modules
from tests.dashboard.world import Home
from tests.engines.fixtures import require

NPM = Path(__file__).parent / "npm"
THEMES = ("light", "dark")
SIZES = ((1280, 900), (320, 640))
WEIGHT_MAX = 120_000
RUN = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
    (one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).slice(0, 5).join(" | ")}`)
"""
# What was loaded, unpacked; the stream is not counted, it never ends.
WEIGHTS = """() => Object.fromEntries(
    [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .filter((one) => !one.name.includes("/ui/live"))
        .map((one) => [one.name, one.decodedBodySize]))
"""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@functools.cache
def packages() -> Path:
    """Where npm put axe-core and uPlot."""
    found = node_modules(NPM)
    return require(found) if isinstance(found, str) else found


def violations(page: Page) -> list[str]:
    """What axe-core finds on the page as it is now."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((packages() / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    found: list[str] = page.evaluate(RUN)
    return found


@contextmanager
def listening(page: Page) -> Iterator[list[str]]:
    """What the browser complains about meanwhile: scripts, the content policy, missing files."""
    heard: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            heard.append(message.text)

    def answered(response: Response) -> None:
        if response.status >= 400:
            heard.append(f"{response.status} {response.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("response", answered)
    yield heard


def look(home: Home, page: Page, place: str, *, shows: str) -> None:
    """Open a page and look at it in all ways; it shows that text, and carries at most 120 KB."""
    with listening(page) as heard:
        page.goto(home.at(place))
        page.get_by_text(shows).first.wait_for()
        page.wait_for_load_state("load")
        weights: dict[str, int] = page.evaluate(WEIGHTS)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            for theme in THEMES:
                page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
                found = violations(page)
                assert not found, f"{place} {width} {theme}: {found}"
            assert page.evaluate(WIDER) == 0, f"{place} is wider than {width} pixels"
    assert not heard, f"{place}: {heard}"
    assert 0 < sum(weights.values()) <= WEIGHT_MAX, weights
    assert page.title() != "pwned"


def told(page: Page, place: Home, at: str) -> dict[str, Any]:
    """The headers of a page's answer, in lower case."""
    response = page.goto(place.at(at))
    assert response is not None
    return response.headers
