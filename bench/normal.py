"""What the normaliser adds to a request for a local server: pure code, and a stopwatch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from bench.bodies import agent, small
from bench.decision import timed
from bench.figures import Figure
from twotier.engines.base import engine
from twotier.protocols.normal import Normaliser
from twotier.protocols.openai_chat import read_request, rewrite

CALLS = 6


def figures() -> Iterator[Figure]:
    """For mlx-lm, whose server needs most: polls, turns of agents, and one that is to be mended."""
    for name, body in (
        ("150 bytes", small("auto")),
        ("24 KB with tools and calls", working()),
        ("83 KB", agent("auto")),
        ("24 KB to be mended", working(role="developer", thinking="reasoning")),
    ):
        plain, treated = costs(body)
        added = max(0.0, treated - plain)
        yield Figure(f"normaliser, request of {name}", "<= 30 us", f"{added:.0f} us")


def costs(body: bytes) -> tuple[float, float]:
    """Microseconds to make a body ready for its server: without the normaliser, and with it."""
    traits = engine("mlx_lm").traits
    request = read_request(body)
    ready: dict[str, Any] = {"model": "default_model", "max_output_tokens": 400, "stream": True}
    keep = traits.fields["openai_chat"]
    normal = Normaliser(traits.manners)
    plain = timed(partial(rewrite, request, keep=keep, **ready))
    return plain, timed(partial(normal.rewrite, request, keep=keep, **ready))


def working(*, role: str = "system", thinking: str = "reasoning_content") -> bytes:
    """An agent in the middle of its work: a long system text, 15 tools, calls and results."""
    talk: list[dict[str, Any]] = [{"role": role, "content": "Be thorough. " * 400}]
    for number in range(CALLS):
        function = {"name": "tool_1", "arguments": json.dumps({"a": "x" * 100})}
        call = {"id": f"c{number}", "type": "function", "function": function}
        talk += [
            {"role": "user", "content": "Go on. " * 40},
            {"role": "assistant", "content": "", "tool_calls": [call], thinking: "Hm. " * 40},
            {"role": "tool", "tool_call_id": f"c{number}", "content": "A line of text. " * 60},
        ]
    return json.dumps({"model": "auto", "messages": talk, "tools": tools()}).encode()


def tools() -> list[dict[str, Any]]:
    """Fifteen, with four arguments each."""
    text = {"type": "string", "description": "One of its arguments. " * 3}
    schema = {"type": "object", "properties": dict.fromkeys("abcd", text), "required": ["a"]}
    return [
        {
            "type": "function",
            "function": {
                "name": f"tool_{number}",
                "description": "What it does. " * 12,
                "parameters": schema,
            },
        }
        for number in range(15)
    ]
