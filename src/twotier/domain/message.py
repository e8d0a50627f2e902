"""What is asked and what is answered, free of any wire format.

A `Request` is the head of a call as it came in, with its body kept as bytes: a relay forwards the
body, and only a translation pays for reading it whole, into a `Conversation`. Answers travel as
`Event`s; `Observed` is what remains of them for the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Dialect = Literal["openai_chat", "anthropic_messages"]
Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "tool_calls", "refusal"]


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a model call. `body` is the JSON object exactly as the client sent it.

    `max_output_tokens` is None where the client did not say; `include_usage` is whether it wants
    the usage at the end of a stream. `text_bytes` counts the body without
    inline image data, as an upper bound of prompt tokens; `images` counts image parts.
    `head_text` is the last user text, at most 4,000 characters, for the router only: it is never
    logged and never stored.
    """

    dialect: Dialect
    body: bytes
    model: str
    stream: bool = False
    include_usage: bool = False
    max_output_tokens: int | None = None
    tools: int = 0
    images: int = 0
    text_bytes: int = 0
    head_text: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text. `cached` marks a cache breakpoint that the client set itself."""

    text: str
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """An image by URL, or inline as base64 `data` with its media type."""

    url: str = ""
    data: str = ""
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Thinking. Without a `signature` it was not made by Anthropic and is never sent there."""

    text: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model made; `arguments` is JSON text, exactly as written."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered to the call `call_id`."""

    call_id: str
    parts: tuple[Text | Image, ...]
    failed: bool = False


Part = Text | Image | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """One turn."""

    role: Role
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the model may call; `schema` is the JSON schema of its arguments."""

    name: str
    description: str
    schema: Mapping[str, Any]
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`mode` `tool` names one tool; `parallel` None leaves it to the model's default."""

    mode: Literal["auto", "none", "required", "tool"] = "auto"
    name: str = ""
    parallel: bool | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A whole request in neutral form, read only where dialects differ.

    `output_schema` is the JSON schema a structured answer must fit, `{}` for "any JSON object" and
    None for free text. `unsaid` names fields that the target dialect cannot say.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    output_schema: Mapping[str, Any] | None = None
    user: str = ""
    unsaid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt, as the provider counted them. Every figure stands alone.

    `input_tokens` are fresh: neither read from nor written to a cache. `reasoning_tokens` are a
    part of `output_tokens`, not beside them.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def prompt_tokens(self) -> int:
        """Everything the model had to read, from a cache or not."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.cache_write_1h_tokens
        )


@dataclass(frozen=True, slots=True)
class Began:
    """The answer started; `model` is the model that really serves it."""

    id: str
    model: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More thinking; a signature arrives alone, with empty text."""

    text: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ToolCallBegan:
    """Call number `index` (from 0) of this answer has a name and an id."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of the JSON text of call number `index`."""

    index: int
    arguments: str


@dataclass(frozen=True, slots=True)
class Metered:
    """The usage known so far; a later one replaces it. `final` once it will not change."""

    usage: Usage
    final: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The model stopped, and why. Not yet success: that needs `Closed`."""

    finish: Finish


@dataclass(frozen=True, slots=True)
class Progress:
    """A sign of life without content: a ping or a keep-alive comment.

    `done` and `total` are prompt tokens where the server tells them (mlx-lm), else 0.
    """

    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """An error inside the stream, also under HTTP 200."""

    message: str
    kind: str
    status: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The dialect's own terminator was seen: the answer is whole."""


Event = (
    Began
    | TextDelta
    | ReasoningDelta
    | ToolCallBegan
    | ToolCallDelta
    | Metered
    | Ended
    | Progress
    | Failed
    | Closed
)


@dataclass(frozen=True, slots=True)
class Whole:
    """A complete answer, for clients that did not ask for a stream."""

    id: str
    model: str
    parts: tuple[Text | Reasoning | ToolCall, ...]
    finish: Finish
    usage: Usage | None = None


def utf8_bytes(text: str) -> int:
    """Its length in UTF-8. A token is at least one byte, so this bounds a count of tokens."""
    return len(text) if text.isascii() else len(text.encode())


@dataclass(slots=True)
class Observed:
    """What the ledger keeps of an answer, folded event by event while bytes pass through."""

    id: str = ""
    model: str = ""
    usage: Usage | None = None
    usage_final: bool = False
    output_bytes: int = 0
    tool_calls: int = 0
    finish: Finish | None = None
    failed: Failed | None = None
    closed: bool = False
    content: bool = False
    tool_names: list[str] = field(default_factory=list)

    def fold(self, event: Event) -> None:
        """Take one event into account."""
        match event:
            case TextDelta(text=text) | ReasoningDelta(text=text):
                self.output_bytes += utf8_bytes(text)
                self.content = True
            case ToolCallDelta(arguments=arguments):
                self.output_bytes += utf8_bytes(arguments)
                self.content = True
            case ToolCallBegan(name=name):
                self.tool_calls += 1
                self.tool_names.append(name)
                self.content = True
            case Metered(usage=usage, final=final):
                self.usage, self.usage_final = usage, final
            case Ended(finish=finish):
                self.finish = finish
            case Failed():
                self.failed = event
            case Closed():
                self.closed = True
            case Began(id=id_, model=model):
                self.id, self.model = id_, model
            case _:
                pass  # `Progress` says nothing of the answer
