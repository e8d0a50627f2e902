"""What an MCP server says, made fit for a prompt. Pure.

Names, descriptions and results are somebody else's text: they are cut, their control characters
taken out, and nothing in them decides anything. A server cannot take another tool's name: ours
begin with `mcp_` and the server's own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from twotier.errors import ToolError
from twotier.tools.base import ToolSpec

NAME_CHARACTERS_MAX = 64  # what all providers take
DESCRIPTION_CHARACTERS_MAX = 600
BRIEF_CHARACTERS_MAX = 160  # for a small model, which reads everything it is told
SCHEMA_CHARACTERS_MAX = 8_000
RESULT_CHARACTERS_MAX = 1_000_000  # kept; how much of it is shown is the caller's business
ERROR_CHARACTERS_MAX = 1_000
WORDY = frozenset({"description", "title", "examples", "$comment"})
NAMED = frozenset({"properties", "$defs", "definitions", "patternProperties"})

INVALID = re.compile(r"[^a-zA-Z0-9_-]+")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069]")
SENTENCE_END = re.compile(r"(?<=[.!?])\s")


def tool_name(server: str, tool: str) -> str:
    """The name a model calls it by. One that had to be changed carries a mark of the whole name,
    so two never become one.
    """
    whole = f"mcp_{server}_{tool}"
    name = INVALID.sub("_", whole)
    if name == whole and len(name) <= NAME_CHARACTERS_MAX:
        return name
    mark = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{name[: NAME_CHARACTERS_MAX - 9]}_{mark}"


def plain(text: str, *, characters_max: int) -> str:
    """Text without control and invisible characters, cut with a word about it."""
    clean = CONTROL.sub("", text).strip()
    if len(clean) <= characters_max:
        return clean
    return f"{clean[:characters_max].rstrip()} [cut: {len(clean)} characters in all]"


def described(text: str, *, characters_max: int) -> str:
    """A description on one line: whole sentences as far as they fit, at least the first words."""
    line = " ".join(CONTROL.sub(" ", text).split())
    if len(line) <= characters_max:
        return line
    kept = ""
    for sentence in SENTENCE_END.split(line):  # pragma: no branch - all of them do not fit
        if len(kept) + len(sentence) + 1 > characters_max:
            break
        kept = f"{kept} {sentence}".strip()
    return kept or f"{line[: characters_max - 3].rstrip()}..."


def schema_of(schema: Mapping[str, Any], *, tool: str) -> dict[str, Any]:
    """The schema of its arguments, always an object. A long one loses its words first.

    Raises `ToolError` for one that is longer even without them.
    """
    found = {"properties": {}, **schema, "type": "object"}
    found.pop("$schema", None)
    if size(found) > SCHEMA_CHARACTERS_MAX:
        found = wordless(found)
    if size(found) > SCHEMA_CHARACTERS_MAX:
        raise ToolError(
            f"{tool} has a schema of {size(found):,} characters, more than"
            f" {SCHEMA_CHARACTERS_MAX:,}; leave it out of `tools`"
        )
    return found


def brief(spec: ToolSpec) -> ToolSpec:
    """The same tool in few words, for a tier with a small model: one short description, and a
    schema without words.
    """
    return replace(
        spec,
        description=described(spec.description, characters_max=BRIEF_CHARACTERS_MAX),
        parameters=wordless(spec.parameters),
    )


def size(schema: Mapping[str, Any]) -> int:
    """How many characters it costs in a prompt."""
    return len(json.dumps(schema, ensure_ascii=False))


def wordless(schema: Any, *, named: bool = False) -> Any:
    """A schema without its words. Keys that are names of properties stay, whatever they are."""
    if isinstance(schema, Mapping):
        return {
            key: wordless(part, named=key in NAMED and not named)
            for key, part in schema.items()
            if named or key not in WORDY
        }
    return [wordless(part) for part in schema] if isinstance(schema, list) else schema


def result_text(blocks: Iterable[Any], structured: object) -> str:
    """The text of a result's parts; what is no text is named with its size and left out."""
    parts = [part for block in blocks if (part := block_text(block))]
    if not parts and structured is not None:
        parts = [json.dumps(structured, ensure_ascii=False)]
    return plain("\n\n".join(parts), characters_max=RESULT_CHARACTERS_MAX) or "(empty)"


def block_text(block: Any) -> str:
    """One part of a result as text."""
    match block.type:
        case "text":
            return str(block.text)
        case "resource":
            text = getattr(block.resource, "text", None)
            return str(text) if text is not None else f"[{block.resource.uri}: not text]"
        case "resource_link":
            return f"[{block.name}: {block.uri}]"
        case kind:
            return f"[{kind}, {len(getattr(block, 'data', '')) * 3 // 4:,} bytes, not shown]"
