"""The tools of a Chat Completions body, and which of them the model may or must call."""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.domain.message import Tool, ToolChoice
from twotier.errors import RequestError, UnsayableError
from twotier.protocols.freeform import freeform
from twotier.protocols.openai_chat.messages import CacheIn, cache_of


class _FunctionToolIn(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    cache_control: CacheIn | None = None


class _GrammarIn(msgspec.Struct):
    syntax: str = ""
    definition: str = ""


class _FormatIn(msgspec.Struct):
    grammar: _GrammarIn = msgspec.field(default_factory=_GrammarIn)


class _CustomToolIn(msgspec.Struct):
    name: str
    description: str | None = None
    format: _FormatIn | None = None


class ToolIn(msgspec.Struct):
    """One tool."""

    type: str = "function"
    function: _FunctionToolIn | None = None
    custom: _CustomToolIn | None = None
    cache_control: CacheIn | None = None


class _NamedIn(msgspec.Struct):
    name: str = ""


class _AllowedToolIn(msgspec.Struct):
    function: _NamedIn = msgspec.field(default_factory=_NamedIn)
    custom: _NamedIn = msgspec.field(default_factory=_NamedIn)


class _AllowedIn(msgspec.Struct):
    mode: str = "auto"
    tools: list[_AllowedToolIn] = msgspec.field(default_factory=list)


class ChoiceIn(msgspec.Struct):
    """A choice that is more than a word."""

    type: str = ""
    function: _NamedIn = msgspec.field(default_factory=_NamedIn)
    custom: _NamedIn = msgspec.field(default_factory=_NamedIn)
    allowed_tools: _AllowedIn = msgspec.field(default_factory=_AllowedIn)


def read_tools(
    given: list[ToolIn], choice: str | ChoiceIn | None, *, parallel: bool | None
) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """The tools that `choice` leaves, and the choice among them.

    Raises `RequestError` that names the field which is wrong.
    """
    tools = tuple(_tool(tool, at) for at, tool in enumerate(given))
    chosen, allowed = _choice(choice, parallel)
    if allowed is not None:
        tools = tuple(tool for tool in tools if tool.name in allowed)
    return tools, chosen


def _tool(given: ToolIn, at: int) -> Tool:
    function, custom = given.function, given.custom
    if given.type == "custom" and custom is not None:
        grammar = custom.format.grammar if custom.format else _GrammarIn()
        return freeform(
            custom.name,
            custom.description or "",
            syntax=grammar.syntax,
            definition=grammar.definition,
            cache=cache_of(given.cache_control),
        )
    if given.type != "function" or function is None:
        raise UnsayableError(
            f"tools[{at}].type: {given.type!r} is not possible; use a function tool"
        )
    return Tool(
        function.name,
        function.description or "",
        function.parameters or {},
        function.strict,
        cache=cache_of(given.cache_control or function.cache_control),
    )


def _choice(
    given: str | ChoiceIn | None, parallel: bool | None
) -> tuple[ToolChoice | None, set[str] | None]:
    """The choice, and the names it leaves (`allowed_tools`), None for all."""
    match given:
        case None if parallel is None:
            return None, None
        case None:
            return ToolChoice("auto", parallel=parallel), None
        case "auto" | "none" | "required":
            return ToolChoice(given, parallel=parallel), None
        case ChoiceIn(type="allowed_tools", allowed_tools=allowed):
            names = {tool.function.name or tool.custom.name for tool in allowed.tools}
            mode = "required" if allowed.mode == "required" else "auto"
            return ToolChoice(mode, parallel=parallel), names  # type: ignore[arg-type]
        case ChoiceIn(type="function" | "custom") if (
            name := given.function.name or given.custom.name
        ):
            return ToolChoice("tool", name, parallel), None
        case _:
            raise RequestError(
                "tool_choice: use auto, none, required, a tool by name, or allowed_tools"
            )
