"""What the Messages API refuses, in its own words. Strict where the real one is, or stricter."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence, Set
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
        "cache_control",
        "speed",
        "diagnostics",
        "user_profile_id",
    }
)
# Only with a beta header; which one is for what is not checked.
BETA_FIELDS = frozenset({"context_management", "mcp_servers", "fallbacks", "output_format"})
COUNTED_FIELDS = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"}
    | {"cache_control", "speed"}
)
THOUGHTS = {"thinking", "redacted_thinking"}
IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
ID = re.compile(r"[a-zA-Z0-9_-]+")
NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
# Opus 4.7 and later take neither temperature nor top_p, nor a budget of thinking.
SAMPLING = re.compile(r"claude-(3|opus-4-[0-6]|sonnet-4|haiku-4)")
BUDGET = re.compile(r"claude-(3-7|opus-4-[0-6]|sonnet-4|haiku-4)")
ADAPTIVE = re.compile(r"claude-(opus-4-[6-9]|sonnet-4-6|(opus|sonnet|haiku|fable|mythos)-5)")
UNSTOPPABLE = re.compile(r"claude-(opus-5-5|sonnet-5-5|fable|mythos)")
UNFORCED = re.compile(r"claude-((opus|sonnet|haiku)-5-5|fable|mythos)")
EFFORTS = {
    re.compile(r"claude-opus-4-5"): {"low", "medium", "high"},
    re.compile(r"claude-(opus|sonnet)-4-6"): {"low", "medium", "high", "max"},
    re.compile(r"claude-(opus-4-[7-9]|\w+-5|mythos)"): {"low", "medium", "high", "xhigh", "max"},
}
MIDWAY = re.compile(r"claude-(opus-4-[89]|(opus|sonnet|haiku)-[5-9]|fable|mythos)")
PREFILL = re.compile(r"claude-(3|opus-4-[0-5]|sonnet-4-[05]|haiku-4)")
SHOWINGS = {"summarized", "omitted", "updates"}
BREAKPOINTS_MAX = 4
VERSIONS = ("2023-06-01", "2026-10-21")

Body = Mapping[str, Any]


class InvalidError(Exception):
    """The request is refused with 400 `invalid_request_error`."""


def check(
    body: Any, *, output_tokens_max: int, signatures: Mapping[str, str], beta: bool = False
) -> None:
    """Raise `InvalidError` with the API's sentence, for the first thing that is wrong.

    `signatures` are those this API made, with the thinking each belongs to (none for what is
    redacted). `beta`: a beta header was sent.
    """
    check_fields(
        body, ("model", "max_tokens", "messages"), FIELDS | (BETA_FIELDS if beta else set())
    )
    limit = body["max_tokens"]
    must(type(limit) is int, "max_tokens: Input should be a valid integer")
    must(limit >= 1, "max_tokens: Input should be greater than or equal to 1")
    must(
        limit <= output_tokens_max,
        f"max_tokens: {limit} > {output_tokens_max}, which is the maximum allowed number of "
        f"output tokens for {body['model']}",
    )
    check_sampling(body)
    check_labels(body)
    check_prompt(body, signatures)


def check_count(body: Any, *, signatures: Mapping[str, str], beta: bool = False) -> None:
    """The same for a body whose tokens are to be counted."""
    allowed = COUNTED_FIELDS | (BETA_FIELDS if beta else frozenset())
    check_fields(body, ("model", "messages"), allowed)
    check_prompt(body, signatures)


def check_fields(body: Any, required: Sequence[str], allowed: Set[str]) -> None:
    """The names of the top level."""
    must(isinstance(body, dict), "Input should be a valid dictionary")
    for name in required:
        must(name in body, f"{name}: Field required")
    for name in body:
        must(name in allowed, f"{name}: Extra inputs are not permitted")


def check_prompt(body: Body, signatures: Mapping[str, str]) -> None:
    """Everything the model reads."""
    check_tools(body)
    check_system(body.get("system", []))
    check_turns(body, signatures)
    check_thinking(body)
    check_format(body.get("output_config") or {})
    check_marks(body)


def check_marks(body: Body) -> None:
    """Cache breakpoints: few of them, the longest lives first."""
    marks = [prefix(body)[at]["cache_control"] for at in breakpoints(body)]
    must(
        len(marks) <= BREAKPOINTS_MAX,
        f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}.",
    )
    for mark in marks:
        must(mark.get("type") == "ephemeral", "cache_control.type: Input should be 'ephemeral'")
        must(
            mark.get("ttl", "5m") in {"5m", "1h"}, "cache_control.ttl: Input should be '5m' or '1h'"
        )
    lives = [mark.get("ttl", "5m") for mark in marks]
    must(
        lives == sorted(lives),
        "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.",
    )


def check_labels(body: Body) -> None:
    """Fields that change nothing of the answer."""
    tier = body.get("service_tier", "auto")
    must(
        tier in {"auto", "standard_only"}, "service_tier: Input should be 'auto' or 'standard_only'"
    )
    metadata = body.get("metadata") or {}
    must(metadata.keys() <= {"user_id"}, "metadata: Extra inputs are not permitted")
    must(isinstance(metadata.get("user_id", ""), str), "metadata.user_id: should be a string")


def joined(body: Any) -> Any:
    """The body with turns of one role that follow each other made one."""
    turns: list[Body] = []
    for turn in body["messages"]:
        if turns and turns[-1]["role"] == turn["role"]:
            content = [*blocks(turns[-1]), *blocks(turn)]
            turns[-1] = {"role": turn["role"], "content": content}
        else:
            turns.append(turn)
    return {**body, "messages": turns}


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
    must(
        body.get("top_k") is None or bool(SAMPLING.match(body["model"])),
        "`top_k` is deprecated for this model.",
    )
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens", 0)
        must(budget >= 1024, "thinking.enabled.budget_tokens: Input should be >= 1024")
        must(budget < body["max_tokens"], "`max_tokens` must be greater than `budget_tokens`.")
    if thinking.get("type") in {"enabled", "adaptive"}:
        must(body.get("temperature", 1) == 1, "`temperature` may only be set to 1 when thinking")
        must(body.get("top_k") is None, "`top_k` must be unset when thinking is enabled.")
        must(body.get("top_p", 1) >= 0.95, "`top_p` must be >= 0.95 when thinking is enabled.")


def check_thinking(body: Body) -> None:
    """What the model takes, and what may stand beside it."""
    model, thinking = body["model"], body.get("thinking") or {}
    kind = thinking.get("type")
    unsupported = f"thinking.type.{kind} is not supported for this model."
    match kind:
        case None:
            pass
        case "enabled":
            must(bool(BUDGET.match(model)), unsupported)
            check_thought_first(body)
        case "adaptive":
            must(bool(ADAPTIVE.match(model)), unsupported)
        case "disabled":
            must(not UNSTOPPABLE.match(model), unsupported)
        case "between_tools":
            must(model.startswith("claude-sonnet-5-5"), unsupported)
        case _:
            must(False, f"thinking: Input tag {kind!r} does not match any of the expected tags")
    must(thinking.get("display", "summarized") in SHOWINGS, "thinking.display: ?")
    forced = (body.get("tool_choice") or {}).get("type") in {"any", "tool"}
    must(
        not (forced and kind == "enabled"),
        "Thinking may not be enabled when tool_choice forces tool use.",
    )
    must(not (forced and UNFORCED.match(model)), "tool_choice: forced tool use is not supported")
    effort = (body.get("output_config") or {}).get("effort")
    known = next((words for name, words in EFFORTS.items() if name.match(model)), set())
    must(effort is None or effort in known, f"effort {effort!r} is not supported by this model")


def check_thought_first(body: Body) -> None:
    """With a budget, a turn of tool calls that goes on has begun with thinking."""
    first: Sequence[Body] = ()
    for turn in reversed(body["messages"]):
        content = blocks(turn)
        if turn["role"] == "assistant":
            first = content
        elif all(block["type"] != "tool_result" for block in content):
            break
    must(
        not first or first[0]["type"] in {"thinking", "redacted_thinking"},
        "Expected `thinking` or `redacted_thinking`, but found something else. When `thinking` is "
        "enabled, a final `assistant` message must start with a thinking block",
    )


def check_tools(body: Body) -> None:
    """Tools and the choice between them."""
    tools = body.get("tools") or []
    names = [tool.get("name", "") for tool in tools]
    must(len(set(names)) == len(names), "tools: Tool names must be unique.")
    for at, tool in enumerate(tools):
        if tool.get("type", "custom") != "custom":
            continue  # Anthropic's own: each has its own fields
        where = f"tools.{at}.custom"
        must(bool(NAME.fullmatch(tool.get("name", ""))), f"{where}.name: String should match")
        must("input_schema" in tool, f"{where}.input_schema: Field required")
        must(
            tool["input_schema"].get("type") == "object",
            f"{where}.input_schema.type: Input should be 'object'",
        )
        known = {"name", "description", "input_schema", "cache_control", "strict", "type"}
        known |= {"input_examples", "defer_loading", "allowed_callers", "eager_input_streaming"}
        if tool.get("strict"):
            check_closed(tool["input_schema"])
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
    check_instructions(body)
    turns = [turn for turn in turns if turn.get("role") != "system"]
    seen: set[str] = set()
    open_calls: list[str] = []
    previous = "assistant"
    for at, turn in enumerate(turns):
        role = turn.get("role")
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
    for at, turn in enumerate(turns):
        must(
            turn["role"] == "user" or blocks(turn)[-1]["type"] not in THOUGHTS,
            f"messages.{at}: The final block in an assistant message cannot be `thinking`.",
        )
    last = blocks(turns[-1])[-1]
    must(
        previous == "user" or last["type"] != "text" or last["text"] == last["text"].rstrip(),
        "messages: final assistant content cannot end with trailing whitespace",
    )


def check_instructions(body: Body) -> None:
    """Turns of role `system`: newer models take one behind a user's, older ones none.

    https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages
    """
    turns = body["messages"]
    for at, turn in enumerate(turns):
        if turn.get("role") != "system":
            continue
        must(bool(MIDWAY.match(body["model"])), "role 'system' is not supported on this model")
        must(turns[at - 1].get("role") == "user", f"messages.{at}: not behind a user's")
        for block in blocks(turn):
            must(block.get("type") == "text", f"messages.{at}: Input should be 'text'")
            check_text(block, "messages")


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
    kind = str(block.get("type"))
    check = {
        "tool_use": check_call,
        "tool_result": check_result,
        **dict.fromkeys(SHOWN, check_shown),
        **dict.fromkeys(OWN, lambda *_: None),
    }.get(kind)
    if kind in THOUGHTS:
        check_thought(block, where, signatures=signatures)
    else:
        must(check is not None, f"{where}: Input tag {kind!r} does not match any expected tag")
        assert check is not None
        check(block, where)


SHOWN = ("text", "image", "document", "search_result")
# Of tools that run on the API's side: given back as they came.
OWN = ("server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "compaction")


def check_thought(block: Body, where: str, *, signatures: Mapping[str, str]) -> None:
    """Thinking comes back as it was made, or not at all."""
    must("cache_control" not in block, f"{where}.thinking.cache_control: Extra inputs")
    if block["type"] == "redacted_thinking":
        must(
            block.get("data") in signatures, f"{where}: Invalid `data` in `redacted_thinking` block"
        )
        return
    must("signature" in block, f"{where}.thinking.signature: Field required")
    must(
        signatures.get(block["signature"]) == block.get("thinking"),
        f"{where}: Invalid `signature` in `thinking` block",
    )


def check_call(block: Body, where: str) -> None:
    """A call of a tool."""
    must(bool(ID.fullmatch(block.get("id", ""))), f"{where}.tool_use.id: String should match")
    must(isinstance(block.get("input"), dict), f"{where}.tool_use.input: Input should be a dict")
    must(bool(NAME.fullmatch(block.get("name", ""))), f"{where}.tool_use.name: should match")


def check_result(block: Body, where: str) -> None:
    """What a tool answered."""
    must("tool_use_id" in block, f"{where}.tool_result.tool_use_id: Field required")
    must(isinstance(block.get("is_error", False), bool), f"{where}.tool_result.is_error: bool")
    content = block.get("content", [])
    for inner in [] if isinstance(content, str) else content:
        if inner.get("type") == "tool_reference":
            continue
        must(inner.get("type") in SHOWN, f"{where}: Input tag is not allowed")
        check_shown(inner, where)


def check_shown(block: Body, where: str) -> None:
    """What a person or a tool shows."""
    match block["type"]:
        case "text":
            check_text(block, "messages")
        case "image":
            check_image(block.get("source") or {}, where)
        case "document":
            check_document(block.get("source") or {}, where)
        case _:
            must(isinstance(block.get("source"), str), f"{where}.search_result.source: string")
            for inner in block.get("content", ()):
                check_text(inner, "messages")


def check_document(source: Body, where: str) -> None:
    """A PDF, a text, or blocks."""
    match source.get("type"):
        case "base64":
            must(source.get("media_type") == "application/pdf", f"{where}.document: media_type")
            must(bool(source.get("data")), f"{where}.document.source.base64.data: Field required")
        case "url":
            must(str(source.get("url")).startswith("https://"), f"{where}: Only HTTPS URLs")
        case "text":
            must(source.get("media_type") == "text/plain", f"{where}.document: media_type")
            must(bool(str(source.get("data", "")).strip()), f"{where}.document: text is empty")
        case "content":
            must(bool(source.get("content")), f"{where}.document.source.content: is empty")
        case kind:
            must(False, f"{where}.document.source: Input tag {kind!r} does not match")


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
