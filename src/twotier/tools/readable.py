"""From a page to the text that a person would read: its title, its content, where its links lead.

trafilatura knows best what of a page is content and is an extra; without it the tree is walked
here: scripts, navigation, forms and what is hidden are left out, headings, lists and links stay.

It is run as a program of its own, by its path: a page of a few kilobytes can keep any parser that
builds a tree busy for minutes and fill the memory (formatting elements that are never closed), and
a worker should not hold trafilatura for the pages it may read tomorrow. So nothing of ours is
imported here. Reads HTML from its input, prints title and text as JSON.
"""

from __future__ import annotations

import importlib
import json
import logging
import re
import resource
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

LEFT_OUT = (
    "script,style,noscript,template,svg,iframe,object,canvas,nav,footer,aside,form,button,select,"
    "[hidden],[aria-hidden=true],[style*='display:none'],[style*='display: none'],"
    "[style*='visibility:hidden'],[style*='visibility: hidden']"
)
CONTENT = ("main", "article", "[role=main]", "body")
BLOCKS = frozenset(
    (
        *("address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption"),
        *("figure", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "ol", "p"),
        *("pre", "section", "table", "tr", "ul"),
    )
)
HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
CONTENT_CHARACTERS_MIN = 200  # less of a page than this was not understood
SILENT = logging.CRITICAL + 1
CPU_SECONDS_MAX = 10
MEMORY_BYTES_MAX = 1 << 30
TEXT_CHARACTERS_MAX = 1_000_000
DEPTH_MAX = 200  # of elements in elements; what is deeper is no page


def readable(html: str, url: str) -> tuple[str, str]:
    """Title and text of a page; the text is empty where there is none to read. Blocking."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html)
    head = tree.css_first("title")
    title = " ".join(head.text().split()) if head else ""
    best = by_trafilatura(html, url)
    if len(best) >= CONTENT_CHARACTERS_MIN:
        return title, best
    for one in tree.css(LEFT_OUT):
        one.decompose()
    for selector in CONTENT:
        for found in tree.css(selector)[:1]:
            text = tidy("".join(pieces(found, url, depth=0)))
            if len(text) >= CONTENT_CHARACTERS_MIN or selector == CONTENT[-1]:
                return title, text if len(text) >= len(best) else best
    return title, best


def by_trafilatura(html: str, url: str) -> str:
    """What trafilatura takes for the content; empty where it is not installed or finds nothing."""
    try:
        trafilatura: Any = importlib.import_module("trafilatura")
    except ImportError:
        return ""
    # What it could not read is nobody's business, and would quote the page.
    logging.getLogger("trafilatura").setLevel(SILENT)
    found = trafilatura.extract(
        html, url=url, output_format="markdown", include_links=True, include_tables=True
    )
    return str(found or "").strip()


def pieces(node: LexborNode, url: str, *, depth: int) -> Iterator[str]:
    """The text below an element, with line breaks where a browser has them."""
    if depth > DEPTH_MAX:
        return
    for child in node.iter(include_text=True):
        name = child.tag or ""
        if name == "-text":
            yield re.sub(r"\s+", " ", child.text(deep=False))
            continue
        inside = "".join(pieces(child, url, depth=depth + 1))
        if name == "a":
            yield linked(inside, child.attributes.get("href") or "", url=url)
        elif name == "td" or name == "th":
            yield f"{inside.strip()} | "
        elif name in BLOCKS:
            mark = "- " if name == "li" else HEADINGS.get(name, "")
            yield f"\n{mark}{inside.lstrip() if mark else inside}\n"
        else:
            yield inside


def linked(text: str, target: str, *, url: str) -> str:
    """A link with where it leads, if that is another page of the web."""
    words = " ".join(text.split())
    try:
        whole = urljoin(url, target.strip())
    except ValueError:
        return words
    if not words or target.startswith("#") or not whole.startswith(("http://", "https://")):
        return words
    return f"[{words}]({whole})"


def tidy(text: str) -> str:
    """Lines without spaces at their ends, and at most one empty line between two."""
    lines = "\n".join(line.strip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


def main() -> int:
    """The program: the page's address is its one word."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    if sys.platform != "darwin":  # which reserves more than that for every process
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    html = sys.stdin.buffer.read().decode("utf-8", errors="replace")
    title, text = readable(html, sys.argv[1])
    sys.stdout.write(json.dumps([title, text[:TEXT_CHARACTERS_MAX]]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
