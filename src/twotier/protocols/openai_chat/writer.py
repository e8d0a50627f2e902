"""Events written as a Chat Completions stream: one chunk for each event that says something."""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.domain.message import (
    Closed,
    Ended,
    Event,
    Failed,
    Metered,
    Progress,
    Reasoning,
    ReasoningDelta,
    Request,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
)
from twotier.errors import TwotierError
from twotier.protocols.freeform import freeform_names, unwrapped
from twotier.protocols.openai_chat.chunk import FINISH_WRITTEN
from twotier.protocols.openai_chat.details import entry
from twotier.protocols.openai_wire import error_object, usage_object, write_error
from twotier.protocols.sse import encode, encode_comment

_encode = msgspec.json.Encoder().encode


class StreamWriter:
    """Writes one answer. `created` is Unix time in seconds, handed in by the caller.

    The usage chunk is written only for clients that asked for it, between the
    last choice and `[DONE]`, as OpenAI does. After an error there is no `[DONE]`.
    `begun`: its first chunks came from somebody else, so the role is said.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - the wire's own word
        *,
        model: str,
        created: int,
        request: Request,
        begun: bool = False,
    ) -> None:
        self._head = {"id": id, "object": "chat.completion.chunk", "created": created}
        self._head["model"] = model
        self._request = request
        self._usage: Usage | None = None
        self._opened = begun
        self._thought: list[str] = []  # thinking that may still be signed
        self._sealed = 0
        self._custom: dict[int, list[str]] = {}  # arguments of calls of custom tools

    def write(self, event: Event) -> bytes:  # noqa: PLR0911 - one return for each kind of event
        """The bytes for one event, `b""` if this dialect has nothing to say of it."""
        match event:
            case TextDelta(text=text) if text:
                self._thought = []  # nobody signed it
                return self._delta({"content": text})
            case ReasoningDelta():
                return self._reasoning(event)
            case ToolCallDelta(index=index, arguments=arguments) if arguments:
                return self._more(index, arguments)
            case ToolCallBegan():
                return self._call(event)
            case Metered(usage=usage):
                self._usage = usage
                return b""
            case Ended():
                return self._ending(event)
            case Progress(done=done, total=total):
                return encode_comment(f"keepalive {done}/{total}" if total else "keepalive")
            case Failed(message=message, kind=kind, status=status):
                return encode(_encode(error_object(message, kind=kind, code=str(status))))
            case Closed():
                return self._closing()
            case _:
                return b""

    def error(self, error: TwotierError) -> bytes:
        """The end of a stream that failed: an error object, which SDKs raise."""
        return encode(write_error(error))

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        """Text as it comes; once it is signed, the whole entry that a client sends back."""
        if event.text:
            self._thought.append(event.text)
        sealed = b""
        if event.signature or event.hidden:
            text = "" if event.hidden else "".join(self._thought)
            part = Reasoning(text, event.signature, event.hidden)
            sealed = self._delta({"reasoning_details": [entry(part, self._sealed)]})
            self._sealed += 1
            self._thought = []
        return (self._delta({"reasoning_content": event.text}) if event.text else b"") + sealed

    def _call(self, event: ToolCallBegan) -> bytes:
        self._thought = []
        head = {"index": event.index, "id": event.id}
        if event.name in freeform_names(self._request.body):
            self._custom[event.index] = []
            custom = {"name": event.name, "input": ""}
            return self._delta({"tool_calls": [{**head, "type": "custom", "custom": custom}]})
        function = {"name": event.name, "arguments": ""}
        return self._delta({"tool_calls": [{**head, "type": "function", "function": function}]})

    def _more(self, index: int, arguments: str) -> bytes:
        """More of a call. A custom tool's text can only be read from JSON that is whole."""
        if self._custom and index in self._custom:
            self._custom[index].append(arguments)
            return b""
        function = {"arguments": arguments}
        return self._delta({"tool_calls": [{"index": index, "function": function}]})

    def _ending(self, event: Ended) -> bytes:
        texts = b"".join(
            self._delta({"tool_calls": [{"index": index, "custom": {"input": text}}]})
            for index, pieces in self._custom.items()
            if (text := unwrapped("".join(pieces)))
        )
        self._custom.clear()
        more = {"stop_reason": event.stop_sequence} if event.stop_sequence else {}
        return texts + self._delta({}, FINISH_WRITTEN[event.finish], **more)

    def _delta(self, delta: dict[str, Any], finish: str | None = None, **more: str) -> bytes:
        if not self._opened:
            self._opened = True
            delta = {"role": "assistant", **delta}
        return self._chunk([{"index": 0, "delta": delta, "finish_reason": finish, **more}])

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return encode(_encode({**self._head, "choices": choices, **more}))

    def _closing(self) -> bytes:
        done = encode(b"[DONE]")
        if self._request.include_usage and self._usage is not None:
            return self._chunk([], usage=usage_object(self._usage)) + done
        return done
