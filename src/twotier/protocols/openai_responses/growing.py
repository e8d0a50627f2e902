"""The output items of a stream, from the event that adds each to the one that ends it."""

from __future__ import annotations

from typing import Any

from twotier.domain.message import Reasoning, ToolCall, ToolCallBegan
from twotier.protocols.openai_responses.answer import Answer, summary_part, text_part
from twotier.protocols.openai_responses.events import Events
from twotier.protocols.openai_responses.freeform_text import FreeformText


class Growing:
    """An item. `whole` is None until it is done."""

    prefix = ""

    def __init__(self, answer: Answer, events: Events, *, index: int) -> None:
        self._answer = answer
        self._events = events
        self._index = index
        self._pieces: list[str] = []
        self.whole: dict[str, Any] | None = None

    def _event(self, kind: str, **fields: Any) -> bytes:
        """An event about something in this item."""
        id_ = self._answer.item_id(self.prefix, self._index)
        return self._events.event(kind, item_id=id_, output_index=self._index, **fields)

    def _added(self, item: dict[str, Any]) -> bytes:
        return self._events.event("response.output_item.added", output_index=self._index, item=item)

    def _done(self, item: dict[str, Any]) -> bytes:
        self.whole = item
        return self._events.event("response.output_item.done", output_index=self._index, item=item)


class Message(Growing):
    """Text."""

    prefix = "msg"

    def added(self) -> bytes:
        """It begins, with its one part."""
        item = self._answer.message(self._index, [], status="in_progress")
        part = text_part("")
        return self._added(item) + self._event(
            "response.content_part.added", content_index=0, part=part
        )

    def more(self, text: str) -> bytes:
        """More of the text."""
        self._pieces.append(text)
        return self._event("response.output_text.delta", content_index=0, delta=text, logprobs=[])

    def done(self, status: str = "completed") -> bytes:
        """It ends."""
        text = "".join(self._pieces)
        part = text_part(text)
        return (
            self._event("response.output_text.done", content_index=0, text=text, logprobs=[])
            + self._event("response.content_part.done", content_index=0, part=part)
            + self._done(self._answer.message(self._index, [part], status=status))
        )


class Thinking(Growing):
    """Thinking. It has a summary once there is something to read, and a seal at its end."""

    prefix = "rs"

    def added(self) -> bytes:
        """It begins."""
        return self._added(self._answer.reasoning(self._index, Reasoning("")))

    def more(self, text: str) -> bytes:
        """More of the text."""
        out = b""
        if not self._pieces:
            part = summary_part("")
            out = self._event("response.reasoning_summary_part.added", summary_index=0, part=part)
        self._pieces.append(text)
        return out + self._event(
            "response.reasoning_summary_text.delta", summary_index=0, delta=text
        )

    def done(
        self,
        status: str = "completed",  # noqa: ARG002 - as the others'
        *,
        signature: str = "",
        hidden: str = "",
    ) -> bytes:
        """It ends."""
        text, out = "".join(self._pieces), b""
        if text:
            part = summary_part(text)
            out = self._event(
                "response.reasoning_summary_text.done", summary_index=0, text=text
            ) + self._event("response.reasoning_summary_part.done", summary_index=0, part=part)
        sealed = Reasoning(text, signature, hidden)
        return out + self._done(self._answer.reasoning(self._index, sealed))


class Call(Growing):
    """A call of a function."""

    prefix = "fc"

    def __init__(self, answer: Answer, events: Events, *, index: int, began: ToolCallBegan) -> None:
        super().__init__(answer, events, index=index)
        self._began = began

    def added(self) -> bytes:
        """It begins; its name is known."""
        return self._added(self._item("in_progress"))

    def more(self, arguments: str) -> bytes:
        """More of the arguments."""
        self._pieces.append(arguments)
        return self._event("response.function_call_arguments.delta", delta=arguments)

    def done(self, status: str = "completed") -> bytes:
        """It ends."""
        item = self._item(status)
        return self._event(
            "response.function_call_arguments.done", arguments=item["arguments"]
        ) + self._done(item)

    def _item(self, status: str) -> dict[str, Any]:
        call = ToolCall(self._began.id, self._began.name, "".join(self._pieces))
        return self._answer.call(self._index, call, status=status)


class CustomCall(Call):
    """A call of a custom tool: the same, without the JSON around its text."""

    prefix = "ctc"

    def __init__(self, answer: Answer, events: Events, *, index: int, began: ToolCallBegan) -> None:
        super().__init__(answer, events, index=index, began=began)
        self._text = FreeformText()
        self._sent = 0

    def more(self, arguments: str) -> bytes:
        """More of the arguments, as far as they are text."""
        self._pieces.append(arguments)
        text = self._text.feed(arguments)
        return self._delta(text) if text else b""

    def done(self, status: str = "completed") -> bytes:
        """It ends."""
        item = self._item(status)
        rest = item["input"][self._sent :]
        return (
            (self._delta(rest) if rest else b"")
            + self._event("response.custom_tool_call_input.done", input=item["input"])
            + self._done(item)
        )

    def _delta(self, text: str) -> bytes:
        self._sent += len(text)
        return self._event("response.custom_tool_call_input.delta", delta=text)
