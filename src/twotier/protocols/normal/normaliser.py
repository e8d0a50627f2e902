"""One look at a body, and what it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from twotier.domain.message import Request
from twotier.protocols.normal import history, orders
from twotier.protocols.normal.manners import Manners
from twotier.protocols.openai_chat.glance import Turn
from twotier.protocols.openai_chat.request import rewritten
from twotier.protocols.openai_chat.tools import ToolIn, read_tools
from twotier.protocols.openai_chat.write import write_tool
from twotier.protocols.openai_wire import FIELDS
from twotier.protocols.plain_schema import plain
from twotier.protocols.wire import Order, Outgoing, read_client_json

TOOL_SETS_KEPT = 64  # a client sends the same tools with every request
_AT = "tools[].function.parameters"
_TURNS: msgspec.json.Decoder[Sequence[Turn]] = msgspec.json.Decoder(list[Turn])
_TOOLS: msgspec.json.Decoder[list[dict[str, Any]]] = msgspec.json.Decoder(list[dict[str, Any]])
_TOOL = msgspec.json.Decoder(ToolIn)
PlainTools = tuple[msgspec.Raw, tuple[str, ...], Order | None]
_NO_TOOLS: PlainTools = (msgspec.Raw(), (), None)
_encode = msgspec.json.Encoder().encode


class Normaliser:
    """Makes bodies fit one server. Made once for a tier."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        ignored = {"tool_choice", "parallel_tool_calls"} if manners.tool_choice else set()
        self._tools_before, self._tools_plain = msgspec.Raw(), _NO_TOOLS
        self._ignored = ignored | ({"response_format"} if manners.response_format else set())

    def rewrite(
        self,
        request: Request,
        *,
        model: str,
        max_output_tokens: int,
        stream: bool,
        keep: frozenset[str] | None = None,
    ) -> Outgoing:
        """The body of a chat request, as `openai_chat.rewrite` would have it and then as this
        server can be told it; and what its answer is to be held to.

        Raises `RequestError` for what it cannot be told in any way.
        """
        fields, unsaid = rewritten(
            request, model=model, max_output_tokens=max_output_tokens, stream=stream, keep=keep
        )
        lost, order = self._treat(fields, request.turns)
        unsaid = tuple(dict.fromkeys((*unsaid, *lost))) if lost else unsaid
        return Outgoing(_encode(fields), unsaid, order)

    def written(self, out: Outgoing) -> Outgoing:
        """The same of a body that was translated from another dialect."""
        fields = FIELDS.decode(out.body)
        lost, order = self._treat(fields)
        unsaid = tuple(dict.fromkeys((*out.unsaid, *lost)))
        return Outgoing(_encode(fields), unsaid, order)

    def _treat(
        self, fields: dict[str, msgspec.Raw], turns: Sequence[Turn] = ()
    ) -> tuple[tuple[str, ...], Order | None]:
        """Changes what has to be changed; gives what is lost by it, and the order. `turns` are the
        messages if they were looked at already.
        """
        manners, messages = self._manners, fields["messages"]
        wanted: Order | None = None
        lost: tuple[str, ...] = ()
        if manners.schemas_plain and "tools" in fields:
            fields["tools"], lost, wanted = self._tools(fields["tools"])
        if manners.schemas_plain and "response_format" in fields:
            held, cut = orders.plain_format(fields)
            lost, wanted = (*lost, *cut), held or wanted
        turns = turns or read_client_json(_TURNS, messages)
        if manners.turns_strict and not history.in_order(turns):
            # Mended before, or what is under a wrong name would not be read.
            messages = history.mended(messages, history.faults(turns, manners))
            fields["messages"], gone = history.retold(messages)
            lost = (*gone, *lost)
            turns = _TURNS.decode(fields["messages"])
        if faults := history.faults(turns, manners):
            fields["messages"] = history.mended(fields["messages"], faults)
        if self._ignored.isdisjoint(fields):
            return lost, wanted
        order, wish = orders.ordered(fields, manners)
        if wish:
            fields["messages"] = history.told_at_the_end(fields["messages"], wish)
        return lost, order or wanted

    def _tools(self, tools: msgspec.Raw) -> PlainTools:
        """`plain_tools`, at once where they are those of the request before: comparing bytes is
        cheaper than hashing them.
        """
        if tools != self._tools_before:
            self._tools_plain = plain_tools(bytes(tools))
            self._tools_before = tools.copy()
        return self._tools_plain


def normaliser(manners: Manners) -> Normaliser | None:
    """What treats the bodies for such a server; None where nothing is to be done."""
    return None if manners == Manners() else Normaliser(manners)


@lru_cache(maxsize=TOOL_SETS_KEPT)
def plain_tools(tools: bytes) -> PlainTools:
    """The tools as functions with their schemas said plainly, and what of them could not be said.

    Custom tools become functions of one text, which templates know; an order without a demand then
    has the answer read, so that its calls come back as custom ones.
    """
    read = read_client_json(_TOOLS, tools)
    lost: set[str] = set()
    said = [_plain_tool(tool, lost) for tool in map(_function, read)]
    raw = msgspec.Raw(tools) if said == read else msgspec.Raw(_encode(said))
    custom = any(tool.get("type") == "custom" for tool in read)
    return raw, tuple(f"{_AT}.{name}" for name in sorted(lost)), Order() if custom else None


def _function(tool: dict[str, Any]) -> dict[str, Any]:
    """A custom tool as a function; every other one as it is."""
    if tool.get("type") != "custom":
        return tool
    (given,), _ = read_tools([read_client_json(_TOOL, _encode(tool))], None, parallel=None)
    return write_tool(given)


def _plain_tool(tool: dict[str, Any], lost: set[str]) -> dict[str, Any]:
    function = tool.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("parameters"), dict):
        return tool
    parameters, cut = plain(function["parameters"])
    lost.update(cut)
    return {**tool, "function": {**function, "parameters": parameters}}
