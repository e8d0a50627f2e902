"""An agent's turn on real parts: a socket for main, steps that are kept as JSON, tools that note
what was done with them. The model is a script.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec

from aiohttp import web

from tests.worker.playing_main import PlayingMain
from twotier.agent.guard import Rules
from twotier.agent.loop import converse
from twotier.agent.model import MainClient
from twotier.agent.said import Chat, Said
from twotier.agent.turn import Decision, Entry, Guard, Outcome, Request, Turn
from twotier.domain.label import NO_LABELS, Label, Labels
from twotier.domain.tier import TierPolicy
from twotier.errors import ToolError
from twotier.tools.base import Call, Result, Tool, ToolSpec

P = ParamSpec("P")
TEXT = {"type": "string"}
Reply = Callable[[dict[str, Any]], web.Response]


def lived(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that is a coroutine, on a loop of its own."""

    @functools.wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        asyncio.run(test(*arguments, **named))

    return run


class KilledError(Exception):
    """As if the process had ended here."""


class KeptSteps:
    """Steps whose results outlive the run, as JSON text. `kill_at` ends it before that one."""

    def __init__(self, kept: list[tuple[str, str]] | None = None, *, kill_at: int = -1) -> None:
        self.kept = [] if kept is None else kept
        self.done: list[str] = []
        self._kill_at = kill_at
        self._next = 0

    async def do(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """What was kept in this place, or what is made now."""
        place = self._next
        self._next += 1
        if place < len(self.kept):
            found, text = self.kept[place]
            assert found == name, f"step {place} was {found}, and is {name} now"
            return json.loads(text)
        if place == self._kill_at:
            raise KilledError
        text = json.dumps(await work())
        self.kept.append((name, text))
        self.done.append(name)
        return json.loads(text)

    def key_of(self, name: str) -> str:
        """The place of the next step, which is the same after a kill."""
        return f"run:{self._next}:{name}"


@dataclass
class KeptDesk:
    """Approvals by tool, and every line of the audit."""

    says: dict[str, Decision] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    escalations_left: int = 5

    async def decision(self, request: Request) -> Decision | None:
        self.requests.append(request)
        return self.says.get(request.tool)

    async def note(self, entry: Entry) -> None:
        if entry not in self.entries:
            self.entries.append(entry)

    async def may_escalate(self, job: str, *, run: str, times_max: int) -> bool:
        assert all((job, run, times_max))
        self.escalations_left -= 1
        return self.escalations_left >= 0

    def verdicts(self) -> list[tuple[str, str, str]]:
        """Tool, verdict and rule of each call that was judged."""
        return [(one.tool, one.verdict, one.rule) for one in self.entries if one.event == "judged"]


@dataclass
class Toy:
    """A tool that notes its calls."""

    name: str = "look_up"
    labels: Labels = NO_LABELS
    brings: Labels = NO_LABELS
    gives: str = "blue"
    properties: Mapping[str, Any] = field(default_factory=lambda: {"text": TEXT})
    declared: Labels = NO_LABELS  # what needs() leaves out: the owner declared this target
    cost_microusd: int = 0
    calls: list[tuple[dict[str, Any], Call]] = field(default_factory=list)

    @property
    def spec(self) -> ToolSpec:
        schema = {
            "type": "object",
            "properties": dict(self.properties),
            "required": list(self.properties)[:1],
            "additionalProperties": False,
        }
        return ToolSpec(self.name, "Looks something up.", schema, self.labels)

    def needs(self, arguments: Mapping[str, Any]) -> Labels:
        assert isinstance(arguments, Mapping)
        return self.labels - self.declared

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        self.calls.append((dict(arguments), call))
        if self.gives.startswith("!"):
            raise ToolError(self.gives[1:])
        return Result(self.gives, self.brings, self.cost_microusd)


def message(
    text: str | None = None,
    *calls: tuple[str, Any],
    finish: str = "",
    tier: str = "local",
    cost_usd: str = "0.000000",
) -> web.Response:
    """A finished chat completion as main gives it: words, or calls of tools."""
    said: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        said["tool_calls"] = [
            {
                "id": f"call_{number}_{name}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": given if isinstance(given, str) else json.dumps(given),
                },
            }
            for number, (name, given) in enumerate(calls)
        ]
    reason = finish or ("tool_calls" if calls else "stop")
    body = {
        "model": f"{tier}/toy",
        "choices": [{"message": said, "finish_reason": reason}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30},
    }
    headers = {
        "x-twotier-tier": tier,
        "x-twotier-model": f"{tier}/toy",
        "x-twotier-rule": "policy",
        "x-twotier-cost-usd": cost_usd,
        "x-twotier-request": "req-1",
    }
    return web.json_response(body, headers=headers)


@dataclass
class Stage:
    """Main, a client of it, and what one turn needs beside its tools."""

    main: PlayingMain
    client: MainClient
    folder: Path
    desk: KeptDesk = field(default_factory=KeptDesk)
    rules: Rules = field(default_factory=Rules)

    async def ask(self, chat: Chat) -> Said:
        said = await self.client.chat(chat)
        assert said is not None
        return said

    async def play(
        self, turn: Turn, tools: Sequence[Tool] = (), *, steps: KeptSteps | None = None
    ) -> Outcome:
        """The turn, to its end."""
        return await converse(
            turn,
            ask=self.ask,
            tools=tools,
            steps=steps or KeptSteps(),
            guard=Guard(self.rules, self.desk),
        )

    @property
    def said(self) -> list[list[str]]:
        """The texts of each request."""
        return [[str(one["content"]) for one in body["messages"]] for body in self.main.bodies]


@asynccontextmanager
async def stage(folder: Path, *replies: web.Response | Reply) -> AsyncIterator[Stage]:
    """Main answers with these, one after another; the last one again and again."""
    left = list(replies)

    async def script(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        reply = left.pop(0) if len(left) > 1 else left[0]
        if callable(reply):
            return reply(body)
        return web.Response(body=reply.body, status=reply.status, headers=reply.headers)

    main = PlayingMain(folder / "main.sock", script)
    await main.open()
    try:
        async with MainClient(folder / "main.sock") as client:
            yield Stage(main, client, folder)
    finally:
        await main.close()


def turn_of(folder: Path, **changes: Any) -> Turn:
    """A turn of a local-only job."""
    settings: dict[str, Any] = {
        "job": "colours",
        "run": "colours-20260302T120000Z",
        "prompt": "Which colour is the sky?",
        "policy": TierPolicy.LOCAL_ONLY,
        "artifacts": str(folder / "artifacts" / "run"),
    }
    return Turn(**settings | changes)


PRIVATE = frozenset({Label.PRIVATE})
UNTRUSTED = frozenset({Label.UNTRUSTED})
SENDS = frozenset({Label.SENDS})
CHANGES = frozenset({Label.CHANGES})
COSTS = frozenset({Label.COSTS})
