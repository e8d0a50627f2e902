"""The requests that are sent: a poll, as jobs send them, and one turn of a coding agent."""

from __future__ import annotations

import json
from typing import Any

POLL = "Check the inbox for new comments and summarise each one in a line."
AGENT_BYTES = 83_000  # about 20,000 tokens: what one turn of an agent carries
_TURNS = 20
_TOOLS = 16


def small(model: str, *, stream: bool = False, plan: str = "", messages: bool = False) -> bytes:
    """About 150 bytes, a chat completion or Messages; `plan` is one of the upstream's."""
    asked: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": f"{POLL} bench:{plan}" if plan else POLL}],
        "max_tokens": 200,
    }
    if stream:
        asked["stream"] = True
        if not messages:
            asked["stream_options"] = {"include_usage": True}  # as agents do
    return json.dumps(asked).encode()


def agent(model: str) -> bytes:
    """`AGENT_BYTES`: a long system prompt, 16 tools, 20 turns with calls and their results."""
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    tools = [
        {
            "type": "function",
            "function": {
                "name": f"tool_{at}",
                "description": "Reads a file and returns its lines. " * 8,
                "parameters": schema,
            },
        }
        for at in range(_TOOLS)
    ]
    messages: list[dict[str, object]] = [
        {"role": "system", "content": "You are a careful programmer. " * 300},
        {"role": "user", "content": "Read the modules and say what each one knows."},
    ]
    for at in range(_TURNS):
        call = {"name": f"tool_{at % _TOOLS}", "arguments": json.dumps({"path": f"src/{at}.py"})}
        messages += [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"call_{at}", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": f"call_{at}", "content": ""},
        ]
    body = {"model": model, "messages": messages, "tools": tools, "max_tokens": 500}
    room = (AGENT_BYTES - len(json.dumps(body))) // _TURNS
    line = '    return [one for one in found if one.name == "x"]\n'
    for message in messages:
        if message["role"] == "tool":
            # Escaped line breaks and quotes take more room on the wire than here.
            count = max(1, room // len(json.dumps(line)[1:-1]))
            message["content"] = line * count
    return json.dumps(body).encode()
