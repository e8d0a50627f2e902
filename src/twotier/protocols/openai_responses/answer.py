"""The response object that we write: at the start of a stream, at its end, and as a whole answer.

Clients of this dialect read back what they asked for, so the object repeats the request's settings,
byte for byte. What nobody told us stays null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from twotier.domain.message import Finish, Reasoning, Request, Text, ToolCall, Usage
from twotier.protocols.openai_responses.freeform_text import freeform_text
from twotier.protocols.openai_responses.sealed import seal
from twotier.protocols.openai_responses.tools import Named, named_tools

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
# What the object repeats, and what stands there where the client said nothing.
_ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": None,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
_INCOMPLETE = {"length": "max_output_tokens", "refusal": "content_filter"}


class Answer:
    """One answer: its names, and the parts of its object that do not change."""

    def __init__(self, id_: str, *, model: str, created: int, request: Request) -> None:
        self._stem = id_.removeprefix("resp_").removeprefix("req_") or str(created)
        self._request = request
        self._names: dict[str, Named] | None = None
        body = request.body
        if b"\n" in body or b"\r" in body:  # an event has no line ends of its own
            body = msgspec.json.format(body, indent=-1)
        given = _FIELDS.decode(body)
        said = {name: raw for name, raw in given.items() if bytes(raw) != b"null"}
        self._echo = {name: said.get(name, default) for name, default in _ECHOED.items()}
        self._head = {"id": f"resp_{self._stem}", "object": "response", "created_at": created}
        self._model = model

    def item_id(self, prefix: str, index: int) -> str:
        """The id of output item number `index`."""
        return f"{prefix}_{self._stem}_{index}"

    def named(self, name: str) -> Named:
        """The tool as the client knows it; a name that it never gave is passed on."""
        if self._names is None:
            self._names = dict(named_tools(self._request.body))
        return self._names.get(name) or Named(name)

    def begun(self) -> dict[str, Any]:
        """The object at the start."""
        return self._object("in_progress")

    def ended(
        self, finish: Finish, output: Sequence[dict[str, Any]], *, usage: Usage | None
    ) -> dict[str, Any]:
        """The object at the end; its `status` is what the last event of a stream is called."""
        reason = _INCOMPLETE.get(finish)
        return self._object(
            "completed" if reason is None else "incomplete",
            output=output,
            incomplete_details=None if reason is None else {"reason": reason},
            usage=None if usage is None else usage_object(usage),
        )

    def failed(self, output: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The object of an answer that will not come to its end."""
        return self._object("failed", output=output)

    def _object(
        self, status: str, *, output: Sequence[dict[str, Any]] = (), **more: Any
    ) -> dict[str, Any]:
        said = {
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "model": self._model,
            "output": output,
            "previous_response_id": None,
            "store": False,  # nothing is, whatever was asked
            "usage": None,
        }
        return {**self._head, **said, **self._echo, **more}

    def item(self, part: Text | Reasoning | ToolCall, index: int, *, cut: bool) -> dict[str, Any]:
        """A part of the answer as output item number `index`; `cut` if it was cut off."""
        status = "incomplete" if cut else "completed"
        if isinstance(part, Text):
            return self.message(index, [text_part(part.text)], status=status)
        if isinstance(part, Reasoning):
            return self.reasoning(index, part)
        return self.call(index, part, status=status)

    def message(self, index: int, content: list[dict[str, Any]], *, status: str) -> dict[str, Any]:
        """A message."""
        return {
            "id": self.item_id("msg", index),
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def reasoning(self, index: int, part: Reasoning) -> dict[str, Any]:
        """Thinking, with the seal where there is one."""
        item = {
            "id": self.item_id("rs", index),
            "type": "reasoning",
            "summary": [summary_part(part.text)] if part.text else [],
        }
        sealed = seal(part)
        return {**item, "encrypted_content": sealed} if sealed else item

    def call(self, index: int, call: ToolCall, *, status: str) -> dict[str, Any]:
        """A call, of a function or of a custom tool."""
        named = self.named(call.name)
        space = {"namespace": named.namespace} if named.namespace else {}
        said: dict[str, Any] = {"call_id": call.id, "name": named.name, **space}
        if named.freeform:
            head = {"id": self.item_id("ctc", index), "type": "custom_tool_call"}
            return {**head, "status": status, **said, "input": freeform_text(call.arguments)}
        head = {"id": self.item_id("fc", index), "type": "function_call"}
        return {**head, "status": status, **said, "arguments": call.arguments}


def text_part(text: str) -> dict[str, Any]:
    """The content of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def summary_part(text: str) -> dict[str, Any]:
    """The content of a reasoning item that clients show."""
    return {"type": "summary_text", "text": text}


def usage_object(usage: Usage) -> dict[str, Any]:
    """Usage in OpenAI's arithmetic: cached tokens are a part of `input_tokens`."""
    written = usage.cache_write_tokens + usage.cache_write_1h_tokens
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": written,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
    }
