"""How runs are told on every page: a mark, a word and a sentence for each state. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from twotier.dashboard.words import at

ON_THE_WAY = ("due", "running", "waiting-approval")
RESUMABLE = ("interrupted",)


@dataclass(frozen=True, slots=True)
class Shown:
    """How a state is shown: its mark's kind, its word, and what it means."""

    kind: str
    word: str
    means: str


STATES: Mapping[str, Shown] = {
    "done": Shown("good", "done", "it worked, and its answer was delivered"),
    "quiet": Shown("idle", "quiet", "nothing was new, so no model was asked"),
    "late": Shown("warn", "late", "it worked, after its time"),
    "failed": Shown("bad", "failed", "it did not work; the run says why"),
    "interrupted": Shown("bad", "interrupted", "it was ended before it was over"),
    "missed": Shown("warn", "missed", "twotier was not running then"),
    "skipped": Shown("idle", "skipped", "it was left out, for the reason it gives"),
    "due": Shown("busy", "due", "it is about to begin"),
    "running": Shown("busy", "running", "it is going on"),
    "waiting-approval": Shown("warn", "waits for you", "a call of a tool needs your yes"),
}


def shown(state: str) -> Shown:
    """How a state is shown; one that nobody thought of is something to look at."""
    return STATES.get(state, Shown("warn", state, ""))


def run_told(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run with its mark and its word."""
    found = shown(str(run["state"]))
    return {**run, "kind": found.kind, "word": found.word, "means": found.means}


def bars(runs: Sequence[Mapping[str, Any]], *, zone: tzinfo, now: datetime) -> list[dict[str, Any]]:
    """The bars of a strip, the oldest first; each has its state's name as its class."""
    told = (run_told(run) for run in runs)
    return [
        {**run, "title": f"{run['word']}, {at(run['slot'], zone=zone, now=now)}"} for run in told
    ]


def summary(runs: Iterable[Mapping[str, Any]]) -> str:
    """A strip in words: `last 48 runs: 40 quiet, 7 done, 1 failed`, the most frequent first."""
    words = Counter(shown(str(run["state"])).word for run in runs)
    if not words:
        return "no run yet"
    parts = ", ".join(f"{number} {word}" for word, number in words.most_common())
    total = words.total()
    return f"last {total} runs: {parts}" if total > 1 else f"one run: {next(iter(words))}"
