"""Asks main for a model, over its private socket.

The worker holds no model key; everything it asks is routed, paid for, limited and seen by main.
The request is OpenAI's chat completion, what only main needs to know travels in `x-twotier-*`
headers. Nothing is retried here: whoever asks knows how long it may take.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from twotier.agent.said import Chat, Said
from twotier.domain.money import MICROUSD_PER_USD
from twotier.domain.tier import TierPolicy, TierState
from twotier.domain.verdict import Verdict
from twotier.errors import (
    NOT_READABLE,
    DeadlineError,
    NotRunningError,
    StreamBrokenError,
    UpstreamError,
)
from twotier.tools.reading import Limits

URL = "http://main/v1/chat/completions"  # the host is a name only: the socket decides
STATUS_URL = "http://main/control/status"
ALIVE_URL = "http://main/control/alive"
RELEASE_URL = "http://main/control/models/release"
BATCHES_URL = "http://main/control/batches/release"
VERDICTS_URL = "http://main/control/verdicts"
CONNECT_SECONDS = 5.0
ORDER_SECONDS = 30.0
KEY_CHARACTERS_MAX = 255


@dataclass(frozen=True, slots=True)
class Question:
    """One model call of a run. `deadline_seconds` is what is left, waiting for a tier included.

    `kind` is a word for the router (`polling` for work a watcher found). `schema` is the JSON
    schema the answer must fit, None for free text; `temperature` counts for an answer with one.
    `period_seconds` lie between two questions of this job, None where nobody knows. `batch`: its
    answer may come much later.
    """

    system: str
    prompt: str
    job: str
    run: str
    step: str
    kind: str
    policy: TierPolicy
    model: str
    output_tokens_max: int
    deadline_seconds: float
    schema: Mapping[str, Any] | None = None
    temperature: float = 0.0
    period_seconds: float | None = None
    batch: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole. `cut`: it reached the output limit and is not finished."""

    text: str
    cut: bool
    tier: str
    model: str
    rule: str
    request: str
    tokens: int
    cost_microusd: int


class MainClient:
    """The connection to main. Use it as an async context manager."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> MainClient:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(self._socket)),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, question: Question) -> Answer | None:
        """Ask once and wait for the whole answer; None where it waits for a batch, and the same
        question is to be asked again a little later.

        Raises `UpstreamError` with main's status and code, `DeadlineError`, `StreamBrokenError`
        for half an answer, and `NotRunningError` when main is not there any more.
        """
        async with answered(question.deadline_seconds, self._socket):
            return await self._ask(question)

    async def chat(self, chat: Chat) -> Said | None:
        """The same for an agent's call: a message, which may hold calls of tools."""
        async with answered(chat.deadline_seconds, self._socket):
            raw, headers = await self._post(chat_body(chat), chat)
            return None if headers.get("x-twotier-batch") == "waits" else said_of(raw, headers)

    async def _ask(self, question: Question) -> Answer | None:
        raw, headers = await self._post(body_of(question), question)
        if headers.get("x-twotier-batch") == "waits":
            return None
        return answer_of(raw, headers)

    async def _post(
        self, body: Mapping[str, Any], asking: Question | Chat
    ) -> tuple[bytes, Mapping[str, str]]:
        async with self._open().post(URL, json=body, headers=headers_of(asking)) as reply:
            raw = await reply.read()
            if reply.status >= 400:
                raise refusal(reply.status, raw, headers=reply.headers)
            return raw, reply.headers

    async def done_with(self, model: str) -> None:
        """A run that asked for this model has ended. Nobody waits for what main makes of it."""
        await self._tell(RELEASE_URL, {"tier": model})

    async def over(self, run: str) -> None:
        """A run has ended: what it still has in batches is not waited for any more."""
        await self._tell(BATCHES_URL, {"run": run})

    async def judged(self, verdict: Verdict) -> None:
        """How a piece of work ended. Told again it counts once, so a run that goes on may."""
        await self._tell(VERDICTS_URL, msgspec.to_builtins(verdict))

    async def _tell(self, url: str, news: Mapping[str, Any]) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                async with self._open().post(url, json=dict(news)):
                    pass

    async def order(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Main's answer to an order that matters. Raises `UpstreamError` with its refusal, and
        `NotRunningError`.
        """
        async with (
            answered(ORDER_SECONDS, self._socket),
            self._open().post(f"http://main{path}", json=dict(body)) as reply,
        ):
            raw = await reply.read()
            if reply.status >= 400:
                raise refusal(reply.status, raw, headers=reply.headers)
        try:
            found: dict[str, Any] = json.loads(raw)
        except NOT_READABLE as exc:
            raise StreamBrokenError(f"main's answer to {path} is not JSON") from exc
        return found

    async def local_window(self) -> int:
        """The window of the first local tier, in tokens, as it is now. Raises `NotRunningError`."""
        windows = [int(one["window_tokens"]) for one in await self._tiers() if one.get("local")]
        return windows[0] if windows else Limits().window_tokens

    async def models(self) -> frozenset[str]:
        """The tiers that lack no key; none where main does not answer."""
        try:
            tiers = await self._tiers()
        except NotRunningError:
            return frozenset()
        return frozenset(one["name"] for one in tiers if one.get("state") != TierState.NO_KEY)

    async def _tiers(self) -> list[dict[str, Any]]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS), self._open().get(STATUS_URL) as reply:
                tiers: list[dict[str, Any]] = (await reply.json())["tiers"]
                return tiers
        except (aiohttp.ClientError, OSError, TimeoutError, LookupError, ValueError) as exc:
            raise NotRunningError("twotier is not running; start it with `twotier up`") from exc

    async def stay(self) -> None:
        """Hold a connection to main and return when it ends, for whatever reason.

        Raises `NotRunningError` if it never came about. Main never ends it while it lives, so
        its end is how the worker learns that main has died, even by SIGKILL.
        """
        try:
            async with self._open().get(ALIVE_URL) as reply:
                if reply.status != 200:
                    raise NotRunningError(f"main answered {reply.status} to {ALIVE_URL}")
                await until_closed(reply)
        except (aiohttp.ClientError, OSError) as exc:
            raise NotRunningError(f"main does not answer on {self._socket}: {exc}") from exc

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise NotRunningError("the connection to main is used before it was opened")
        return self._session


@contextlib.asynccontextmanager
async def answered(deadline_seconds: float, socket: Path) -> AsyncIterator[None]:
    """A whole answer within the deadline. What the wire raises becomes an error of ours."""
    try:
        async with asyncio.timeout(deadline_seconds):
            yield
    except TimeoutError as exc:
        raise DeadlineError(
            f"no answer within {deadline_seconds:.0f} s; give the job more time"
        ) from exc
    except aiohttp.ClientPayloadError as exc:
        raise StreamBrokenError(f"the answer broke off: {exc}") from exc
    except (aiohttp.ClientError, OSError) as exc:
        raise NotRunningError(f"main does not answer on {socket}: {exc}") from exc


async def until_closed(reply: aiohttp.ClientResponse) -> None:
    """Read and drop whatever main says, until it says no more. A break is an end like any other."""
    try:
        async for _ in reply.content.iter_any():
            pass
    except (aiohttp.ClientError, OSError):
        return


def body_of(question: Question) -> dict[str, Any]:
    """The chat completion. How much chance there is in free text is left to the server."""
    body: dict[str, Any] = {
        "model": question.model,
        "stream": False,
        "max_tokens": question.output_tokens_max,
        "messages": [
            {"role": "system", "content": question.system},
            {"role": "user", "content": question.prompt},
        ],
    }
    if question.schema is not None:
        body["temperature"] = question.temperature
        body["response_format"] = response_format(question.schema)
    return body


def chat_body(chat: Chat) -> dict[str, Any]:
    """The chat completion of an agent. What never changes comes first, for the server's cache."""
    body: dict[str, Any] = {
        "model": chat.model,
        "stream": False,
        "max_tokens": chat.output_tokens_max,
    }
    if chat.tools:
        body["tools"] = list(chat.tools)
    if chat.tools and chat.tool_choice:
        body["tool_choice"] = chat.tool_choice
    if chat.schema is not None:
        body["response_format"] = response_format(chat.schema)
    if chat.temperature is not None:
        body["temperature"] = chat.temperature
    body["messages"] = list(chat.messages)
    return body


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """How the wire asks for an answer of this form."""
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }


def headers_of(question: Question | Chat) -> dict[str, str]:
    """Who asks, and within which limits."""
    headers = {
        "x-twotier-job": question.job,
        "x-twotier-run": question.run,
        "x-twotier-step": question.step,
        "x-twotier-kind": question.kind,
        "x-twotier-policy": question.policy.value,
        "x-twotier-deadline": f"{max(0.1, question.deadline_seconds):.1f}",
    }
    if not question.batch:  # asked again after a kill, it is not paid again
        headers["idempotency-key"] = key_of(question)[-KEY_CHARACTERS_MAX:]
    if question.batch:
        headers["x-twotier-batch"] = "yes"
    if question.period_seconds is not None:
        headers["x-twotier-period"] = f"{max(1.0, question.period_seconds):.0f}"
    return headers


def key_of(question: Question | Chat) -> str:
    """The same for the same question of a run: a prompt that was edited meanwhile is another."""
    key = f"{question.run}:{question.step}"
    if isinstance(question, Chat):
        return key
    body = json.dumps(body_of(question), sort_keys=True).encode()
    return f"{key}:{hashlib.sha256(body).hexdigest()[:8]}"


def answer_of(raw: bytes, headers: Mapping[str, str]) -> Answer:
    """A finished chat completion. One without text or finish reason is not an answer."""
    try:
        body = json.loads(raw)
        choice = body["choices"][0]
        text = choice["message"]["content"]
        finish = choice["finish_reason"]
    except (*NOT_READABLE, LookupError, TypeError) as exc:
        raise StreamBrokenError("main's answer is not a chat completion") from exc
    if not isinstance(text, str) or not text.strip():
        raise StreamBrokenError("the model gave an empty answer")
    usage = body.get("usage") or {}
    return Answer(
        text=text,
        cut=finish == "length",
        tier=headers.get("x-twotier-tier", ""),
        model=headers.get("x-twotier-model", str(body.get("model", ""))),
        rule=headers.get("x-twotier-rule", ""),
        request=headers.get("x-twotier-request", ""),
        tokens=int(usage.get("total_tokens") or 0),
        cost_microusd=microusd(headers.get("x-twotier-cost-usd", "0")),
    )


def said_of(raw: bytes, headers: Mapping[str, str]) -> Said:
    """A finished chat completion as an agent takes it; it may be without words."""
    try:
        body = json.loads(raw)
        choice = body["choices"][0]
        message, finish = dict(choice["message"]), str(choice["finish_reason"])
    except (*NOT_READABLE, LookupError, TypeError) as exc:
        raise StreamBrokenError("main's answer is not a chat completion") from exc
    usage = body.get("usage") or {}
    tokens_out = int(usage.get("completion_tokens") or 0)
    return Said(
        message=message,
        finish=finish,
        tier=headers.get("x-twotier-tier", ""),
        model=headers.get("x-twotier-model", str(body.get("model", ""))),
        rule=headers.get("x-twotier-rule", ""),
        request=headers.get("x-twotier-request", ""),
        tokens_in=int(usage.get("total_tokens") or 0) - tokens_out,
        tokens_out=tokens_out,
        cost_microusd=microusd(headers.get("x-twotier-cost-usd", "0")),
    )


def refusal(status: int, raw: bytes, *, headers: Mapping[str, str]) -> UpstreamError:
    """Main's error, with its own sentence, status and code."""
    try:
        error = json.loads(raw)["error"]
        message, code = str(error["message"]), str(error.get("code") or "api_error")
    except (*NOT_READABLE, LookupError, TypeError, AttributeError):
        message, code = f"main answered with status {status}", "api_error"
    return UpstreamError(
        message,
        upstream_status=status,
        upstream_kind=code,
        retry_after_seconds=seconds(headers.get("retry-after", "")),
    )


def seconds(text: str) -> float | None:
    """A `retry-after` in seconds; None for none, or for a date, which main never sends."""
    try:
        return max(0.0, float(text))
    except ValueError:
        return None


def microusd(text: str) -> int:
    """Decimal dollars as integer micro-dollars."""
    try:
        return int(Decimal(text) * MICROUSD_PER_USD)
    except InvalidOperation as exc:
        raise StreamBrokenError(f"main named a cost that is not a number: {text!r}") from exc
