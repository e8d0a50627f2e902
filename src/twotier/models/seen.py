"""What was predicted for each model and what was seen, in one small file that main writes.

Seen is what the system counts for the server's process: once its first token came, and at its
highest since. The difference corrects the next prediction. A peak only corrects upwards: it tells
how full the server became, not how full it can become.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from twotier.domain.memory import Footprint

FILE_BYTES_MAX = 4_000_000
MODELS_MAX = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """One model on one engine; predictions without correction. 0 is not seen yet.

    `chosen`: the settings that were chosen last, with what they were chosen for.
    """

    loaded_predicted: int = 0
    loaded_seen: int = 0
    peak_predicted: int = 0
    peak_seen: int = 0
    at: str = ""
    chosen: Mapping[str, Any] = field(default_factory=dict)

    @property
    def correction_bytes(self) -> int:
        """What to add to the next prediction; less than 0 where it was too high."""
        if not self.loaded_seen:
            return 0
        after_load = self.loaded_seen - self.loaded_predicted
        return max(after_load, self.peak_seen - self.peak_predicted)


def seen_after_load(before: Seen, need: Footprint, *, held_bytes: int, at: str) -> Seen:
    """The first token came: a new prediction is compared from here on."""
    plain = need.corrected(0)
    return replace(
        before,
        loaded_predicted=plain.loaded_bytes,
        loaded_seen=held_bytes,
        peak_predicted=plain.predicted_bytes,
        peak_seen=held_bytes,
        at=at,
    )


def seen_at_peak(before: Seen, peak_bytes: int) -> Seen:
    """It has held so much at its highest."""
    return replace(before, peak_seen=max(before.peak_seen, peak_bytes))


class SeenFile:
    """The file. One process writes it; whoever reads it finds the last whole state.

    `writes` False: `put` does nothing, for the processes that may only read.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self._path = path
        self._writes = writes

    def get(self, key: str) -> Seen:
        """What is known; nothing where the file has no such model or cannot be read."""
        try:
            return msgspec.convert(self._rows().get(key, {}), Seen)
        except msgspec.ValidationError:
            return Seen()

    def put(self, key: str, seen: Seen) -> None:
        """Write it. A full disk loses only this: the next prediction is made without."""
        if not self._writes:
            return
        rows = dict(self._rows())
        rows.pop(key, None)
        rows[key] = asdict(seen)
        kept = dict(list(rows.items())[-MODELS_MAX:])
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            fresh.touch(mode=0o600)
            fresh.write_text(json.dumps(kept, indent=1), encoding="utf-8")
            fresh.replace(self._path)

    def _rows(self) -> Mapping[str, Any]:
        try:
            with self._path.open("rb") as file:
                found = json.loads(file.read(FILE_BYTES_MAX))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
