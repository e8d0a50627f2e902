"""Picks the parts of a page that a CSS selector finds; run as a program of its own, by its path.

A page of a few kilobytes can keep any parser that builds a tree busy for minutes and fill the
memory (formatting elements that are never closed; measured with 80 KB: 13 s, 25 million nodes). So
it is done in a child with limits to time and memory, and never where jobs run.

Reads HTML from its input, prints a JSON list of the parts. Ends with 3 where the selector itself
cannot be read.
"""

from __future__ import annotations

import json
import resource
import sys

CPU_SECONDS_MAX = 10
MEMORY_BYTES_MAX = 512 << 20
WRONG_SELECTOR = 3


def picked(html: bytes, selector: str) -> list[str]:
    """The parts, as HTML. Raises ValueError for a selector that cannot be read."""
    from selectolax.lexbor import LexborHTMLParser, SelectolaxError

    tree = LexborHTMLParser(html)
    try:
        return [node.html or "" for node in tree.css(selector)]
    except SelectolaxError as exc:
        raise ValueError(str(exc)) from exc


def main() -> int:
    """The program."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    if sys.platform != "darwin":  # which reserves more than that for every process
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    try:
        parts = picked(sys.stdin.buffer.read(), sys.argv[1])
    except ValueError:
        return WRONG_SELECTOR
    sys.stdout.write(json.dumps(parts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
