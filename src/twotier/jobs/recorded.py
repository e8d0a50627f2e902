"""What a run's agent has called and heard, read from its transcript. Pure.

A transcript holds the wire's own messages, of one attempt after another; ids of calls are unique
within the message that makes them, and no further.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twotier.agent.course import digest
from twotier.agent.talk import arguments_of

FAILED, REFUSED, WRONG = "error: ", "refused: ", "wrong arguments: "  # how results of calls begin


@dataclass(frozen=True, slots=True)
class Called:
    """A call and the text it gave."""

    tool: str
    arguments: Mapping[str, Any]
    text: str

    @property
    def made(self) -> bool:
        """Whether the tool was reached at all."""
        return not self.text.startswith((REFUSED, WRONG))

    @property
    def done(self) -> bool:
        """Whether it did what it was to do."""
        return self.made and not self.text.startswith(FAILED)


@dataclass(slots=True)
class Recorded:
    """The calls of a turn in their order. The same call made twice is heard one after another;
    made more often, it hears the last again.
    """

    calls: Sequence[Called] = ()
    _heard: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, Any]]) -> Recorded:
        """From a transcript."""
        return cls(tuple(called(messages)))

    def next(self, tool: str, arguments: Mapping[str, Any]) -> Called | None:
        """What this call heard, None where it was not made."""
        same = [one for one in self._same(tool, arguments) if one.made]
        if not same:
            return None
        key = f"{tool} {digest(arguments)}"
        self._heard[key] += 1
        return same[min(self._heard[key], len(same)) - 1]

    def refusal(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Why exactly this call was refused; empty where it was made, or never wanted."""
        same = self._same(tool, arguments)
        refused = [one for one in same if one.text.startswith(REFUSED)]
        only = refused and len(refused) == len(same)
        return refused[0].text.removeprefix(REFUSED) if only else ""

    @property
    def texts(self) -> list[str]:
        """What its tools told, as far as they told something."""
        return [one.text for one in self.calls if one.done]

    def _same(self, tool: str, arguments: Mapping[str, Any]) -> list[Called]:
        wanted = digest(arguments)
        return [one for one in self.calls if one.tool == tool and digest(one.arguments) == wanted]


def called(messages: Sequence[Mapping[str, Any]]) -> Iterator[Called]:
    """The calls of tools in messages, each with its result; one without a result was not made."""
    wanted: dict[str, tuple[str, dict[str, Any]]] = {}
    for message in messages:
        if message.get("role") == "assistant":
            wanted = {
                str(call["id"]): (
                    str(call["function"]["name"]),
                    arguments_of(call["function"].get("arguments")),
                )
                for call in message.get("tool_calls") or []
            }
        found = wanted.pop(str(message.get("tool_call_id")), None)
        if message.get("role") == "tool" and found is not None:
            yield Called(found[0], found[1], str(message.get("content")))
