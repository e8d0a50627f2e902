"""Lines of session logs, made here in the shapes that the programs write; nobody's own words."""

from __future__ import annotations

import json
from typing import Any

SECRET = "the quick brown fox of somebody's private talk"
AT = "2026-03-10T12:00:00.000Z"
AT_MS = 1_773_144_000_000


def claude(
    message_id: str = "msg_01A",
    request_id: str | None = "req_011CAbc",
    *,
    output: int = 40,
    at: str = AT,
    model: str = "claude-opus-4-6",
    **more: Any,
) -> bytes:
    """A line of an assistant, as Claude Code writes it."""
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 300,
        "cache_read_input_tokens": 5000,
        "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100},
        "output_tokens": output,
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        "service_tier": "standard",
    } | more.pop("usage", {})
    line = {
        "parentUuid": "5a0c1b8e-0000-4000-8000-000000000001",
        "isSidechain": False,
        "userType": "external",
        "cwd": "/home/somebody/secret-project",
        "sessionId": "5a0c1b8e-0000-4000-8000-000000000002",
        "version": "2.1.197",
        "gitBranch": "secret-branch",
        "type": "assistant",
        "message": {
            "id": message_id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": SECRET}],
            "stop_reason": None,
            "usage": usage,
        },
        "requestId": request_id,
        "uuid": "5a0c1b8e-0000-4000-8000-000000000003",
        "timestamp": at,
    } | more
    return json.dumps(line).encode()


def openclaw(
    line_id: str = "0a1b2c3d",
    *,
    provider: str = "anthropic",
    model: str = "claude-opus-4-6",
    output: int = 40,
    at: Any = AT,
    **more: Any,
) -> bytes:
    """A line of an assistant, as OpenClaw writes it."""
    message = {
        "role": "assistant",
        "content": [{"type": "text", "text": SECRET}],
        "api": "anthropic-messages",
        "provider": provider,
        "model": model,
        "usage": {
            "input": 10,
            "output": output,
            "cacheRead": 5000,
            "cacheWrite": 300,
            "totalTokens": 5350,
            "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "total": 0},
        },
        "stopReason": "stop",
        "timestamp": AT_MS,
    } | more
    line = {"type": "message", "id": line_id, "parentId": None, "timestamp": at, "message": message}
    return json.dumps(line).encode()
