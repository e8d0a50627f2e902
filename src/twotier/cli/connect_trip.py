"""One cheap question through the gateway, in the dialect and by the way of a client.

What the client does is done here: the same path, headers and stream, with the client's own key;
for a client of MCP its server is started as its settings say, and asked.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twotier import __version__
from twotier.cli.client import MODEL_SECONDS_MAX, line_of, translated, wire
from twotier.cli.output import dollars
from twotier.cli.peers import main_of
from twotier.connect.plan import Given, Plan
from twotier.errors import StreamBrokenError, ToolError

ASKED = "Answer with one word: ready"
ANSWER_TOKENS = 64
START_SECONDS = 60.0


def tried(config: Path, given: Given, *, plan: Plan, model: str, key: str) -> dict[str, Any]:
    """What came back: wire, tier, model, the cost in words, and the text. `model` is what was named
    to be asked, empty for the local tier.

    Raises what the gateway says, with its exit code.
    """
    main_of(config).get("/control/status")  # says how to start it, where it does not run
    if plan.wire == "mcp":
        return asyncio.run(by_mcp(given))
    return by_http(given, plan.wire, model=model or cheapest(given), key=key)


def cheapest(given: Given) -> str:
    """The local tier, where there is one: it costs nothing."""
    return next((one.name for one in given.models if one.local), given.model)


def chat(model: str) -> tuple[str, dict[str, Any]]:
    """As most clients ask."""
    turns = [{"role": "user", "content": ASKED}]
    options = {"stream": True, "stream_options": {"include_usage": True}}
    return "/v1/chat/completions", {
        "model": model, "messages": turns, "max_tokens": ANSWER_TOKENS, **options
    }  # fmt: skip


def messages(model: str) -> tuple[str, dict[str, Any]]:
    """As Claude Code asks."""
    turns = [{"role": "user", "content": [{"type": "text", "text": ASKED}]}]
    return "/v1/messages?beta=true", {
        "model": model, "messages": turns, "max_tokens": ANSWER_TOKENS, "stream": True
    }  # fmt: skip


def responses(model: str) -> tuple[str, dict[str, Any]]:
    """As Codex asks."""
    content = [{"type": "input_text", "text": ASKED}]
    turns = [{"type": "message", "role": "user", "content": content}]
    return "/v1/responses", {
        "model": model, "input": turns, "max_output_tokens": ANSWER_TOKENS, "stream": True,
        "store": False,
    }  # fmt: skip


BODIES: Mapping[str, Callable[[str], tuple[str, dict[str, Any]]]] = {
    "chat": chat,
    "messages": messages,
    "responses": responses,
}
ENDS = {"chat": "[DONE]", "messages": "message_stop", "responses": "response."}


def by_http(given: Given, name: str, *, model: str, key: str) -> dict[str, Any]:
    """Ask, read the stream to its end. An end that is missing is an error."""
    target, body = BODIES[name](model)
    place = urlsplit(given.url)
    missing = f"nothing listens at {given.url}; see `twotier status`"
    connection = http.client.HTTPConnection(
        place.hostname or "", place.port, timeout=MODEL_SECONDS_MAX
    )
    headers = {
        "authorization": f"Bearer {key}",
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "user-agent": f"twotier-connect/{__version__}",
    }
    try:
        with wire(missing):
            connection.request("POST", target, json.dumps(body).encode(), headers)
            response = connection.getresponse()
        if response.status >= 400:
            raise translated(response)
        said = {name: response.headers.get(f"x-twotier-{name}", "") for name in ("tier", "model")}
        cost = response.headers.get("x-twotier-cost-usd", "")
        text = "".join(pieces(response, name))
    finally:
        connection.close()
    return {"wire": target.partition("?")[0], **said, "cost": dollars(cost), "text": text.strip()}


def pieces(response: http.client.HTTPResponse, name: str) -> Iterator[str]:
    """The text of a stream, piece by piece. Raises where it ends too early."""
    while line := line_of(response):
        field, _, value = line.partition(":")
        if field != "data":
            continue
        if value.strip() == ENDS["chat"]:
            return
        event = json.loads(value)
        yield text_of(event)
        if event.get("type") in ("message_stop", "response.completed", "response.incomplete"):
            return
        if event.get("error") or event.get("type") == "response.failed":
            break
    raise StreamBrokenError(f"the answer to the {name} request broke off; see `twotier status`")


def text_of(event: Mapping[str, Any]) -> str:
    """What an event of any of the three dialects adds to the text."""
    delta = event.get("delta")
    if isinstance(delta, str):
        return delta if event.get("type") == "response.output_text.delta" else ""
    if isinstance(delta, dict):
        return str(delta.get("text") or "")
    choices = event.get("choices") or [{}]
    return str(choices[0].get("delta", {}).get("content") or "")


async def by_mcp(given: Given) -> dict[str, Any]:
    """Start the server as the client will, and have it ask the local tier."""
    from twotier.clock import SystemClock
    from twotier.tools.mcp import Servers
    from twotier.tools.mcp_text import result_text
    from twotier.tools.mcp_wire import ServerSpec

    spec = ServerSpec(
        "twotier",
        (*given.program, "mcp"),
        env=dict(os.environ),  # as a client hands its own on
        start_seconds=START_SECONDS,
        call_seconds=MODEL_SECONDS_MAX,
    )
    async with Servers([spec], clock=SystemClock()) as servers:
        called = servers.server("twotier").call
        result = await called("ask_local", {"prompt": ASKED}, seconds=MODEL_SECONDS_MAX)
    answer, *about = (result_text([block], None) for block in result.content)
    if result.is_error or not about:
        raise ToolError(answer)
    # `[TIER MODEL: 812 tokens, ..., cost $0.00]`, as `agent.mcp_server` says it
    tier, model = about[0].strip("[]").partition(":")[0].split()
    cost = about[0].strip("[]").rpartition(" ")[2]
    return {"wire": "mcp", "tier": tier, "model": model, "cost": cost, "text": answer.strip()}
