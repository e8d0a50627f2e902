"""How well routing decides, on tables of outcomes that somebody measured: one module a table.

Who has such tables names their folder in `TWOTIER_ROUTING_DATA`; several may not be published, so
none is here, and without the variable each figure says that it was not measured. What is scored is
twotier's own code, with what it would know at that moment and nothing else.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

VARIABLE = "TWOTIER_ROUTING_DATA"
Row = dict[str, Any]


class SkippedError(Exception):
    """There is nothing to score; the sentence says what to do."""


def rows(name: str) -> list[Row]:
    """The rows of a table by its file name (`agent_swe.jsonl.gz`). Raises `SkippedError`."""
    folder = os.environ.get(VARIABLE, "")
    if not folder:
        raise SkippedError(f"set {VARIABLE} to a folder with {name}")
    path = Path(folder, name)
    if not path.is_file():
        raise SkippedError(f"there is no {name} in the folder that {VARIABLE} names")
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    return [json.loads(line) for line in text.splitlines() if line.strip()]
