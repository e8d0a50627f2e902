"""What the fake OpenAI server says on `/v1/responses`: as OpenAI does, in its order of events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.fakes.mind import Said, Thought, tokens


def told(body: Mapping[str, Any]) -> Said:
    """The request, free of the dialect."""
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    texts = [item for item in items if item.get("role") == "user"]
    tools = [
        (tool["name"], tool.get("parameters") or {"properties": {"input": {}}})
        for tool in body.get("tools") or ()
        if tool["type"] in ("function", "custom")
    ]
    results = [text(item["output"]) for item in items if item.get("type", "").endswith("_output")]
    return Said(text(texts[-1]["content"]), tools=tools, results=results)


def text(content: Any) -> str:
    """The text of a message or of a tool's answer."""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "[image]") for part in content)


def output(body: Mapping[str, Any], thought: Thought) -> list[dict[str, Any]]:
    """The items of the answer."""
    custom = {tool["name"] for tool in body.get("tools") or () if tool["type"] == "custom"}
    items: list[dict[str, Any]] = []
    if thought.text:
        part = {"type": "output_text", "text": thought.text, "annotations": [], "logprobs": []}
        head = {"id": "msg_fake", "type": "message", "status": "completed", "role": "assistant"}
        items.append({**head, "content": [part]})
    for at, (name, arguments) in enumerate(thought.calls):
        head = {"id": f"item_{at}", "status": "completed", "call_id": f"call_{at}", "name": name}
        if name in custom:
            items.append({**head, "type": "custom_tool_call", "input": str(arguments["input"])})
        else:
            items.append({**head, "type": "function_call", "arguments": json.dumps(arguments)})
    return items


def response(body: Mapping[str, Any], items: Sequence[Any], status: str) -> dict[str, Any]:
    """The response object."""
    usage = {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 29,
    }
    return {
        "id": "resp_fake1",
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "model": body["model"],
        "output": items,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "usage": usage if status == "completed" else None,
    }


def whole(body: Mapping[str, Any], thought: Thought) -> dict[str, Any]:
    """The answer in one piece."""
    return response(body, output(body, thought), "completed")


def stream(body: Mapping[str, Any], thought: Thought) -> list[str]:
    """The answer as server-sent events."""
    events = enumerate(_events(body, output(body, thought)))
    objects = [{"type": kind, "sequence_number": number, **more} for number, (kind, more) in events]
    return [f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in objects]


def _events(
    body: Mapping[str, Any], items: Sequence[dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    begun = {"response": response(body, [], "in_progress")}
    yield "response.created", begun
    yield "response.in_progress", begun
    for index, item in enumerate(items):
        where = {"item_id": item["id"], "output_index": index}
        fills: dict[str, Any] = {"content": [], "arguments": "", "input": ""}
        empty = {name: nothing for name, nothing in fills.items() if name in item}
        added = {**item, "status": "in_progress", **empty}
        yield "response.output_item.added", {"output_index": index, "item": added}
        yield from _filled(item, where)
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield "response.completed", {"response": response(body, items, "completed")}


def _filled(item: dict[str, Any], where: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What happens between the first event of an item and its last."""
    if item["type"] == "message":
        (part,) = item["content"]
        where = {**where, "content_index": 0}
        yield "response.content_part.added", {**where, "part": {**part, "text": ""}}
        for piece in tokens(part["text"]):
            yield "response.output_text.delta", {**where, "delta": piece, "logprobs": []}
        yield "response.output_text.done", {**where, "text": part["text"], "logprobs": []}
        yield "response.content_part.done", {**where, "part": part}
        return
    name, field = "function_call_arguments", "arguments"
    if item["type"] == "custom_tool_call":
        name, field = "custom_tool_call_input", "input"
    for piece in tokens(item[field]):
        yield f"response.{name}.delta", {**where, "delta": piece}
    yield f"response.{name}.done", {**where, field: item[field]}
