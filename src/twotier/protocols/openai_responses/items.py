"""The input items of a Responses body, as turns.

A turn of the assistant comes as several items here (its thinking, its text, each call) and is one
message elsewhere, so neighbours are joined. Items that tools of OpenAI's own left behind are said
as far as they can be: calls that a client ran itself are calls like any other, what OpenAI ran is
named in `unsaid`, and what cannot be left out is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from twotier.domain.message import Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from twotier.errors import RequestError
from twotier.protocols.freeform import wrapped
from twotier.protocols.openai_responses.parts import PartIn, read_parts
from twotier.protocols.openai_responses.sealed import opened
from twotier.protocols.openai_responses.tools import ADDED, joined
from twotier.protocols.wire import read_client_json

_NO_OUTPUT = msgspec.Raw(b"null")


class ItemIn(msgspec.Struct):
    """An item of any type. What only some read, and in several shapes, stays bytes."""

    type: str | None = None
    role: str | None = None
    content: str | list[PartIn] | None = None
    phase: str | None = None
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    server_label: str | None = None
    arguments: msgspec.Raw = _NO_OUTPUT
    input: str | None = None
    output: msgspec.Raw = _NO_OUTPUT
    error: msgspec.Raw = _NO_OUTPUT
    action: msgspec.Raw = _NO_OUTPUT
    operation: msgspec.Raw = _NO_OUTPUT
    summary: list[PartIn] | None = None
    encrypted_content: str | None = None
    status: str | None = None


class _ShellOutcome(msgspec.Struct):
    exit_code: int | None = None


class _ShellOutput(msgspec.Struct):
    stdout: str = ""
    stderr: str = ""
    outcome: _ShellOutcome | None = None

    def text(self) -> str:
        """What a person would have seen."""
        code = self.outcome.exit_code if self.outcome else None
        ended = "" if code is None else f"(exit code {code})"
        return "\n".join(piece for piece in (self.stdout, self.stderr, ended) if piece)


_OUTPUT = msgspec.json.Decoder(str | list[PartIn] | None)
_SHELL_OUTPUTS = msgspec.json.Decoder(list[_ShellOutput])
_TEXT = msgspec.json.Decoder(str)
_QUOTE = ord('"')
_NULL = b"null"
_Turn = tuple[Role, tuple[Part, ...]]
_ROLES: Mapping[str, Role] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",  # one meaning, two names
}
# What OpenAI ran itself, and whose result the text after it repeats.
_HOSTED = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_response",
        "tool_search_call",
    }
)
_REFUSED = {
    "item_reference": "no items are kept here; send the item itself",
    "compaction": "only OpenAI can read it; send the items it stands for",
}


def read_items(items: Iterable[ItemIn], *, unsaid: set[str]) -> tuple[Message, ...]:
    """The turns. Raises `RequestError` that names the item which is wrong."""
    turns: list[tuple[Role, list[Part]]] = []
    for at, item in enumerate(items):
        for role, parts in _said(item, f"input[{at}]", unsaid=unsaid):
            if turns and turns[-1][0] == role == "assistant":
                turns[-1][1].extend(parts)
            else:
                turns.append((role, list(parts)))
    return tuple(Message(role, tuple(parts)) for role, parts in turns)


def _said(item: ItemIn, where: str, *, unsaid: set[str]) -> Iterator[_Turn]:
    """What one item comes to: mostly one turn, or a part of one."""
    kind = item.type or ("message" if item.role else "")
    if item.phase:
        unsaid.add("input[].phase")
    if kind == "reasoning":
        yield from _reasoning(item, where, unsaid=unsaid)
    elif kind in _HOSTED:
        unsaid.add(f"input[].{kind}")
    elif kind == "mcp_call":
        yield from _mcp_call(item, where)
    elif read := _READERS.get(kind):
        yield read(item, where)
    elif kind != ADDED:  # its tools are read with the others
        instead = _REFUSED.get(kind, "it cannot be sent to this model; leave it out")
        raise RequestError(f"{where}: an item of type {kind!r}: {instead}")


def _message(item: ItemIn, where: str) -> _Turn:
    role = _ROLES.get(item.role or "")
    if role is None:
        raise RequestError(
            f"{where}.role: {item.role!r} is unknown; use user, assistant, system or developer"
        )
    return role, read_parts(item.content, f"{where}.content")


def _reasoning(item: ItemIn, where: str, *, unsaid: set[str]) -> Iterator[_Turn]:
    summary = read_parts(item.summary, f"{where}.summary")
    shown = summary or read_parts(item.content, f"{where}.content")
    text = "\n\n".join(part.text for part in shown if isinstance(part, Text))
    part, foreign = opened(text, item.encrypted_content)
    if foreign:
        unsaid.add("input[].encrypted_content")
    if part != Reasoning(""):
        yield "assistant", (part,)


def _call(item: ItemIn, where: str) -> _Turn:
    arguments = _text(item.arguments)
    name = joined(item.namespace, _needed(item.name, f"{where}.name"))
    return "assistant", (ToolCall(_call_id(item, where), name, arguments),)


def _custom_call(item: ItemIn, where: str) -> _Turn:
    name = joined(item.namespace, _needed(item.name, f"{where}.name"))
    arguments = wrapped(item.input or "")
    return "assistant", (ToolCall(_call_id(item, where), name, arguments, freeform=True),)


def _result(item: ItemIn, where: str) -> _Turn:
    output = read_client_json(_OUTPUT, bytes(item.output))
    parts = read_parts(output, f"{where}.output")
    return "tool", (ToolResult(_call_id(item, where), parts),)


def _own_call(name: str, field: str) -> Callable[[ItemIn, str], _Turn]:
    """A reader for calls of a tool that OpenAI defined and the client ran."""

    def read(item: ItemIn, where: str) -> _Turn:
        arguments = _text(getattr(item, field))
        return "assistant", (ToolCall(_call_id(item, where), name, arguments),)

    return read


def _shell_result(item: ItemIn, where: str) -> _Turn:
    outputs = read_client_json(_SHELL_OUTPUTS, bytes(item.output))
    parts = tuple(Text(output.text()) for output in outputs)
    return "tool", (ToolResult(_call_id(item, where), parts),)


def _patch_result(item: ItemIn, where: str) -> _Turn:
    text = read_client_json(_OUTPUT, bytes(item.output))
    parts = read_parts(text, f"{where}.output")
    return "tool", (ToolResult(_call_id(item, where), parts, failed=item.status == "failed"),)


def _mcp_call(item: ItemIn, where: str) -> Iterator[_Turn]:
    """A call that OpenAI sent to a server of the client's, with its answer in the same item."""
    id_ = _call_id(item, where)
    name = joined(item.server_label, _needed(item.name, f"{where}.name"))
    yield "assistant", (ToolCall(id_, name, _text(item.arguments)),)
    failed = bytes(item.error) != _NULL
    answer = _text(item.error if failed else item.output)
    yield "tool", (ToolResult(id_, (Text(answer),) if answer else (), failed),)


def _text(raw: msgspec.Raw) -> str:
    """A JSON string's text, or the JSON of anything else; some clients send objects themselves."""
    if bytes(raw) == _NULL:
        return ""
    if memoryview(raw)[0] == _QUOTE:
        return read_client_json(_TEXT, bytes(raw))
    return bytes(raw).decode("utf-8", "replace")


def _call_id(item: ItemIn, where: str) -> str:
    return _needed(item.call_id or item.id, f"{where}.call_id")


def _needed(value: str | None, where: str) -> str:
    if not value:
        raise RequestError(f"{where}: is missing or empty")
    return value


_READERS: Mapping[str, Callable[[ItemIn, str], _Turn]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _result,
    "custom_tool_call": _custom_call,
    "custom_tool_call_output": _result,
    "local_shell_call": _own_call("local_shell", "action"),
    "local_shell_call_output": _result,
    "shell_call": _own_call("shell", "action"),
    "shell_call_output": _shell_result,
    "apply_patch_call": _own_call("apply_patch", "operation"),
    "apply_patch_call_output": _patch_result,
}
