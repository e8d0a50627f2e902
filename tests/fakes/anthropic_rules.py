"""What the Messages API refuses, in its own words. Strict where the real one is, or stricter."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

FIELDS = frozenset(
    {
        "model",
        "max_tokens",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "stream",
        "stop_sequences",
        "temperature",
        "top_p",
        "top_k",
        "metadata",
        "thinking",
        "output_config",
        "service_tier",
        "container",
        "inference_geo",
    }
)
IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
ID = re.compile(r"[a-zA-Z0-9_-]+")
NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
# Opus 4.7 and later take neither temperature nor top_p.
SAMPLING = re.compile(r"claude-(3|opus-4-[0-6]|sonnet-4|haiku-4)")
PREFILL = re.compile(r"claude-(3|opus-4-[0-5]|sonnet-4-[05]|haiku-4)")
BREAKPOINTS_MAX = 4
VERSIONS = ("2023-06-01", "2026-10-21")

Body = Mapping[str, Any]


class InvalidError(Exception):
    """The request is refused with 400 `invalid_request_error`."""


def check(body: Any, *, output_tokens_max: int, signatures: Mapping[str, str]) -> None:
    """Raise `InvalidError` with the API's sentence, for the first thing that is wrong.

    `signatures` are those this API made, with the thinking each belongs to.
    """
    must(isinstance(body, dict), "Input should be a valid dictionary")
    for name in ("model", "max_tokens", "messages"):
        must(name in body, f"{name}: Field required")
    for name in body:
        must(name in FIELDS, f"{name}: Extra inputs are not permitted")
    limit = body["max_tokens"]
    must(type(limit) is int, "max_tokens: Input should be a valid integer")
    must(limit >= 1, "max_tokens: Input should be greater than or equal to 1")
    must(
        limit <= output_tokens_max,
        f"max_tokens: {limit} > {output_tokens_max}, which is the maximum allowed number of "
        f"output tokens for {body['model']}",
    )
    check_sampling(body)
    check_tools(body)
    check_system(body.get("system", []))
    check_turns(body, signatures)
    check_format(body.get("output_config") or {})
    marks = sum(1 for _ in breakpoints(body))
    must(
        marks <= BREAKPOINTS_MAX,
        "A maximum of 4 blocks with cache_control may be provided. " + f"Found {marks}.",
    )


def check_version(body: Body, version: str) -> None:
    """What the second version took away (the rest of it concerns documents and citations).

    https://platform.claude.com/docs/en/api/migration-2026-10-21
    """
    for name in ("temperature", "top_p", "top_k"):
        must(version == VERSIONS[0] or name not in body, f"{name}: removed in this API version")


def must(holds: bool, sentence: str) -> None:
    """Refuse unless it holds."""
    if not holds:
        raise InvalidError(sentence)


def check_sampling(body: Body) -> None:
    """Temperature, top_p, stop sequences, thinking."""
    for name in ("temperature", "top_p"):
        value = body.get(name)
        if value is None:
            continue
        must(bool(SAMPLING.match(body["model"])), f"`{name}` is deprecated for this model.")
        must(isinstance(value, int | float) and 0 <= value <= 1, f"{name}: range: 0..1")
    must(
        body.get("temperature") is None or body.get("top_p") is None,
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
    )
    for sequence in body.get("stop_sequences") or ():
        must(
            bool(sequence.strip()), "stop_sequences: each stop sequence must contain non-whitespace"
        )
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens", 0)
        must(budget >= 1024, "thinking.enabled.budget_tokens: Input should be >= 1024")
        must(budget < body["max_tokens"], "`max_tokens` must be greater than `budget_tokens`.")


def check_tools(body: Body) -> None:
    """Tools and the choice between them."""
    tools = body.get("tools") or []
    names = [tool.get("name", "") for tool in tools]
    must(len(set(names)) == len(names), "tools: Tool names must be unique.")
    for at, tool in enumerate(tools):
        where = f"tools.{at}.custom"
        must(bool(NAME.fullmatch(tool.get("name", ""))), f"{where}.name: String should match")
        must("input_schema" in tool, f"{where}.input_schema: Field required")
        must(
            tool["input_schema"].get("type") == "object",
            f"{where}.input_schema.type: Input should be 'object'",
        )
        known = {"name", "description", "input_schema", "cache_control", "strict", "type"}
        for extra in tool.keys() - known:
            must(False, f"{where}.{extra}: Extra inputs are not permitted")
    choice = body.get("tool_choice")
    if choice is None:
        return
    must(bool(tools), "tool_choice: may only be specified while providing tools")
    must(choice.get("type") in {"auto", "any", "none", "tool"}, "tool_choice: unknown type")
    if choice["type"] == "tool":
        must(
            choice.get("name") in names, f"Tool '{choice.get('name')}' not found in provided tools"
        )
    must(
        choice["type"] != "none" or "disable_parallel_tool_use" not in choice,
        "tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted",
    )


def check_system(system: Any) -> None:
    """A string, or text blocks."""
    if isinstance(system, str):
        return
    for at, block in enumerate(system):
        must(block.get("type") == "text", f"system.{at}.type: Input should be 'text'")
        check_text(block, "system")


def check_text(block: Body, where: str) -> None:
    """A text block has text."""
    text = block.get("text")
    must(isinstance(text, str), f"{where}.text: Field required")
    must(text != "", f"{where}: text content blocks must be non-empty")
    must(bool(str(text).strip()), f"{where}: text content blocks must contain non-whitespace text")


def blocks(turn: Body) -> Sequence[Body]:
    """A turn's content as blocks."""
    content = turn.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    must(isinstance(content, list), "messages.content: Input should be a valid list")
    return list(content or ())


def check_turns(body: Body, signatures: Mapping[str, str]) -> None:
    """Roles alternate, calls and results belong together, the end is the user's."""
    turns = body["messages"]
    must(bool(turns), "messages: at least one message is required")
    must(turns[0].get("role") == "user", 'messages: first message must use the "user" role')
    seen: set[str] = set()
    open_calls: list[str] = []
    previous = "assistant"
    for at, turn in enumerate(turns):
        role = turn.get("role")
        must(role != "system", 'messages: Unexpected role "system". Use the top-level `system`')
        must(role in {"user", "assistant"}, f"messages.{at}.role: Input should be 'user' or ...")
        must(role != previous, 'messages: roles must alternate between "user" and "assistant"')
        previous = role
        content = blocks(turn)
        must(bool(content), f"messages.{at}: all messages must have non-empty content")
        for number, block in enumerate(content):
            check_block(block, where=f"messages.{at}.content.{number}", signatures=signatures)
        if role == "user":
            check_results(content, open_calls, where=f"messages.{at}")
            open_calls = []
        else:
            open_calls = [block["id"] for block in content if block["type"] == "tool_use"]
            must(not seen & set(open_calls), f"messages.{at}: `tool_use` ids must be unique")
            must(len(set(open_calls)) == len(open_calls), "messages: `tool_use` ids must be unique")
            seen |= set(open_calls)
    must(
        previous == "user" or bool(PREFILL.match(body["model"])),
        "This model does not support assistant message prefill. "
        "The conversation must end with a user message.",
    )
    last = blocks(turns[-1])[-1]
    must(
        previous == "user" or last["type"] != "text" or last["text"] == last["text"].rstrip(),
        "messages: final assistant content cannot end with trailing whitespace",
    )


def check_results(content: Sequence[Body], calls: Sequence[str], *, where: str) -> None:
    """Results answer the calls of the turn before, all of them, and stand first."""
    kinds = [block["type"] == "tool_result" for block in content]
    must(kinds == sorted(kinds, reverse=True), f"{where}: `tool_result` blocks must come first")
    given = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
    for call in given:
        must(
            call in calls,
            f"{where}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {call}. "
            "Each `tool_result` block must have a corresponding `tool_use` block in the previous "
            "message.",
        )
    missing = [call for call in calls if call not in given]
    must(
        not missing,
        f"{where}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(missing)}.",
    )


def check_block(block: Body, *, where: str, signatures: Mapping[str, str]) -> None:
    """One content block."""
    match block.get("type"):
        case "text":
            check_text(block, "messages")
        case "image":
            check_image(block.get("source") or {}, where)
        case "tool_use":
            must(
                bool(ID.fullmatch(block.get("id", ""))), f"{where}.tool_use.id: String should match"
            )
            must(
                isinstance(block.get("input"), dict),
                f"{where}.tool_use.input: Input should be a dict",
            )
            must(
                bool(NAME.fullmatch(block.get("name", ""))), f"{where}.tool_use.name: should match"
            )
        case "tool_result":
            must("tool_use_id" in block, f"{where}.tool_result.tool_use_id: Field required")
            content = block.get("content", [])
            for inner in [] if isinstance(content, str) else content:
                must(inner.get("type") in {"text", "image"}, f"{where}: Input tag is not allowed")
                check_block(inner, where=where, signatures=signatures)
        case "thinking":
            must("signature" in block, f"{where}.thinking.signature: Field required")
            must(
                signatures.get(block["signature"]) == block.get("thinking"),
                f"{where}: Invalid `signature` in `thinking` block",
            )
        case kind:
            must(False, f"{where}: Input tag {kind!r} found using 'type' does not match any")


def check_image(source: Body, where: str) -> None:
    """An image by URL or inline."""
    if source.get("type") == "url":
        must(
            str(source.get("url")).startswith("https://"),
            f"{where}: Only HTTPS URLs are supported.",
        )
        return
    must(source.get("type") == "base64", f"{where}.image.source: unknown type")
    must(source.get("media_type") in IMAGE_TYPES, f"{where}.image.source.base64.media_type: wrong")
    try:
        base64.b64decode(source.get("data", ""), validate=True)
    except binascii.Error as exc:
        raise InvalidError(f"{where}.image.source.base64: invalid base64 data") from exc


def check_format(config: Body) -> None:
    """A schema whose objects are closed."""
    form = config.get("format")
    if form is None:
        return
    must(
        form.get("type") == "json_schema" and "schema" in form,
        "output_config.format: Field required",
    )
    check_closed(form["schema"])


def check_closed(schema: Any) -> None:
    """Every object in it says `additionalProperties: false`."""
    if isinstance(schema, dict):
        must(
            schema.get("type") != "object" or schema.get("additionalProperties") is False,
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be "
            "explicitly set to false",
        )
        for inner in schema.values():
            check_closed(inner)
    elif isinstance(schema, list):
        for inner in schema:
            check_closed(inner)


def prefix(body: Body) -> list[Body]:
    """Everything the model reads, in the order in which it is cached."""
    system = body.get("system") or []
    start = [{"type": "text", "text": system}] if isinstance(system, str) else list(system)
    turns = [block for turn in body["messages"] for block in blocks(turn)]
    return [*(body.get("tools") or []), *start, *turns]


def breakpoints(body: Body) -> list[int]:
    """The numbers of the blocks that carry `cache_control`."""
    return [at for at, block in enumerate(prefix(body)) if block.get("cache_control")]
