"""The tools of a Responses body, and which of them the model may or must call.

Two kinds have no like in other dialects. A namespace groups tools; each is said there under one
name made of both, and its calls are taken apart again for the client. Hosted tools are run by the
provider itself: nobody else can, so they are left out and named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from twotier.domain.message import Tool, ToolChoice
from twotier.errors import RequestError
from twotier.protocols.freeform import freeform

# The longest name that Chat Completions takes.
NAME_CHARS_MAX = 64
_DIGEST_CHARS = 8
# The item with which a client offers more tools in mid-conversation.
ADDED = "additional_tools"


class FormatIn(msgspec.Struct):
    """The form of a custom tool's text."""

    type: str = "text"
    syntax: str = ""
    definition: str = ""


class ToolIn(msgspec.Struct):
    """A tool of any type."""

    type: str = ""
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    format: FormatIn | None = None
    tools: list[ToolIn] | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    output_schema: dict[str, Any] | None = None

    def unsaid(self) -> Iterator[str]:
        """The fields that no other dialect has."""
        for field in ("defer_loading", "allowed_callers", "output_schema"):
            if getattr(self, field):
                yield f"tools[].{field}"


class ChoiceIn(msgspec.Struct):
    """A choice that is more than a word."""

    type: str = ""
    name: str = ""
    mode: str = "auto"
    tools: list[ToolIn] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Named:
    """A tool as the client knows it."""

    name: str
    namespace: str = ""
    freeform: bool = False


def joined(namespace: str | None, name: str) -> str:
    """One name for a tool in a namespace; the name itself where there is none."""
    if not namespace:
        return name
    whole = namespace + name if namespace.endswith("__") else f"{namespace}__{name}"
    if len(whole) <= NAME_CHARS_MAX:
        return whole
    digest = hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()[:_DIGEST_CHARS]
    return f"{whole[: NAME_CHARS_MAX - 1 - _DIGEST_CHARS]}_{digest}"


def read_tools(given: Iterable[ToolIn], *, unsaid: set[str]) -> tuple[Tool, ...]:
    """The tools that can be said, namespaces opened. Raises `RequestError` for one unnamed."""
    return tuple(tool for one in given for tool in _tools(one, "", unsaid=unsaid))


def _tools(given: ToolIn, namespace: str, *, unsaid: set[str]) -> Iterator[Tool]:
    unsaid.update(given.unsaid())
    name = joined(namespace, given.name)
    match given.type:
        case "function" | "custom" if not given.name:
            raise RequestError(f"tools[].name: is missing; give each {given.type} tool its name")
        case "function":
            yield Tool(name, given.description or "", given.parameters or {}, given.strict)
        case "custom":
            form = given.format or FormatIn()
            yield freeform(
                name, given.description or "", syntax=form.syntax, definition=form.definition
            )
        case "namespace":
            for inner in given.tools or ():
                yield from _tools(inner, given.name, unsaid=unsaid)
        case hosted:
            unsaid.add(f"tools[].{hosted or 'type'}")


def read_choice(
    given: str | ChoiceIn | None, parallel: bool | None
) -> tuple[ToolChoice | None, frozenset[str] | None]:
    """The choice, and the names it leaves (`allowed_tools`), None for all."""
    match given:
        case None if parallel is None:
            return None, None
        case None | "auto":
            return ToolChoice("auto", parallel=parallel), None
        case "none":
            return ToolChoice("none", parallel=parallel), None
        case "required":
            return ToolChoice("required", parallel=parallel), None
        case ChoiceIn(type="function" | "custom", name=name) if name:
            return ToolChoice("tool", name, parallel), None
        case ChoiceIn(type="allowed_tools", tools=tools):
            chosen = ToolChoice("required" if given.mode == "required" else "auto")
            names = frozenset(tool.name for tool in tools if tool.name)
            return ToolChoice(chosen.mode, parallel=parallel), names
        case ChoiceIn(type=kind):
            raise RequestError(
                f"tool_choice: {kind or 'this'} cannot be ordered from this model; "
                "use a function or custom tool by name, or auto, none, required"
            )
        case _:
            raise RequestError(
                "tool_choice: use auto, none, required, a tool by name, or allowed_tools"
            )


class _NamedTool(msgspec.Struct):
    type: str = ""
    name: str = ""
    tools: list[_NamedTool] | None = None


class _Added(msgspec.Struct):
    type: str | None = None
    tools: list[_NamedTool] | None = None


class _Body(msgspec.Struct):
    tools: list[_NamedTool] | None = None
    input: msgspec.Raw = msgspec.Raw(b"null")


_BODY = msgspec.json.Decoder(_Body)
_ADDED = msgspec.json.Decoder(list[_Added])
_LIST = ord("[")


def named_tools(body: bytes) -> Mapping[str, Named]:
    """The tools of a request, by the names they have in other dialects.

    None of one that is not what it should be: what is relayed is for its server to refuse.
    """
    try:
        given = _BODY.decode(body)
        tools = list(given.tools or ())
        if ADDED.encode() in body and memoryview(given.input)[0] == _LIST:
            added = (item for item in _ADDED.decode(given.input) if item.type == ADDED)
            tools += [tool for item in added for tool in item.tools or ()]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}
    return {joined(one.namespace, one.name): one for tool in tools for one in _named(tool, "")}


def _named(given: _NamedTool, namespace: str) -> Iterator[Named]:
    if given.type == "namespace":
        for inner in given.tools or ():
            yield from _named(inner, given.name)
    elif given.type in ("function", "custom"):
        yield Named(given.name, namespace, given.type == "custom")
