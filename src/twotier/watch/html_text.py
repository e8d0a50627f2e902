"""The text of HTML in time that grows with its length and not with its nesting. Pure.

Not a browser: what a style sheet hides is shown, which is right for who must not be fooled.
A parser that builds the tree takes minutes for a mail of a hundred thousand nested tags; this one
walks from tag to tag and remembers nothing.
"""

from __future__ import annotations

import re
from html import unescape

# What stands in these is no text.
SILENT = frozenset({"script", "style", "head", "template", "noscript", "svg", "title"})
# A line ends where one of these begins or ends.
LINES = frozenset(
    (
        *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset"),
        *("figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li"),
        *("main", "nav", "ol", "p", "pre", "section", "table", "tr", "ul"),
    )
)
CELLS = frozenset({"td", "th"})
TAG_NAME = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]*)")
NAME_CHARACTERS_MAX = 20
BLANKS = re.compile(r"[ \t\r\f\v\u00a0]+")


def html_text(html: str) -> str:
    """The text, a line for each block; links and pictures leave only their words."""
    parts: list[str] = []
    place, lowered = 0, html.lower()
    while (start := html.find("<", place)) >= 0:
        parts.append(html[place:start])
        place = after(lowered, start, parts=parts)
    parts.append(html[place:])
    lines = (BLANKS.sub(" ", line).strip() for line in unescape("".join(parts)).split("\n"))
    return "\n".join(line for line in lines if line)


def after(html: str, start: int, *, parts: list[str]) -> int:
    """Where text goes on behind the `<` at `start`; adds what the tag stands for."""
    if html.startswith("<!--", start):
        return behind(html, "-->", start=start)
    found = TAG_NAME.match(html, start + 1, start + 2 + NAME_CHARACTERS_MAX)
    if found is None:
        if html.startswith(("!", "?"), start + 1):
            return behind(html, ">", start=start)
        parts.append("<")
        return start + 1
    name = found.group(1)
    if name in LINES:
        parts.append("\n")
    elif name in CELLS:
        parts.append(" ")
    end = behind(html, ">", start=start)
    if name in SILENT and html[start + 1] != "/":
        closing = html.find(f"</{name}", end)
        return len(html) if closing < 0 else behind(html, ">", start=closing)
    return end


def behind(html: str, mark: str, *, start: int) -> int:
    """The place behind the next mark; the end where there is none."""
    found = html.find(mark, start)
    return len(html) if found < 0 else found + len(mark)
