"""How much a model is to think: one question, for which chat clients and servers have four fields.

`reasoning_effort` is OpenAI's own, `reasoning` OpenRouter's, `thinking` Anthropic's (DeepSeek and
GLM took it over), `enable_thinking` is what templates of open models read (Qwen).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from twotier.domain.message import Thinking
from twotier.errors import RequestError

EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
_SUMMARIES = frozenset({"auto", "concise", "detailed"})
# What open servers and their templates know; the ends of the scale are OpenAI's alone.
_EFFORT_WRITTEN = {"minimal": "low", "xhigh": "high", "max": "high"}
# Where a budget stands on the scale of efforts, in tokens.
_LOW_BELOW, _MEDIUM_BELOW = 4_096, 16_384


class ReasoningIn(msgspec.Struct):
    """OpenRouter's field."""

    effort: str | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    exclude: bool | None = None
    summary: str | None = None


class ThinkingIn(msgspec.Struct):
    """Anthropic's field."""

    type: str = ""
    budget_tokens: int | None = None


def read_thinking(
    effort: str | None,
    reasoning: ReasoningIn | None,
    *,
    thinking: ThinkingIn | None,
    enable_thinking: bool | None,
) -> Thinking | None:
    """What the fields say together, None where none says anything."""
    said = Thinking()
    if enable_thinking is not None:
        said = replace(said, mode="adaptive" if enable_thinking else "off")
    if thinking is not None:
        said = _of_thinking(said, thinking)
    if reasoning is not None:
        said = _of_reasoning(said, reasoning)
    if effort is not None:
        said = _of_effort(said, effort, field="reasoning_effort")
    return None if said == Thinking() else said


def _of_thinking(said: Thinking, given: ThinkingIn) -> Thinking:
    match given.type:
        case "disabled":
            return replace(said, mode="off")
        case "enabled" if given.budget_tokens is not None:
            return replace(said, mode="budget", budget_tokens=given.budget_tokens)
        case "enabled" | "adaptive" | "auto":
            return replace(said, mode="adaptive")
        case kind:
            raise RequestError(f"thinking.type: {kind!r} is unknown; use enabled or disabled")


def _of_reasoning(said: Thinking, given: ReasoningIn) -> Thinking:
    if given.enabled is not None:
        said = replace(said, mode="adaptive" if given.enabled else "off")
    if given.max_tokens is not None:
        said = replace(said, mode="budget", budget_tokens=given.max_tokens)
    if given.effort is not None:
        said = _of_effort(said, given.effort, field="reasoning.effort")
    if given.summary in _SUMMARIES:
        said = replace(said, shown=given.summary)
    return replace(said, shown="omitted") if given.exclude else said


def _of_effort(said: Thinking, effort: str, *, field: str) -> Thinking:
    if effort not in EFFORTS:
        raise RequestError(f"{field}: {effort!r} is unknown; use low, medium or high")
    return replace(said, effort=effort, mode="off" if effort == "none" else said.mode)


def write_thinking(thinking: Thinking | None) -> dict[str, Any]:
    """The one field that servers of this dialect share, where there is something to say."""
    if thinking is None:
        return {}
    if thinking.mode == "off":
        return {"reasoning_effort": "none"}
    effort = thinking.effort or _effort_of(thinking.budget_tokens)
    return {"reasoning_effort": _EFFORT_WRITTEN.get(effort, effort)} if effort else {}


def _effort_of(budget_tokens: int | None) -> str:
    """A budget as an effort; empty where the model is to decide."""
    if budget_tokens is None:
        return ""
    if budget_tokens < _LOW_BELOW:
        return "low"
    return "medium" if budget_tokens < _MEDIUM_BELOW else "high"
