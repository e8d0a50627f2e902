"""What a step of a run came to, for people: read from what the step gave. Pure.

Names of steps are `begin`, `usual`, `model`, `split`, `tool:NAME`, `approve:NAME`, `escalate`,
`verify`, `store`, `deliver`, `failed`, `batch`, `transcript`. What is not known is left out. A step
of an older version may have another form, so nothing here relies on one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twotier.agent.course import text_of

TEXT_CHARACTERS_MAX = 20_000  # of what a model or a tool said; a page is no archive
BECAUSE_CHARACTERS_MAX = 400
PAID = ("tier", "model", "rule", "request", "tokens", "cost_microusd")
TOOL, APPROVE = "tool", "approve"


def told(name: str, output: Any, *, texts: bool = False) -> dict[str, Any]:
    """The facts of a step. `texts`: also what was said, which may be long and private."""
    kind, _, tool = name.partition(":")
    given = output if isinstance(output, Mapping) else {}
    facts: dict[str, Any] = {}
    if tool:
        facts["tool"] = tool
    if kind in (TOOL, APPROVE):
        facts |= called(given) if kind == TOOL else answered(given)
    elif kind == "begin":
        facts |= {key: given[key] for key in ("items", "left_out") if given.get(key)}
    elif kind == "verify":
        facts |= {"verdict": given.get("end"), "by": given.get("by"), "because": because(given)}
    elif kind == "escalate":
        facts["because"] = short(output) if isinstance(output, str) else ""
        facts["verdict"] = "yes" if output is True or output == "" else "no"
    elif kind == "deliver":
        facts |= {"place": given.get("place"), "because": because(given)}
    else:
        facts |= paid(given) | {"because": because(given)}
    if texts:
        facts["text"] = said(kind, given)[:TEXT_CHARACTERS_MAX]
    return {key: value for key, value in facts.items() if value not in (None, "", [])}


def paid(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a model call took, who answered, and which tools it wanted then."""
    answer = given.get("answer", given)
    if not isinstance(answer, Mapping):
        return {}
    facts = {key: answer[key] for key in PAID if key in answer}
    if "tokens_in" in answer:  # an agent's call of a model
        facts["tokens"] = answer["tokens_in"] + answer.get("tokens_out", 0)
        facts["tokens_in"], facts["tokens_out"] = answer["tokens_in"], answer.get("tokens_out", 0)
        facts["finish"] = answer.get("finish", "")
        facts["wants"] = wanted(answer.get("message"))
    return facts


def wanted(message: Any) -> list[str]:
    """The tools that a model's message calls."""
    calls = message.get("tool_calls") if isinstance(message, Mapping) else None
    if not isinstance(calls, Sequence):
        return []
    functions = (call.get("function") for call in calls if isinstance(call, Mapping))
    return [str(one.get("name", "")) for one in functions if isinstance(one, Mapping)]


def called(given: Mapping[str, Any]) -> dict[str, Any]:
    """What came of a call of a tool. `labels` are those that stay with the run."""
    facts = {key: given.get(key) for key in ("labels", "cost_microusd")}
    if given.get("failed"):
        facts["verdict"] = "refused" if given.get("refused") else "failed"
        facts["because"] = short(given.get("text", ""))
    return facts


def answered(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the owner said of a call."""
    return {"verdict": "yes" if given.get("granted") else "no", "because": because(given)}


def because(given: Mapping[str, Any]) -> str:
    """Why, in a sentence; what was wrong with an answer, or why there is none."""
    reason = given.get("because") or given.get("wrong") or given.get("skipped") or ""
    if isinstance(reason, Sequence) and not isinstance(reason, str):
        reason = "; ".join(map(str, reason))
    return short(reason)


def short(text: object) -> str:
    """A sentence that fits a line or two."""
    return str(text)[:BECAUSE_CHARACTERS_MAX]


def said(kind: str, given: Mapping[str, Any]) -> str:
    """The words of a step, empty where it has none."""
    if kind in (TOOL, "model", "split"):
        text = given.get("text") or given.get("said")
        message = given.get("message")
        return str(text or (text_of(message) if isinstance(message, Mapping) else ""))
    return ""
