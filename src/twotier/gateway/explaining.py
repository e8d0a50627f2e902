"""`POST /control/route`: what would be decided, and by which rules; nothing is asked or stored.

The request is one of a client's, body and path as they are, or made here from a prompt. It may come
as a job's, or as that of a client by its name, so that what the rules would see is what they see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import asdict
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from twotier.dispatch import Dispatch
from twotier.domain.decision import Decision
from twotier.domain.known import Known
from twotier.domain.message import Request
from twotier.domain.task import Asking, Caller, Task
from twotier.domain.tier import TierPolicy, TierState, stricter
from twotier.errors import NotFoundError, RequestError
from twotier.gateway.app import DIALECT_AT
from twotier.gateway.auth import policy
from twotier.gateway.clients import Clients
from twotier.gateway.findings import errors_told
from twotier.gateway.status import usd_text
from twotier.keys import DEFAULT
from twotier.learned.sessions import HEADERS as SESSION_HEADERS
from twotier.learned.speeds import Speeds
from twotier.protocols import INBOUND
from twotier.router.gain import cost
from twotier.router.speed import Prediction

SCHEMA_VERSION = 1
CHAT = "/v1/chat/completions"
TOOL = {"type": "function", "function": {"name": "tool", "parameters": {"type": "object"}}}


class Wanted(msgspec.Struct, frozen=True):
    """What is to be explained. `body` is a whole request for `path`, else `prompt` is made one,
    with so many `tools`, behind a `system` text. `client` is the name of a key, `job` that of a
    job.
    """

    prompt: str = ""
    system: str = ""
    model: str = ""
    body: dict[str, Any] | None = None
    path: str = CHAT
    kind: str = ""
    policy: str = ""
    job: str = ""
    client: str = ""
    headers: dict[str, str] = {}
    tools: int = 0
    output_tokens_max: int | None = None
    deadline_seconds: float | None = None
    period_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Explaining:
    """Answers the path."""

    dispatch: Dispatch
    clients: Clients
    speeds: Speeds

    async def __call__(self, request: HttpRequest) -> Response:
        """The decision, the rules that spoke, and the worst case."""
        try:
            wanted = msgspec.json.decode(await request.body(), type=Wanted)
        except msgspec.MsgspecError as exc:
            raise RequestError(f"the body is no question about a route: {exc}") from exc
        return JSONResponse({"schema_version": SCHEMA_VERSION, **self.told(wanted)})

    def told(self, wanted: Wanted) -> dict[str, Any]:
        """The same as plain values. Raises `TwotierError` where nothing can be said."""
        asking, decision, microusd = self.dispatch.explain(read(wanted), self.caller(wanted))
        task = asking.task
        return {
            "options": [asdict(option) for option in decision.options],
            "rule": decision.rule,
            "verify": decision.verify,
            "because": [asdict(one) for one in decision.because],
            "refusal": decision.refusal,
            "refusal_code": decision.refusal_code,
            "task": seen(task),
            "known": known(asking.known),
            "tokens": self.tokens(task, decision),
            "worst_case_usd": usd_text(microusd),
            "expected_usd": self.expected(asking, decision),
            "predicted": self.predicted(task, decision),
        }

    def expected(self, asking: Asking, decision: Decision) -> dict[str, str | None]:
        """About what each tier would cost now, as the rule `gain` sees it; null where its price is
        not known, or the model has no tier of its own.
        """
        found: dict[str, str | None] = {}
        for option in decision.options:
            spec = self.dispatch.tiers[option.tier].spec
            known = not option.model and spec.price is not None
            microusd = cost(asking.task, asking.known, tier=spec) if known else 0
            found[option.tier] = usd_text(microusd) if known else None
        return found

    def caller(self, wanted: Wanted) -> Caller:
        """Who would ask. A client's own policy holds, and what is wanted can only restrict it."""
        asked = policy(wanted.policy)
        headers = self.heeded(wanted.headers)
        if not wanted.client:
            return Caller(
                private=True,
                client="worker" if wanted.job else "cli",
                job=wanted.job,
                kind=wanted.kind,
                policy=asked,
                deadline_seconds=wanted.deadline_seconds,
                period_seconds=wanted.period_seconds,
                headers=headers,
            )
        if wanted.job:
            raise RequestError("jobs ask for themselves; leave out the client or the job")
        entry = self.clients.entries.get(wanted.client)
        if entry is None and wanted.client != DEFAULT:
            known = ", ".join([DEFAULT, *self.clients.named])
            raise NotFoundError(f"there is no client {wanted.client!r}; there are: {known}")
        own = TierPolicy.AUTO if entry is None else entry.policy
        return Caller(client=wanted.client, policy=stricter(own, asked), headers=headers)

    def heeded(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Those that the gateway would hand on."""
        names = {*self.dispatch.router.rules.headers, *SESSION_HEADERS}
        given = {name.lower(): value for name, value in headers.items()}
        return {name: value for name, value in given.items() if name in names}

    def tokens(self, task: Task, decision: Decision) -> dict[str, dict[str, Any]]:
        """How many tokens the prompt is for each tier, and how far off such estimates were."""
        scales = self.dispatch.router.scales
        return {
            option.tier: {
                "prompt_tokens": scales.tokens(task.work, option.tier),
                **errors_told(scales.get(option.tier)),
            }
            for option in decision.options
        }

    def predicted(self, task: Task, decision: Decision) -> dict[str, dict[str, float] | None]:
        """How long each tier would take, in seconds; null where its speed is not known yet."""
        found: dict[str, dict[str, float] | None] = {}
        for option in decision.options:
            tier = self.dispatch.tiers[option.tier]
            prediction = self.speeds.predict(
                option.tier,
                self.dispatch.router.scales.tokens(task.work, option.tier),
                output_tokens=min(task.output_tokens, tier.spec.output_tokens_default),
                up=tier.facts().state is not TierState.COMING_UP,
                line_seconds=tier.slots.wait_seconds() if tier.slots is not None else 0.0,
            )
            found[option.tier] = None if prediction is None else predicted_seconds(prediction)
        return found


def read(wanted: Wanted) -> Request:
    """The request, through the same reader as a client's. Raises `RequestError`."""
    dialect = DIALECT_AT.get(wanted.path)
    if dialect is None:
        there = ", ".join(DIALECT_AT)
        raise NotFoundError(f"no model is asked at {wanted.path!r}; there are: {there}")
    body = dict(wanted.body) if wanted.body is not None else made(wanted)
    if wanted.model or not body.get("model"):
        body["model"] = wanted.model or "auto"
    return INBOUND[dialect].read_request(msgspec.json.encode(body))


def made(wanted: Wanted) -> dict[str, Any]:
    """A chat completion of a prompt."""
    if wanted.path != CHAT:
        raise RequestError(f"a prompt alone is asked at {CHAT}; for {wanted.path} give a body")
    system = [{"role": "system", "content": wanted.system}] if wanted.system else []
    user = {"role": "user", "content": wanted.prompt or " "}
    body: dict[str, Any] = {"messages": [*system, user]}
    if wanted.output_tokens_max:
        body["max_tokens"] = wanted.output_tokens_max
    if wanted.tools:
        body["tools"] = [TOOL] * wanted.tools
    return body


def seen(task: Task) -> dict[str, Any]:
    """What the rules saw of the request."""
    told = asdict(task)
    told["policy"] = task.policy.value
    told["headers"] = dict(task.headers)
    told["at"] = None if task.at is None else task.at.isoformat()
    work = told.pop("work")
    return {**told, "script": work.script, "step": work.step}


def known(known: Known) -> dict[str, Any]:
    """What is known beside that, as plain values."""
    return {
        "key": known.key,
        "conversation": known.conversation,
        "pace": msgspec.to_builtins(known.pace),
        "records": msgspec.to_builtins(dict(known.records)),
        "session": msgspec.to_builtins(known.session),
        "output": msgspec.to_builtins(known.output),
        "recheck": known.recheck,
    }


def predicted_seconds(found: Prediction) -> dict[str, float]:
    """A prediction and what it is made of, as plain figures."""
    return {
        "seconds": round(found.seconds, 3),
        "first_token_seconds": round(found.first_token_seconds, 3),
        "wait_seconds": round(found.wait_seconds, 3),
        "prompt_seconds": round(found.prompt_seconds, 3),
        "output_seconds": round(found.output_seconds, 3),
    }
