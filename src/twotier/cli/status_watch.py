"""`twotier status --watch`: the same, again and again, until Ctrl-C.

On a terminal the page is drawn in place. Elsewhere a status follows the one before only where it
says something else; with `--json` each is a document on a line of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twotier.cli.output import SCHEMA_VERSION
from twotier.cli.peers import main_of
from twotier.cli.status import lines
from twotier.domain.urls import without_secrets
from twotier.errors import NotRunningError

SECONDS = 2.0
TOP, LINE_END, REST = "\x1b[H", "\x1b[K\n", "\x1b[J"
CLEAR = "\x1b[2J"


def watch(config: Path, *, as_json: bool, sleep: Callable[[float], None]) -> int:
    """Until Ctrl-C, which is how it ends well. A main that is down is waited for."""
    drawn = not as_json and sys.stdout.isatty()
    before: list[str] = []
    if drawn:
        sys.stdout.write(CLEAR)
    try:
        while True:
            page = look(config, as_json=as_json)
            if drawn:
                sys.stdout.write(TOP + "".join(f"{line}{LINE_END}" for line in page) + REST)
            elif page != before:
                print("\n".join([*([""] if before and not as_json else []), *page]))
            sys.stdout.flush()
            before = page
            sleep(SECONDS)
    except KeyboardInterrupt:
        return 0


def look(config: Path, *, as_json: bool) -> list[str]:
    """The lines of one status."""
    try:
        told = without_secrets(main_of(config).get("/control/status"))
    except NotRunningError as exc:
        error = {"code": exc.code, "message": exc.message}
        return [document({"error": error})] if as_json else [exc.message]
    return [document(told)] if as_json else lines(told)


def document(told: Mapping[str, Any]) -> str:
    """One line of JSON with the version of its shape."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **told}, ensure_ascii=False)
