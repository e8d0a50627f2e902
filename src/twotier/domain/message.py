"""What is asked and what is answered, free of any wire format.

A `Request` is the head of a call as it came in, with its body kept as bytes: a relay forwards the
body, and only a translation pays for reading it whole, into a `Conversation`. Answers travel as
`Event`s, which are structs because a stream is made of thousands; `Observed` is what remains of
them for the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from twotier.domain.price import PLAIN, Asked
from twotier.domain.timing import Timing

Dialect = Literal[
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "anthropic_count",
    "openai_completions",
    "openai_embeddings",
]
# Where each is asked, below the version that every base address ends with.
PATHS: Mapping[Dialect, str] = {
    "openai_chat": "/chat/completions",
    "openai_responses": "/responses",
    "anthropic_messages": "/messages",
    "anthropic_count": "/messages/count_tokens",
    "openai_completions": "/completions",
    "openai_embeddings": "/embeddings",
}
# Said in no other words: these only go to a tier whose own server speaks them.
RELAYED: frozenset[Dialect] = frozenset(
    {"anthropic_count", "openai_completions", "openai_embeddings"}
)
# These are answered in one piece, whoever asks.
UNSTREAMED: frozenset[Dialect] = frozenset({"anthropic_count", "openai_embeddings"})
Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "tool_calls", "refusal"]
Cache = Literal["", "5m", "1h"]


class Caching(msgspec.Struct, frozen=True):
    """How long a provider is to keep what a request begins with, and the talk so far."""

    prefix: Cache = ""
    history: Cache = ""

    @property
    def hour(self) -> bool:
        """Whether anything is kept for an hour, which is dearer to write."""
        return "1h" in (self.prefix, self.history)


class Passed(msgspec.Struct, frozen=True):
    """What stands beside a body and goes on with it to an upstream of the same dialect.

    `query` is the query string without its question mark; `headers` are the few that change the
    meaning of the body (`anthropic-beta`), names in lower case. Never a key, never a cookie.
    """

    query: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


NOTHING_PASSED = Passed()


class Request(msgspec.Struct, frozen=True):
    """The head of a model call. `body` is the JSON object exactly as the client sent it.

    `max_output_tokens` is None where the client did not say; `include_usage` is whether it wants
    the usage at the end of a stream. `text_bytes` counts the body without
    inline image data, as an upper bound of prompt tokens; `images` counts image parts, and
    `document_pages` bounds the pages of the documents. `exacting`: it says something that servers
    which imitate the dialect leave out in silence, so those are asked in their own. `asked` is what
    it may cost beside its tokens.
    `head_text` is the last user text, at most 4,000 characters, for the router only: it is never
    logged and never stored. `turns` is what its dialect saw of the messages, for whoever makes the
    body ready for a server of the same; empty where it saw none.
    """

    dialect: Dialect
    body: bytes
    model: str
    stream: bool = False
    include_usage: bool = False
    max_output_tokens: int | None = None
    tools: int = 0
    images: int = 0
    document_pages: int = 0
    text_bytes: int = 0
    head_text: str = ""
    exacting: bool = False
    passed: Passed = NOTHING_PASSED
    turns: Sequence[Any] = ()
    asked: Asked = PLAIN


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text. `cache` is the life of a cache breakpoint the client set behind it."""

    text: str
    cache: Cache = ""


@dataclass(frozen=True, slots=True)
class Image:
    """An image by URL, or inline as base64 `data` with its media type.

    `detail` is OpenAI's word for how closely to look (`low`, `high`, `auto`), empty for none.
    """

    url: str = ""
    data: str = ""
    media_type: str = ""
    detail: str = ""
    cache: Cache = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A document: by URL, inline as base64 `data` with its media type, or as plain `text`."""

    name: str = ""
    url: str = ""
    data: str = ""
    media_type: str = ""
    text: str = ""
    cache: Cache = ""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Thinking. Without a `signature` it was not made by Anthropic and is never sent there.

    `hidden` is thinking that its provider encrypted: it has no text and goes back as it came.
    """

    text: str
    signature: str = ""
    hidden: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model made; `arguments` is JSON text, exactly as written.

    A call of a `freeform` tool has the arguments `{"input": TEXT}` here, in every dialect.
    """

    id: str
    name: str
    arguments: str
    freeform: bool = False
    cache: Cache = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered to the call `call_id`."""

    call_id: str
    parts: tuple[Text | Image | Document, ...]
    failed: bool = False
    cache: Cache = ""


Part = Text | Image | Document | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """One turn."""

    role: Role
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the model may call; `schema` is the JSON schema of its arguments.

    A `freeform` tool takes plain text (OpenAI's custom tools); its schema is that of one string
    named `input`, so that dialects without such tools say it as a function.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    strict: bool | None = None
    freeform: bool = False
    cache: Cache = ""


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`mode` `tool` names one tool; `parallel` None leaves it to the model's default."""

    mode: Literal["auto", "none", "required", "tool"] = "auto"
    name: str = ""
    parallel: bool | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """How much the model is to think before it answers; a field that was not said is empty.

    `mode`: `off`, `adaptive` (the model decides) or `budget` (at most `budget_tokens`). `effort` is
    `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`. `shown`: the client wants to read
    it (`summarized`, `omitted`, OpenAI's `auto`, `concise`, `detailed`).
    """

    mode: Literal["", "off", "adaptive", "budget"] = ""
    budget_tokens: int | None = None
    effort: str = ""
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A whole request in neutral form, read only where dialects differ.

    `output_schema` is the JSON schema a structured answer must fit, `{}` for "any JSON object" and
    None for free text. `service_tier` is `auto`, `default`, `flex` or `priority`. `metadata` are
    the client's own labels. `unsaid` names fields that no other dialect can say.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    top_k: int | None = None
    output_schema: Mapping[str, Any] | None = None
    thinking: Thinking | None = None
    service_tier: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    unsaid: tuple[str, ...] = ()


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one attempt, as the provider counted them. Every figure stands alone.

    `input_tokens` are fresh: neither read from nor written to a cache. `reasoning_tokens` are a
    part of `output_tokens`, not beside them. `uses` are the uses of server tools by name. `mode`
    and `place` say how and where it was served (`standard`, `fast`; `us`), empty if nobody said.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    uses: tuple[tuple[str, int], ...] = ()
    mode: str = ""
    place: str = ""

    @property
    def prompt_tokens(self) -> int:
        """Everything the model had to read, from a cache or not."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.cache_write_1h_tokens
        )


class Began(msgspec.Struct, frozen=True):
    """The answer started; `model` is the model that really serves it."""

    id: str
    model: str


class TextDelta(msgspec.Struct, frozen=True):
    """More text."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True):
    """More thinking; a signature arrives alone, with empty text, and so does what is `hidden`."""

    text: str
    signature: str = ""
    hidden: str = ""


class ToolCallBegan(msgspec.Struct, frozen=True):
    """Call number `index` (from 0) of this answer has a name and an id."""

    index: int
    id: str
    name: str


class ToolCallDelta(msgspec.Struct, frozen=True):
    """More of the JSON text of call number `index`."""

    index: int
    arguments: str


class Metered(msgspec.Struct, frozen=True):
    """The usage known so far; a later one replaces it. `final` once it will not change.

    `timing` where the upstream tells it, at the end.
    """

    usage: Usage
    final: bool = False
    timing: Timing | None = None


class Ended(msgspec.Struct, frozen=True):
    """The model stopped, and why. Not yet success: that needs `Closed`.

    `stop_sequence` is the one it met, where the upstream says so.
    """

    finish: Finish
    stop_sequence: str = ""


class Progress(msgspec.Struct, frozen=True):
    """A sign of life without content: a ping or a keep-alive comment.

    `done` and `total` are prompt tokens where the server tells them (mlx-lm), else 0.
    """

    done: int = 0
    total: int = 0


class Failed(msgspec.Struct, frozen=True):
    """An error inside the stream, also under HTTP 200."""

    message: str
    kind: str
    status: int


class Closed(msgspec.Struct, frozen=True):
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


class Whole(msgspec.Struct, frozen=True):
    """A complete answer, for clients that did not ask for a stream."""

    id: str
    model: str
    parts: tuple[Text | Reasoning | ToolCall, ...]
    finish: Finish
    usage: Usage | None = None
    stop_sequence: str = ""


def utf8_bytes(text: str) -> int:
    """Its length in UTF-8. A token is at least one byte, so this bounds a count of tokens."""
    return len(text) if text.isascii() else len(text.encode())


@dataclass(slots=True)
class Observed:
    """What the ledger keeps of an answer, folded event by event while bytes pass through.

    `on_progress` hears of every step in which the server reads the prompt, where it tells them.
    """

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
    timing: Timing | None = None
    on_progress: Callable[[Progress], None] | None = None

    def mend(self, whole: Whole) -> None:
        """What was made of the answer on its way to the client."""
        calls = [part for part in whole.parts if isinstance(part, ToolCall)]
        self.finish, self.tool_calls = whole.finish, len(calls)
        self.tool_names = [call.name for call in calls]

    def fold_all(self, events: Iterable[Event]) -> Failed | None:
        """Take events into account; the failure among them, if there is one.

        Nearly all events are text, and of each only its length is wanted.
        """
        for event in events:
            if type(event) is TextDelta:
                self.output_bytes += utf8_bytes(event.text)
                self.content = True
            else:
                self.fold(event)
        return self.failed

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
            case Metered(usage=usage, final=final, timing=timing):
                self.usage, self.usage_final = usage, final
                self.timing = timing or self.timing
            case Ended(finish=finish):
                self.finish = finish
            case Failed():
                self.failed = event
            case Closed():
                self.closed = True
            case Began(id=id_, model=model):
                self.id, self.model = id_, model
            case _:  # `Progress` says nothing of the answer
                if event.total and self.on_progress is not None:
                    self.on_progress(event)
