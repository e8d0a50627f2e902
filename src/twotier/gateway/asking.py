"""`POST /control/ask`: one question of a person to one tier, told line by line while it comes.

It goes the way of every request: decided, reserved, paid for, seen. What is asked and answered is
kept nowhere here. Money and what leaves this machine need the person's word: without `paid` nothing
but local tiers is asked, whatever is named.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse

from twotier import errors
from twotier.dispatch import Answer
from twotier.domain.message import Dialect, Event, Failed, ReasoningDelta, TextDelta
from twotier.domain.money import Attempt, Settled, Settlement
from twotier.domain.task import Caller
from twotier.domain.tier import TierPolicy
from twotier.gateway.explaining import Explaining, Wanted
from twotier.gateway.status import usd_text
from twotier.keys import DASHBOARD
from twotier.learned.speeds import did_of
from twotier.protocols import INBOUND, OUTBOUND
from twotier.proving import Asks

WIRE: Dialect = "openai_chat"
ASK_SECONDS_MAX = 900.0
PROMPT_CHARACTERS_MAX = 200_000
ENDS_KEPT_MAX = 256
T = TypeVar("T")


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of whom. `paid`: it may cost money and leave this machine."""

    model: str
    prompt: str
    system: str = ""
    output_tokens_max: int | None = None
    paid: bool = False

    @property
    def policy(self) -> TierPolicy:
        """What that allows."""
        return TierPolicy.AUTO if self.paid else TierPolicy.LOCAL_ONLY

    def wanted(self) -> Wanted:
        """The same as a question about its route."""
        return Wanted(
            prompt=self.prompt,
            system=self.system,
            model=self.model,
            policy=self.policy.value,
            output_tokens_max=self.output_tokens_max,
        )


class Ends:
    """How the attempts of questions ended, until they are asked for: a listener of the ground's."""

    def __init__(self) -> None:
        self._found: dict[str, list[tuple[Attempt, Settlement]]] = {}

    def __call__(self, attempt: Attempt, end: Settlement) -> None:
        """An attempt has ended; those of others are none of ours."""
        if attempt.client != DASHBOARD:
            return
        if len(self._found) >= ENDS_KEPT_MAX:  # nobody took them: their reader had left
            self._found.clear()
        self._found.setdefault(attempt.request_id, []).append((attempt, end))

    def take(self, request_id: str) -> Sequence[tuple[Attempt, Settlement]]:
        """Those of one request, the last one last; once."""
        return self._found.pop(request_id, ())


@dataclass(frozen=True, slots=True)
class Asking:
    """The path. `closing` is set when the process stops."""

    asks: Asks
    explaining: Explaining
    closing: asyncio.Event
    ends: Ends = field(default_factory=Ends)

    async def __call__(self, request: HttpRequest) -> Response:
        """Begin; what is wrong with the question itself is an ordinary error."""
        lines = self.asked(await request.body())
        return StreamingResponse(lines, media_type="application/x-ndjson")

    def asked(self, body: bytes) -> AsyncGenerator[bytes]:
        """The lines of an answer. Raises what is wrong with the question, before the first."""
        question = read(body)
        self.allowed(question)
        return self.lines(question)

    def allowed(self, question: Question) -> None:
        """Raises `UsageError` for one that costs money and nobody said that it may."""
        if question.paid:
            return
        told = self.explaining.told(question.wanted())
        if told["options"] and float(told["worst_case_usd"]) > 0:
            raise errors.UsageError(
                f"{question.model} may cost up to ${told['worst_case_usd']} for this; say that it"
                " may"
            )

    async def lines(self, question: Question) -> AsyncGenerator[bytes]:
        """The head, the text as it comes, the end with what it cost; or why there is none."""
        name = ""
        try:
            async with asyncio.timeout(ASK_SECONDS_MAX):
                answer = await self.soon(self.begun(question))
                name = answer.headers["x-twotier-request"]
                async for told in self.heard(answer):
                    yield line(told)
            yield line(end_of(self.ends.take(name)))
        except errors.TwotierError as exc:
            yield line(failed(exc, self.ends.take(name or exc.request_id)))
        except TimeoutError:
            late = errors.DeadlineError(f"no whole answer within {ASK_SECONDS_MAX:.0f} s")
            yield line(failed(late, self.ends.take(name)))

    def begun(self, question: Question) -> Awaitable[Answer]:
        """The answer, its head known."""
        request = INBOUND[WIRE].read_request(msgspec.json.encode(body_of(question)))
        return self.asks.answer(request, Caller(client=DASHBOARD, policy=question.policy))

    async def heard(self, answer: Answer) -> AsyncGenerator[dict[str, Any]]:
        """Its head and what it says; closed in the end. Raises what it failed with."""
        reader = OUTBOUND[WIRE].stream_reader()
        try:
            yield head(answer)
            while chunk := await self.soon(answer.read()):
                for told in words(reader.feed(chunk)):
                    yield told
        finally:
            await asyncio.shield(answer.close())

    async def soon(self, coming: Awaitable[T]) -> T:
        """What comes. Raises `StoppingError` when the process stops first."""
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(caught(coming))
            closing = group.create_task(self.closing.wait())
            await asyncio.wait((waiting, closing), return_when=asyncio.FIRST_COMPLETED)
            closing.cancel()
            if not waiting.done():
                waiting.cancel()
        if waiting.cancelled():
            raise errors.StoppingError("twotier is being stopped; ask again when it runs")
        found = waiting.result()
        if isinstance(found, errors.TwotierError):
            raise found
        return found


async def caught(coming: Awaitable[T]) -> T | errors.TwotierError:
    """What comes, or the error that came; a group would wrap it."""
    try:
        return await coming
    except errors.TwotierError as exc:
        return exc


def read(body: bytes) -> Question:
    """The question in a body. Raises `RequestError` and `UsageError`."""
    try:
        question = msgspec.json.decode(body, type=Question)
    except msgspec.MsgspecError as exc:
        raise errors.RequestError(f"the body is no question: {exc}") from exc
    if not question.prompt.strip():
        raise errors.UsageError("there is no question; write one")
    if len(question.prompt) + len(question.system) > PROMPT_CHARACTERS_MAX:
        most = f"{PROMPT_CHARACTERS_MAX:,}"
        raise errors.UsageError(f"the question is longer than {most} characters; shorten it")
    limit = question.output_tokens_max
    if limit is not None and limit < 1:
        raise errors.UsageError("the most tokens of an answer are 1 or more")
    return question


def body_of(question: Question) -> dict[str, Any]:
    """It as a client would ask it."""
    system = [{"role": "system", "content": question.system}] if question.system else []
    body: dict[str, Any] = {
        "model": question.model,
        "messages": [*system, {"role": "user", "content": question.prompt}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if question.output_tokens_max is not None:
        body["max_tokens"] = question.output_tokens_max
    return body


def words(events: Sequence[Event]) -> Iterator[dict[str, Any]]:
    """What of it is for reading. Raises `UpstreamError` for an error inside the stream."""
    for event in events:
        match event:
            case TextDelta(text=text) if text:
                yield {"kind": "text", "text": text}
            case ReasoningDelta(text=text) if text:
                yield {"kind": "thinking", "text": text}
            case Failed():
                raise errors.UpstreamError(
                    event.message, upstream_status=event.status, upstream_kind=event.kind
                )


def head(answer: Answer) -> dict[str, Any]:
    """Who answers, by which rule, and what is held for it."""
    said = answer.headers
    return {
        "kind": "head",
        "request": said["x-twotier-request"],
        "tier": said["x-twotier-tier"],
        "model": said["x-twotier-model"],
        "rule": said["x-twotier-rule"],
        "reserved_usd": said["x-twotier-cost-usd"],
        "fallback": said.get("x-twotier-fallback", ""),
    }


def end_of(ended: Sequence[tuple[Attempt, Settlement]]) -> dict[str, Any]:
    """What it cost and how long it took, as the ledger has it."""
    if not ended:
        return {"kind": "end"}
    _, end = ended[-1]
    did = did_of(end)
    writes = bool(did and did.output_seconds > 0 and did.output_tokens > 1)
    return {
        "kind": "end",
        "cost_usd": usd_text(cost_of(ended)),
        "estimated": end.settled is not Settled.SETTLED,
        "first_token_seconds": end.first_token_seconds,
        "seconds": end.total_seconds,
        "waited_seconds": end.waited_seconds,
        "prompt_tokens": end.usage.prompt_tokens,
        "cached_tokens": end.usage.cache_read_tokens,
        "output_tokens": end.usage.output_tokens,
        "tokens_per_second": did.output_tokens / did.output_seconds if did and writes else None,
        "finish": end.finish,
    }


def cost_of(ended: Sequence[tuple[Attempt, Settlement]]) -> int:
    """Micro-dollars of all its attempts."""
    return sum(end.cost_microusd for _, end in ended)


def failed(
    error: errors.TwotierError, ended: Sequence[tuple[Attempt, Settlement]]
) -> dict[str, Any]:
    """Why there is no answer, or no whole one, and what it cost all the same."""
    cost_usd = usd_text(cost_of(ended))
    return {"kind": "error", "code": error.code, "message": error.message, "cost_usd": cost_usd}


def line(value: dict[str, Any]) -> bytes:
    """One line."""
    return msgspec.json.encode(value) + b"\n"
