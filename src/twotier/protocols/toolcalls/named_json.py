"""A call as one JSON object with its name in it: what Hermes, Qwen, Llama and Mistral share."""

from __future__ import annotations

from typing import Any

from twotier.protocols.toolcalls.base import NAME, Cursor, Kind, Written
from twotier.protocols.toolcalls.lenient import BrokenJsonError, read_value

# How such an object begins. Most begin with the name, and then other JSON is told apart by it.
NAMED_HEAD = rf"\{{\s*+[\"']?name[\"']?\s*+:\s*+[\"']{NAME}[\"']"
OBJECT_HEAD = (
    rf"\{{\s*+[\"']?(?:name[\"']?\s*+:\s*+[\"'](?P<name>{NAME})[\"']"
    r"|(?:arguments|parameters|args|input|type|id|function)[\"']?\s*+:)"
)
_ARGUMENTS = ("arguments", "parameters", "args", "input")


def json_call(cursor: Cursor) -> Written | None:
    """`{"name": ..., "arguments": {...}}` at the cursor; None for anything else."""
    if not cursor.text.startswith("{", cursor.at):
        return None
    value, flaws = json_value(cursor)
    return written(value, flaws) if isinstance(value, dict) else None


def json_value(cursor: Cursor) -> tuple[Any, frozenset[Kind]]:
    """The value at the cursor and what was wrong with it; None where it cannot be read."""
    try:
        value, cursor.at, clean, closed = read_value(cursor.text, cursor.at)
    except BrokenJsonError:
        return None, frozenset()
    flaws = set() if clean else {Kind.JSON}
    return value, frozenset(flaws if closed else {*flaws, Kind.UNCLOSED})


def written(value: dict[str, Any], flaws: frozenset[Kind] = frozenset()) -> Written | None:
    """The call that an object says, None where it says none."""
    inner = value.get("function")
    if isinstance(inner, dict):
        return written({"id": value.get("id"), **inner, "function": None}, flaws)
    name = value.get("name") or inner
    arguments: Any = next((value[key] for key in _ARGUMENTS if value.get(key) is not None), {})
    if isinstance(arguments, str):
        read = Cursor(arguments.strip() or "{}", 0)
        arguments, more = json_value(read)
        flaws = flaws | more
        if read.text[read.at :].strip():
            return None
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    id_ = value.get("id")
    return Written(name, arguments, flaws=flaws, id=id_ if isinstance(id_, str) else "")
