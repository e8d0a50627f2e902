"""Sends a message to a destination that the owner declared; there are no others.

The key of the call goes with it, so that a message sent again after a kill is known by who can
tell. A destination that the job itself names is its owner's own word; else sending is asked for
once a run holds what is private and what a stranger wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twotier.domain.label import NO_LABELS, Label, Labels
from twotier.errors import DeliveryError, ToolError
from twotier.notify.base import Message, one_line
from twotier.tools.base import Call, Result, Tool, ToolSpec
from twotier.tools.settings import Bench, Wanted

SENDS: Labels = frozenset({Label.SENDS})
TITLE_CHARACTERS_MAX = 200
TEXT_CHARACTERS_MAX = 20_000


def make(wanted: Wanted, bench: Bench) -> Sequence[Tool]:
    """One tool for all destinations of the job: those it names, or all there are."""
    return [Send(bench, tuple(wanted.targets) or tuple(bench.sends), frozenset(wanted.targets))]


@dataclass(frozen=True, slots=True)
class Send:
    """Sends to one of `names`; those in `declared` the job itself names."""

    bench: Bench
    names: tuple[str, ...]
    declared: frozenset[str]

    @property
    def spec(self) -> ToolSpec:
        """What it takes: the destinations are an enumeration."""
        text = {"type": "string"}
        parameters = {
            "type": "object",
            "properties": {"to": {"enum": list(self.names)}, "title": text, "text": text},
            "required": ["to", "title", "text"],
            "additionalProperties": False,
        }
        repeatable = all(self.bench.sends[name].repeatable for name in self.names)
        told = [(name, self.bench.sends[name].description) for name in self.names]
        which = "; ".join(f"{name}: {text}" for name, text in told if text)
        description = f"Send a message in plain text.{' ' + which if which else ''}"
        return ToolSpec("send", description, parameters, SENDS, repeatable=repeatable)

    def needs(self, arguments: Mapping[str, Any]) -> Labels:
        """Nothing more than the owner said, where the job names the destination."""
        return NO_LABELS if arguments.get("to") in self.declared else SENDS

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        """Send it. Raises `ToolError`."""
        name = str(arguments["to"])
        if name not in self.names:
            raise ToolError(f"there is no destination {name!r}; there are: {', '.join(self.names)}")
        title, text = one_line(str(arguments["title"])), str(arguments["text"])
        if not text.strip() or len(text) > TEXT_CHARACTERS_MAX:
            raise ToolError(f"a message has 1 to {TEXT_CHARACTERS_MAX:,} characters")
        facts = {"job": call.job, "run": call.run}
        message = Message(title[:TITLE_CHARACTERS_MAX], text, call.key, facts)
        try:
            destination = self.bench.sends[name]
            told = await destination.channel().send(destination.target(), message)
        except DeliveryError as exc:
            raise ToolError(f"{name}: {exc.message}; it was not sent") from exc
        return Result(f"sent to {name}: {told}")
