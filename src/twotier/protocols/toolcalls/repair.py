"""The events of one answer in, the same events out, with calls where calls were meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from twotier.domain.message import (
    RELAYED,
    Began,
    Closed,
    Conversation,
    Dialect,
    Ended,
    Event,
    Failed,
    Finish,
    Observed,
    ReasoningDelta,
    Request,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
    Whole,
)
from twotier.errors import RequestError
from twotier.protocols.assemble import Assembly, events_of
from twotier.protocols.toolcalls.base import Habits, Kind, Written
from twotier.protocols.toolcalls.coerce import Coercion
from twotier.protocols.toolcalls.detect import BARE
from twotier.protocols.toolcalls.made import Made, json_text
from twotier.protocols.toolcalls.scan import Scan, Tail
from twotier.protocols.wire import NO_CALLS, no_calls

Tools = Mapping[str, Mapping[str, Any]]
_UNTOUCHED: frozenset[Dialect] = RELAYED | {"openai_responses"}


def tools_of(conversation: Conversation) -> Tools:
    """The schema of each tool that the model may call."""
    choice = conversation.tool_choice
    if choice is not None and choice.mode == "none":
        return {}
    return {tool.name: tool.schema for tool in conversation.tools}


def repair_of(
    request: Request,
    read: Callable[[bytes], Conversation],
    *,
    habits: Habits | None,
    upstream: Dialect,
) -> Repair | None:
    """The repair of one answer; None where none is wanted, or no tool could be called.

    `read` reads the request's body; it is asked once a marker was seen, which is nearly never.
    What a server says in the Responses dialect is left alone: it keeps it under names of its own,
    which the client hands back.
    """
    if habits is None or not request.tools or upstream in _UNTOUCHED:
        return None

    def tools() -> Tools:
        try:
            return tools_of(read(request.body))
        except RequestError:  # its server understood what we cannot say: then nothing is repaired
            return {}

    return Repair(tools, family=habits.family, bent=habits.bent)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that fits."""

    id: str
    name: str
    arguments: str


class Repair:
    """Repairs one answer. `tools` is asked when the first marker is seen, and only then; or, where
    the server's own calls are checked (`bent`), when there is one.

    `kinds` says what was repaired, and what was not, once for each call.
    """

    def __init__(self, tools: Callable[[], Tools], *, family: str = "", bent: bool = False) -> None:
        self.kinds: list[Kind] = []
        self._ask = tools
        self._asked: Tools | None = None
        self._text = Scan(self._named, bare=family in BARE)
        self._thinking = Scan(self._named)
        self._blank: list[str] = []  # text behind thinking that is held
        self._off = False  # the server itself called a tool
        self._lost = False  # it said so, and no call was there: what failed says nothing after it
        self._id = ""
        self._made = Made(self._schema, self.kinds, family=family) if bent else None

    def feed(self, events: list[Event]) -> list[Event]:
        """What the client may see of them now."""
        out: list[Event] = []
        for event in events:
            if self._lost:
                break
            if self._off:
                self._called(event, out)
            elif type(event) is TextDelta:
                self._said(event, out)
            else:
                self._other(event, out)
        return out

    def whole(self, whole: Whole) -> Whole:
        """An answer that came in one piece; the same object where nothing is to be repaired.

        Raises `UpstreamError` where it ended for a tool and no call is there, or one cannot fit.
        """
        events = self.feed([Began(whole.id, whole.model), *events_of(whole.parts)])
        events += self.feed([Ended(whole.finish), Closed()])
        changed = self._made is not None and self._made.changed
        if not (self._lost or changed or Kind.LEAKED in self.kinds):
            return whole
        assembly = Assembly()
        for event in events:
            assembly.fold(event)
        return msgspec.structs.replace(
            assembly.whole(), usage=whole.usage, stop_sequence=whole.stop_sequence
        )

    def cut(self, seen: Observed) -> bool:
        """Whether its limit cut the answer inside a call; then it is counted.

        Some servers swallow what they cannot read. A token is at least one byte, so where more
        tokens were written than bytes came, some are missing.
        """
        if seen.finish != "length":
            return False
        swallowed = seen.usage is not None and seen.usage.output_tokens > seen.output_bytes
        if (swallowed or self._off) and Kind.CUT not in self.kinds:
            self.kinds.append(Kind.CUT)
        return Kind.CUT in self.kinds

    def _said(self, event: TextDelta, out: list[Event]) -> None:
        """Text. Behind thinking that is held, blank text decides nothing."""
        if self._thinking.holding:
            self._blank.append(event.text)
            if event.text.strip():
                self._release(out)
            return
        passed = self._text.feed(event.text)
        if passed is event.text:
            out.append(event)
        elif passed:
            out.append(TextDelta(passed))

    def _called(self, event: Event, out: list[Event]) -> None:
        """From the server's own first call on."""
        if self._made is None:
            out.append(event)
        else:
            self._made.take(event, out)

    def _other(self, event: Event, out: list[Event]) -> None:
        match event:
            case ReasoningDelta(text=text, signature="", hidden=""):
                self._thought(text, out)
            case ReasoningDelta():
                self._release(out)
                out.append(event)
            case ToolCallBegan() | ToolCallDelta():
                self._off = True
                self._release(out)
                self._called(event, out)
            case Ended(finish=finish):
                out += self._end(finish)
                out.append(self._finished(event))
            case Failed(kind=kind):
                if kind == NO_CALLS:
                    self.kinds.append(Kind.ABSENT)
                self._release(out)
                out.append(event)
            case Began(id=id_):
                self._id = id_
                out.append(event)
            case _:
                out.append(event)

    def _thought(self, text: str, out: list[Event]) -> None:
        """Thinking. Text before it that was held is no tail."""
        if self._text.holding or self._blank:
            self._release(out)
        if passed := self._thinking.feed(text):
            out.append(ReasoningDelta(passed))

    def _release(self, out: list[Event]) -> None:
        """All that is held is what it seems to be."""
        if thought := self._thinking.release():
            out.append(ReasoningDelta(thought))
        blank, self._blank = "".join(self._blank), []
        text = self._text.release() + (blank and self._text.feed(blank))
        if text:
            out.append(TextDelta(text))

    def _end(self, finish: Finish) -> list[Event]:
        """The message is over: calls, or the text that only looked like some."""
        thinking = self._thinking.holding
        tail = self._thinking.tail() if thinking else self._text.tail()
        calls = self._calls(tail, finish, thinking=thinking)
        text = tail.before if calls else tail.before + tail.rest
        out: list[Event] = []
        if text:
            out.append(ReasoningDelta(text) if thinking else TextDelta(text))
        if self._blank and not calls:
            out.append(TextDelta("".join(self._blank)))
        for index, call in enumerate(calls):
            id_ = call.id or f"call_{self._id}_{index}"
            out += [ToolCallBegan(index, id_, call.name), ToolCallDelta(index, call.arguments)]
        self._off = bool(calls)
        return out

    def _finished(self, ended: Ended) -> Event:
        """How it ended, now that its calls are known."""
        if ended.finish != "tool_calls":
            return Ended("tool_calls") if self._off else ended
        if self._off:
            return ended
        # The server's own word counts for more than what we made of the text.
        self.kinds[:], self._lost = [Kind.ABSENT], True
        return no_calls()

    def _calls(self, tail: Tail, finish: Finish, *, thinking: bool) -> list[_Call]:
        """The calls of a tail, all of them or none."""
        if tail.found is None or finish == "refusal":
            if tail.broken:
                self.kinds.append(Kind.CUT if finish == "length" else Kind.MISFIT)
            return []
        if finish == "length" and not tail.found.closed:
            self.kinds.append(Kind.CUT)
            return []
        kinds: list[Kind] = []
        calls = [call for one in tail.found.calls if (call := self._fitted(one, kinds))]
        if len(calls) < len(tail.found.calls):
            self.kinds.append(Kind.MISFIT)
            return []
        kinds += [Kind.LEAKED] * len(calls) + [Kind.THINKING] * len(calls) * thinking
        self.kinds += [*sorted(tail.found.flaws), *kinds]
        return calls

    def _fitted(self, written: Written, kinds: list[Kind]) -> _Call | None:
        """One call whose arguments fit; None where there is no such tool or they do not."""
        name = self._tool(written.name)
        if not name:
            return None
        schema = self._tools()[name]
        coercion = Coercion(schema)
        arguments = coercion.arguments(written.arguments, plain=written.plain)
        if coercion.check.problems(arguments, schema):
            return None
        kinds += sorted(written.flaws)
        if coercion.changed:
            kinds.append(Kind.TYPES)
        return _Call(written.id, name, json_text(arguments))

    def _named(self, name: str) -> bool:
        return bool(self._tool(name))

    def _tool(self, name: str) -> str:
        """The tool that a name means, empty for none; some families put a namespace before it."""
        tools = self._tools()
        short = name.removeprefix("functions.")
        return name if name in tools else short if short in tools else ""

    def _schema(self, name: str) -> Mapping[str, Any] | None:
        return self._tools().get(name)

    def _tools(self) -> Tools:
        if self._asked is None:
            self._asked = self._ask()
        return self._asked


class Reader(Protocol):
    """Reads one streamed answer."""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that the chunk completes."""
        ...

    def end(self) -> None:
        """Raises `StreamBrokenError` unless the answer is whole."""
        ...


class Repaired:
    """A reader whose events are repaired."""

    def __init__(self, reader: Reader, repair: Repair) -> None:
        self._read = reader.feed
        self._repair = repair.feed
        self.end = reader.end

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that the chunk completes, as far as they can be told now."""
        return self._repair(self._read(chunk))
