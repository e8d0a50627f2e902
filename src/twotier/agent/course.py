"""How far a turn has come: what it has used, what it holds, and when it is enough. Pure.

A run that is replayed counts the same again, because it counts only what steps gave back.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twotier.agent.guard import grown
from twotier.agent.said import Said
from twotier.agent.turn import Limits
from twotier.domain.label import Label, Labels
from twotier.errors import StuckError
from twotier.verify.checks import circles
from twotier.verify.guards import Flight

COMPACT_CHARACTERS_MAX = 2_000  # of what the other tier is told of a turn that failed
LINE_CHARACTERS_MAX = 200
TEXT_CHARACTERS_MIN = 20  # shorter words before a call are said again and again by good ones too


@dataclass(slots=True)
class Course:
    """The sums of a turn. The counts of loops belong to one attempt, the rest to all of them."""

    limits: Limits
    taint: Labels
    steps: int = 0
    calls: int = 0
    refused: int = 0
    tokens: int = 0
    cost_microusd: int = 0
    tools_microusd: int = 0
    last: Said | None = None
    tiers: set[str] = field(default_factory=set)
    story: list[str] = field(default_factory=list)
    identical: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    empty: int = 0
    seconds: float = 0.0
    results: set[str] = field(default_factory=set)
    stale: int = 0
    text: str = ""
    same_text: int = 0

    def before_step(self) -> int:
        """The number of the next model call. Raises `StuckError` where there is none left."""
        if self.steps >= self.limits.steps_max:
            raise StuckError(f"no result after {self.steps} model calls (steps_max)")
        if self.tokens >= self.limits.tokens_max:
            raise StuckError(f"no result after {self.tokens} tokens (tokens_max)")
        self.steps += 1
        return self.steps

    def said(self, said: Said) -> None:
        """A model answered. Raises `StuckError` for half an answer, and for silence again."""
        self.tokens += said.tokens
        self.cost_microusd += said.cost_microusd
        self.last = said
        self.tiers.add(said.tier)
        self.seconds += said.seconds
        text = " ".join(text_of(said.message).split())
        again = text == self.text and len(text) >= TEXT_CHARACTERS_MIN
        self.text, self.same_text = text, self.same_text + 1 if again else 1
        if said.finish == "length":
            raise StuckError("the answer was cut (output_tokens_max)")
        self.empty = self.empty + 1 if is_empty(said.message) else 0
        if self.empty >= self.limits.empty_max:
            raise StuckError(f"{self.empty} empty answers in a row")

    def before_call(self, tool: str, arguments: Mapping[str, Any]) -> int:
        """The number of this call of a tool. Raises `StuckError` where it goes in circles."""
        self.calls += 1
        same = f"{tool} {digest(arguments)}"
        self.identical[same] += 1
        if self.identical[same] >= self.limits.identical_max:
            times = self.identical[same]
            raise StuckError(f"{tool} was called {times} times with the same arguments")
        return self.calls

    def called(self, tool: str, arguments: Mapping[str, Any], *, given: Mapping[str, Any]) -> None:
        """What a call gave: its text, labels, cost, and whether it was a failure."""
        self.taint = grown(self.taint, frozenset(Label(name) for name in given["labels"]))
        self.tools_microusd += int(given["cost_microusd"])
        self.refused += bool(given["refused"])
        self.seconds += float(given.get("seconds", 0.0))  # not kept by versions before
        asked = short(json.dumps(arguments, sort_keys=True, ensure_ascii=False))
        self.story.append(f"{tool} {asked}: {short(str(given['text']))}")
        result = hashlib.sha256(f"{tool}\0{given['text']}".encode(errors="replace")).hexdigest()
        self.stale = self.stale + 1 if result in self.results else 0
        self.results.add(result)
        self.errors = self.errors + 1 if given["failed"] else 0
        if self.errors >= self.limits.errors_max:
            raise StuckError(f"{self.errors} calls of tools failed in a row")

    def again(self) -> None:
        """Another tier begins: it has made no mistakes yet, and as many steps as the first."""
        self.identical.clear()
        self.errors = self.empty = 0
        self.limits = more(self.limits, steps=self.steps)

    def flight(self) -> Flight:
        """How far it has come, for those who ask whether it had better be handed over. Seconds are
        those of its calls of models and tools, which a run that is replayed counts the same again.
        """
        return Flight(
            steps=self.steps,
            tokens=self.tokens,
            seconds=self.seconds,
            left_seconds=self.limits.seconds_max - self.seconds,
            stale=self.stale,
            same_text=self.same_text if self.text else 0,
            circles=circles(self.text),
        )

    def compact(self) -> str:
        """What was done so far, in a few lines."""
        return compact_of(self.story)


def compact_of(story: Sequence[str]) -> str:
    """Lines as one text, the end of it where it is long: the latest counts."""
    return "\n".join(f"- {line}" for line in story)[-COMPACT_CHARACTERS_MAX:]


def more(limits: Limits, *, steps: int) -> Limits:
    """The limits of a second attempt: as many steps again, the same tokens for both."""
    return Limits(
        steps_max=limits.steps_max + steps,
        tokens_max=limits.tokens_max,
        seconds_max=limits.seconds_max,
        identical_max=limits.identical_max,
        errors_max=limits.errors_max,
        empty_max=limits.empty_max,
    )


def is_empty(message: Mapping[str, Any]) -> bool:
    """Neither words nor calls."""
    return not text_of(message).strip() and not message.get("tool_calls")


def text_of(message: Mapping[str, Any]) -> str:
    """The words of a message; those of all its parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, Mapping))


def digest(arguments: Mapping[str, Any]) -> str:
    """The sha256 of the arguments in their canonical form."""
    return hashlib.sha256(canonical(arguments).encode()).hexdigest()


def canonical(arguments: Mapping[str, Any]) -> str:
    """JSON with one way to write it: keys in order, no spaces, no escapes that could be left out.

    A lone surrogate cannot be hashed as text; it is written as its escape.
    """
    text = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", errors="backslashreplace").decode()


def short(text: str) -> str:
    """One line, not too long."""
    line = " ".join(text.split())
    return line if len(line) <= LINE_CHARACTERS_MAX else f"{line[: LINE_CHARACTERS_MAX - 3]}..."
