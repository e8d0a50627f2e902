"""What both fakes answer: a small machine that does as the last message says, the same each time.

It echoes; asked to "use the tool" it calls one (to "use both tools", two); given a tool's result it
reports it; given a schema it answers with an object that fits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Said:
    """What the machine was told, free of any dialect."""

    text: str
    tools: Sequence[tuple[str, Mapping[str, Any]]] = ()
    results: Sequence[str] = ()
    must_call: str | None = None  # the name of a tool, "" for any
    may_call_many: bool = True
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Thought:
    """What it answers: a text, or calls of (name, arguments)."""

    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()


Mind = Callable[[Said], Thought]


def answer(said: Said) -> Thought:
    """The one answer to what was said."""
    if said.results:
        return Thought("The tool said: " + " and ".join(said.results))
    wanted = said.must_call is not None or re.search(r"use (the|both) tools?", said.text)
    if wanted and said.tools:
        count = 2 if "both tools" in said.text and said.may_call_many else 1
        tools = [tool for tool in said.tools if not said.must_call or tool[0] == said.must_call]
        calls = [(name, sample(schema)) for name, schema in tools[:count]]
        return Thought("Let me look.", calls)
    if said.schema is not None:
        return Thought(json.dumps(sample(said.schema)))
    told = re.search(r"say: (.*)", said.text, re.DOTALL)
    return Thought(told[1] if told else f"You said: {said.text}")


def sample(schema: Any) -> Any:
    """Something that fits the schema: the first value of each kind."""
    if not isinstance(schema, Mapping):  # `true`: anything fits
        return {}
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type", "object"):
        case "object":
            properties: Mapping[str, Any] = schema.get("properties") or {}
            return {name: sample(inner) for name, inner in properties.items()}
        case "array":
            return [sample(schema.get("items") or {"type": "string"})]
        case "integer" | "number":
            return 7
        case "boolean":
            return True
        case _:
            return "Köln 🙂"


def tokens(text: str) -> list[str]:
    """The text in pieces of at most four letters: our tokens. Joined, they are the text again."""
    return re.findall(r"\s*\w{1,4}|\s*[^\w\s]|\s+", text)
