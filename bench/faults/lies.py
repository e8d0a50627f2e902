"""An upstream that says 200 and does not answer: who hears of it? Asked by the official SDKs.

A lie is an answer that the SDK takes for one: nothing was raised, and it can be read. Between two
of them stands a good request, so that no breaker opens, which is another figure.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2
import openai

from bench.faults.stand import MESSAGES, Stand
from bench.figures import Figure, Other
from bench.stage import MAIN, Route, Side, Way

SECONDS_MAX = 60.0
MAX_TOKENS = 200
WAYS: tuple[Way, ...] = ("chat", "chat_on_messages", "messages", "messages_on_chat")
STREAMED = ("early", "cut", "half", "page", "nocall", "erring", "nothing")
IN_ONE = ("cut", "half", "page", "nocall", "erring", "nothing")
NAMES = {
    "early": "ends early, properly",
    "cut": "the connection breaks",
    "half": "half an event or document",
    "page": "an HTML page",
    "nocall": "a tool call without a call",
    "erring": "an error under status 200",
    "nothing": "a form with nothing in it",
}
# An error of the SDK, or of its HTTP library where a stream breaks; and what a program runs into
# that reads an answer where the SDK took a page for one.
HEARD: tuple[type[Exception], ...] = (
    *(openai.OpenAIError, anthropic.AnthropicError, httpx2.HTTPError),
    *(AttributeError, IndexError, TypeError, KeyError, ValueError),
)


@dataclass(frozen=True, slots=True)
class Case:
    """What is done, to whom, how it is asked."""

    plan: str
    way: Way
    stream: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """One that was taken for an answer; `ended`: with a reason to end, as good ones have."""

    case: Case
    ended: bool


@dataclass(frozen=True, slots=True)
class Told:
    """One side: how many were asked, which were lies, and good answers that did not come."""

    asked: int
    lies: Sequence[Taken]
    missed: int


def figures(stand: Stand, repeats: int) -> Iterator[Figure]:
    """All cases through every side that can be asked in their ways."""
    told: dict[str, Told] = {}
    for side in (one for one, _ in stand.of("chat")):
        stand.orders.give()
        with side.turn():
            told[side.name] = asyncio.run(lied(side, repeats))
    yield Figure(
        "broken answers under status 200: taken for good by an official SDK",
        "0",
        shown(told[MAIN]),
        {name: Other(None, shown(one)) for name, one in told.items() if name != MAIN},
    )
    for plan, name in NAMES.items():
        yield Figure(
            f"of them: {name}",
            "0",
            part(told[MAIN], plan),
            {who: Other(None, part(one, plan)) for who, one in told.items() if who != MAIN},
        )
    yield Figure(
        "good requests between them that were refused",
        "0",
        str(told[MAIN].missed),
        {name: Other(None, str(one.missed)) for name, one in told.items() if name != MAIN},
    )


def shown(told: Told) -> str:
    """The whole, in words."""
    ended = sum(one.ended for one in told.lies)
    more = f", {ended} with a reason to end" if ended else ""
    return f"{len(told.lies)} of {told.asked}{more}"


def part(told: Told, plan: str) -> str:
    """The lies of one kind, by how it was asked."""
    lies = [one.case for one in told.lies if one.case.plan == plan]
    ways = Counter(f"{one.way}, {'streamed' if one.stream else 'whole'}" for one in lies)
    return str(len(lies)) + (f" ({'; '.join(sorted(ways))})" if ways else "")


async def lied(side: Side, repeats: int) -> Told:
    """One after another."""
    lies: list[Taken] = []
    asked = missed = 0
    for case in cases(side):
        for _ in range(repeats):
            route = side.routes[case.way]
            asked += 1
            ended = await taken(route, case.plan, stream=case.stream)
            if ended is not None:
                lies.append(Taken(case, ended))
            missed += await taken(route, "", stream=case.stream) is None
    return Told(asked, lies, missed)


def cases(side: Side) -> Iterator[Case]:
    """All that this side can be asked."""
    for way in WAYS:
        if way in side.routes:
            yield from (Case(plan, way, stream=True) for plan in STREAMED)
            yield from (Case(plan, way, stream=False) for plan in IN_ONE)


async def taken(route: Route, plan: str, *, stream: bool) -> bool | None:
    """None where the client hears that there is no answer; else whether it has a reason to end."""
    said = f"Say three words. bench:{plan}" if plan else "Say three words."
    turns: Any = [{"role": "user", "content": said}]
    wanted = {"model": route.model, "messages": turns, "max_tokens": MAX_TOKENS, "stream": stream}
    by = by_messages if route.target.path == MESSAGES else by_chat
    try:
        return bool(await by(route, wanted))
    except HEARD:
        return None


async def by_chat(route: Route, wanted: dict[str, Any]) -> str | None:
    """The reason to end that the OpenAI SDK read."""
    target = route.target
    base = target.path.removesuffix("/chat/completions")
    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{target.port}{base}",
        api_key=target.key or "none",
        max_retries=0,
        timeout=SECONDS_MAX,
        default_headers=dict(target.headers),
    ) as client:
        answer: Any = await client.chat.completions.create(**wanted)
        if not wanted["stream"]:
            read = answer.choices[0].message
            return str(answer.choices[0].finish_reason) if read else None
        reason = None
        async for event in answer:
            for choice in event.choices:
                reason = choice.finish_reason or reason
        return reason


async def by_messages(route: Route, wanted: dict[str, Any]) -> str | None:
    """The reason to stop that the Anthropic SDK read."""
    target = route.target
    async with anthropic.AsyncAnthropic(
        base_url=f"http://127.0.0.1:{target.port}",
        api_key=target.key,
        max_retries=0,
        timeout=SECONDS_MAX,
    ) as client:
        answer: Any = await client.messages.create(**wanted)
        if not wanted["stream"]:
            blocks = list(answer.content)
            return str(answer.stop_reason) if blocks is not None else None
        reason = None
        async for event in answer:
            if event.type == "message_delta":
                reason = event.delta.stop_reason or reason
        return reason
