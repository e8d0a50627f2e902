"""Verifies what a local tier answered to a client, while nothing of it has gone out.

It counts where the router was free to choose and not sure, and the client can wait for the whole
answer: it wants no stream, or says so with the header `x-twotier-verify`. What fails is asked of
the frontier tier, word for word as the client asked it, so that its cache still fits. Whatever
looks at an answer is an ordinary attempt with a row of its own; where it does not come, or the
frontier tier does not, the answer that there is goes out. What was found stands in its headers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from twotier.dispatch import Answer
from twotier.domain.message import (
    RELAYED,
    Conversation,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Whole,
)
from twotier.domain.task import Caller
from twotier.domain.tier import TierPolicy
from twotier.errors import RequestError, TwotierError
from twotier.protocols import INBOUND, OUTBOUND
from twotier.protocols.assemble import Assembly
from twotier.router.names import AUTO
from twotier.say import printable
from twotier.verify import rubric
from twotier.verify.checks import PLAIN, Asked, Said, failed, look
from twotier.verify.ladder import PLANS, End, Seen, Verdict, next_rung, verdict
from twotier.verify.same import value_of

HEADER = "x-twotier-verify"
FOUND = "x-twotier-verified"
SECOND_TEMPERATURE = 0.7  # without chance a second answer is the first
LOOK_SECONDS_MAX = 120.0  # for what looks at an answer; then it could not tell
MATERIAL_CHARACTERS_MAX = 8_000
FREE = (TierPolicy.AUTO, TierPolicy.LOCAL_THEN_FRONTIER)
CUT = ("loop",)  # of an answer that its client's own limit cut: it need not be whole, nor begun
NOT_WANTED: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Habits:
    """What is usual: `requests` is a word of `verify.ladder.PLANS`, for those that want no stream;
    `second` the tier that answers once more, empty for any local one; `judge` who may judge.
    """

    requests: str = "checks"
    second: str = ""
    judge: TierPolicy = TierPolicy.LOCAL_ONLY


@dataclass(frozen=True, slots=True)
class Judged:
    """What is told of an answer that was looked at; `good` is None where nobody could tell.
    `redone`: where it is not good, the frontier tier's went out in its place.
    """

    request: Request
    caller: Caller
    request_id: str
    tier: str
    good: bool | None
    by: str
    redone: bool = False


class Asks(Protocol):
    """Asks a model: `Dispatch`."""

    def answer(self, request: Request, caller: Caller) -> Awaitable[Answer]:
        """The answer, its head known. Raises `TwotierError`."""
        ...


def nobody(_: Judged) -> None:
    """Hears of it."""


class Proving:
    """Asks, looks, and asks again where that is needed. `local` are the tiers of this machine;
    `told` hears of each answer that was looked at, and must not wait.
    """

    def __init__(
        self,
        asks: Asks,
        habits: Habits,
        *,
        local: frozenset[str],
        told: Callable[[Judged], None] = nobody,
    ) -> None:
        self.told = told
        self._asks = asks
        self._habits = habits
        self._local = local

    def answer(self, request: Request, caller: Caller) -> Awaitable[Answer]:
        """The answer, looked at where that is wanted. Raises `TwotierError` if there is none."""
        wanted = self.wanted(request, caller)
        if not wanted:
            return self._asks.answer(request, caller)
        return self._proven(request, caller, wanted=wanted)

    async def _proven(self, request: Request, caller: Caller, *, wanted: frozenset[str]) -> Answer:
        """The answer of a local tier is looked at, where the choice of it was not sure."""
        answer = await self._asks.answer(request, caller)
        if answer.headers["x-twotier-tier"] not in self._local:
            return answer
        # A rule of the owner's holds it here. Asked again it might look otherwise: without the
        # headers of its client, longer, shorter, an hour later.
        if answer.restricted:
            return answer
        unsure = answer.verify or caller.policy is TierPolicy.LOCAL_THEN_FRONTIER
        if not unsure and HEADER not in caller.headers:
            return answer
        return await self._looked_at(answer, request, caller=caller, wanted=wanted)

    def wanted(self, request: Request, caller: Caller) -> frozenset[str]:
        """The rungs for a request. Raises `RequestError` for a word that is none."""
        word = caller.headers.get(HEADER, "") if caller.headers else ""
        if word and word not in PLANS:
            raise RequestError(f"{HEADER} must be one of {', '.join(PLANS)}")
        named = request.model not in (AUTO, "")
        if named or (not word and (request.stream or caller.job or caller.probe)):
            return NOT_WANTED
        free = caller.policy in FREE and request.dialect not in RELAYED and not caller.batch
        return PLANS[word or self._habits.requests] if free else NOT_WANTED

    async def _looked_at(
        self, answer: Answer, request: Request, *, caller: Caller, wanted: frozenset[str]
    ) -> Answer:
        """The answer in whole, or the frontier tier's in its place."""
        held = await _held(answer)
        begun = replace(
            caller, step=f"verify:{answer.headers['x-twotier-request']}", headers={}, batch=False
        )
        seen = []
        if not answer.whole():
            seen = [Seen("checks", False, "it broke off")]
        elif (subject := _subject(request, held, stream=answer.stream)) is None:
            return _replayed(answer, held, found="undecided: it cannot be read")
        else:
            while name := next_rung(wanted, seen):
                seen.append(await self._seen(name, subject, caller=begun))
        found, given = verdict(seen), answer
        try:
            if found.end is not End.ESCALATE:
                return _replayed(answer, held, found=f"{found.end.value}: {found.text}")
            given = await self._carried_on(answer, held, request=request, caller=begun, found=found)
            return given
        finally:
            if answer.whole():  # what broke off says nothing of how good its tier is
                there = given.headers["x-twotier-tier"] not in self._local
                redone = there or found.end is End.KEEP
                self._tell(answer, request, caller=caller, found=found, redone=redone)

    def _tell(
        self, answer: Answer, request: Request, *, caller: Caller, found: Verdict, redone: bool
    ) -> None:
        good = {End.KEEP: True, End.ESCALATE: False, End.UNDECIDED: None}[found.end]
        head = answer.headers
        name, tier = head["x-twotier-request"], head["x-twotier-tier"]
        self.told(Judged(request, caller, name, tier, good, found.by, redone))

    async def _carried_on(
        self,
        answer: Answer,
        held: Sequence[bytes],
        *,
        request: Request,
        caller: Caller,
        found: Verdict,
    ) -> Answer:
        """The frontier tier's answer; where there is none, what there is."""
        there = replace(caller, policy=TierPolicy.FRONTIER)
        try:
            better = await self._asks.answer(request, there)
        except TwotierError as exc:
            because = f"kept, though not good enough ({found.text}): {exc.message}"
            return _replayed(answer, held, found=because)
        told = {FOUND: printable(f"escalated: {found.text}")}
        return msgspec.structs.replace(better, headers={**better.headers, **told})

    # -- the rungs

    async def _seen(self, name: str, subject: Subject, *, caller: Caller) -> Seen:
        """What one rung found. What it cannot do it cannot tell."""
        climbs: Mapping[str, Callable[[Subject, Caller], Awaitable[tuple[bool | None, str]]]] = {
            "checks": self._checks,
            "second": self._second,
            "rubric": self._rubric,
        }
        try:
            async with asyncio.timeout(LOOK_SECONDS_MAX):
                passed, because = await climbs[name](subject, caller)
        except TwotierError as exc:
            return Seen(name, None, exc.message)
        except TimeoutError:
            return Seen(name, None, f"no answer within {LOOK_SECONDS_MAX:.0f} s")
        return Seen(name, passed, because)

    async def _checks(self, subject: Subject, caller: Caller) -> tuple[bool | None, str]:
        del caller
        names = CUT if subject.limited else PLAIN
        wrong = failed(look(subject.asked, subject.said, names=names))
        return not wrong, wrong

    async def _second(self, subject: Subject, caller: Caller) -> tuple[bool | None, str]:
        first = subject.value(subject.said.text)
        if first is None or subject.said.calls:
            return None, "an answer like this cannot be compared"
        request = again(subject.request, self._habits.second or AUTO)
        second = await self._text(request, replace(caller, policy=TierPolicy.LOCAL_ONLY))
        value = subject.value(second)
        if value is None:
            return None, "the second answer cannot be compared"
        if first.says(value):
            return True, f"a second answer says the same ({first.kind.value})"
        return False, f"a second answer says something else ({first.kind.value})"

    async def _rubric(self, subject: Subject, caller: Caller) -> tuple[bool | None, str]:
        if subject.said.calls:
            return None, "calls of tools are not judged"
        request = judging(subject)
        text = await self._text(request, replace(caller, policy=self._habits.judge))
        good, because = rubric.read(text)
        return good, f"the rubric finds it {'good' if good else 'not good'}: {because}"

    async def _text(self, request: Request, caller: Caller) -> str:
        """What a model says to a question that wants no stream."""
        step = caller.step.replace("verify:", "verify-look:", 1)
        answer = await self._asks.answer(request, replace(caller, step=step))
        held = await _held(answer)
        whole = _whole(request, held, stream=False)
        return "" if whole is None else said_of(whole, cut=False).text


@dataclass(frozen=True, slots=True)
class Subject:
    """An answer that is looked at: to what request, what was asked for in it, and what was said.
    `material` is what stands before the question. `limited`: the client's own limit cut it.
    """

    request: Request
    asked: Asked
    said: Said
    material: str
    limited: bool

    def value(self, text: str) -> Any:
        """What a text comes to, where it can be compared."""
        asked = self.asked
        return value_of(text, prompt=asked.prompt, structured=asked.schema is not None)


async def _held(answer: Answer) -> list[bytes]:
    """All of an answer; its slot is free then. Raises `TwotierError`."""
    held = []
    try:
        while chunk := await answer.read():
            held.append(chunk)
    finally:
        await answer.close()
    return held


def _replayed(answer: Answer, held: Sequence[bytes], *, found: str = "") -> Answer:
    """The answer that was held, its head with what was found."""
    left = list(held)

    async def read() -> bytes:
        return left.pop(0) if left else b""

    told = {FOUND: printable(found)} if found else {}
    headers = {**answer.headers, **told}
    return msgspec.structs.replace(answer, headers=headers, read=read)


def _subject(request: Request, held: Sequence[bytes], *, stream: bool) -> Subject | None:
    """What is looked at; None where it cannot be read."""
    whole = _whole(request, held, stream=stream)
    if whole is None:
        return None
    cut = whole.finish == "length"
    limited = cut and request.max_output_tokens is not None
    try:
        conversation = INBOUND[request.dialect].read_conversation(request.body)
    except (TwotierError, RecursionError):  # what only its own dialect can say
        conversation = Conversation(())
    asked = Asked(
        request.head_text,
        schema=conversation.output_schema,
        tools={tool.name: tool.schema for tool in conversation.tools},
    )
    said = said_of(whole, cut=cut)
    return Subject(request, asked, said, material=material_of(conversation), limited=limited)


def _whole(request: Request, held: Sequence[bytes], *, stream: bool) -> Whole | None:
    """The answer in neutral form, from the bytes in the client's dialect; None where it is not."""
    wire = OUTBOUND[request.dialect]
    try:
        if not stream:
            return wire.read_whole(b"".join(held))
        reader, assembly = wire.stream_reader(), Assembly()
        for chunk in held:
            for event in reader.feed(chunk):
                assembly.fold(event)
        reader.end()
        return assembly.whole()
    except (TwotierError, RecursionError):
        return None


def said_of(whole: Whole, *, cut: bool) -> Said:
    """Words and calls of an answer."""
    text = "".join(part.text for part in whole.parts if isinstance(part, Text))
    calls = [(part.name, part.arguments) for part in whole.parts if isinstance(part, ToolCall)]
    return Said(text, calls, cut=cut)


def material_of(conversation: Conversation) -> str:
    """The texts of a conversation, the end of them."""
    texts = []
    for message in conversation.messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ToolResult) else (part,)
            texts += [one.text for one in inner if isinstance(one, Text)]
    return "\n\n".join(texts)[-MATERIAL_CHARACTERS_MAX:]


def again(request: Request, model: str) -> Request:
    """The same request once more, with some chance in it, in one piece."""
    body = msgspec.json.decode(request.body)
    body = {name: value for name, value in body.items() if name != "stream_options"}
    body |= {"model": model, "stream": False}
    body["temperature"] = max(float(body.get("temperature") or 0.0), SECOND_TEMPERATURE)
    return INBOUND[request.dialect].read_request(msgspec.json.encode(body), request.passed)


def judging(subject: Subject) -> Request:
    """The question to a judge."""
    material = (subject.material,) if subject.material else ()
    asked = rubric.question(subject.asked.prompt, material, answer=subject.said.text)
    form = {"name": "verdict", "strict": True, "schema": rubric.SCHEMA}
    body = {
        "model": AUTO,
        "stream": False,
        "temperature": 0.0,
        "max_tokens": rubric.OUTPUT_TOKENS_MAX,
        "messages": [
            {"role": "system", "content": rubric.SYSTEM},
            {"role": "user", "content": asked},
        ],
        "response_format": {"type": "json_schema", "json_schema": form},
    }
    return INBOUND["openai_chat"].read_request(msgspec.json.encode(body))
