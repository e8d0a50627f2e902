"""A run as a line of steps, each in words: what was done, by whom, for how much, and what it holds
since then. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twotier.dashboard.visible import cut, pretty

MICRO = 1_000_000
TEXT_CHARACTERS_MAX = 20_000
MESSAGES_MAX = 200
HIDDEN = frozenset({"transcript", "usual"})  # bookkeeping, of which nothing is to be seen
FORK_STEP_MIN = 2  # the first step says what the run works on, and is always taken over
WORDS = {
    "begin": "Began",
    "model": "Asked a model",
    "split": "The local tier picked lines",
    "verify": "Looked at the answer",
    "escalate": "May the frontier tier carry on?",
    "store": "Stored the answer",
    "deliver": "Delivered",
    "failed": "Noted what went wrong",
    "batch": "Waited for a batch",
}
BAD, WARN, GOOD, IDLE = "bad", "warn", "good", "idle"


def timeline(steps: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The steps of a run. `grown` are labels that a step brought."""
    found: list[dict[str, Any]] = []
    held: set[str] = set()
    for step in steps:
        taint = list(step.get("taint", ()))
        grown = [label for label in taint if label not in held]
        held.update(taint)
        if step["name"] in HIDDEN:
            continue
        text, more = cut(str(step.get("text", "")), TEXT_CHARACTERS_MAX)
        cost = step.get("cost_microusd")
        found.append(
            {
                **step,
                "tokens": step.get("tokens"),
                "request": step.get("request", ""),
                "words": words(step),
                "kind": kind(step),
                "grown": grown,
                "facts": facts(step),
                "usd": f"{cost / MICRO:.6f}" if cost else "",
                "text": text,
                "more": more,
                "fork": step["number"] if step["number"] >= FORK_STEP_MIN else 0,
            }
        )
    return found


def words(step: Mapping[str, Any]) -> str:
    """What was done."""
    name, _, tool = str(step["name"]).partition(":")
    if name == "tool":
        return f"Called {tool}"
    if name == "approve":
        return f"Asked you about {tool}"
    if name == "model" and step.get("tier"):
        return f"Asked {step['tier']}"
    return WORDS.get(name, name)


def kind(step: Mapping[str, Any]) -> str:
    """The mark of a step."""
    name = str(step["name"]).partition(":")[0]
    verdict = step.get("verdict", "")
    if name == "failed" or verdict in ("failed", "escalate") or ended_badly(name, step):
        return BAD
    if verdict in ("refused", "no", "undecided"):
        return WARN
    return GOOD if name in ("model", "tool", "deliver", "verify", "approve") else IDLE


def ended_badly(name: str, step: Mapping[str, Any]) -> bool:
    """Whether a model's answer was of no use, or a delivery did not work."""
    return name in ("model", "deliver") and bool(step.get("because"))


def facts(step: Mapping[str, Any]) -> list[str]:
    """What else there is to say of a step, each a few words."""
    told = [str(step[key]) for key in ("model", "place", "by", "because") if step.get(key)]
    if wants := step.get("wants"):
        told.append(f"it wants {', '.join(map(str, wants))}")
    if step.get("finish") == "length":
        told.append("the answer was cut")
    if verdict := step.get("verdict"):
        told.insert(0, str(verdict))
    if items := step.get("items"):
        told.append(f"{items} new")
    return told + [f"left out: {one}" for one in step.get("left_out", ())]


def talk(turns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The turns of an agent as messages, cut where they are without end."""
    return [{"part": turn["part"], "messages": messages(turn["messages"])} for turn in turns]


def messages(said: Sequence[Any]) -> list[dict[str, Any]]:
    """Messages in the wire's form, as they are read."""
    known = [one for one in said if isinstance(one, Mapping)]
    return [message(one) for one in known[:MESSAGES_MAX]]


def message(said: Mapping[str, Any]) -> dict[str, Any]:
    """One of them: who, what, and the calls it wants."""
    text, more = cut(text_of(said.get("content")), TEXT_CHARACTERS_MAX)
    calls = [call(one) for one in said.get("tool_calls") or () if isinstance(one, Mapping)]
    return {"role": str(said.get("role", "")), "text": text, "more": more, "calls": calls}


def text_of(content: Any) -> str:
    """The words of a message, of all its parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, Sequence) else ()
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping))


def call(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A call of a tool: its name and its arguments as they were written."""
    function = wanted.get("function")
    function = function if isinstance(function, Mapping) else {}
    arguments = function.get("arguments", "")
    text = arguments if isinstance(arguments, str) else pretty(arguments)
    return {"tool": str(function.get("name", "")), "arguments": cut(text, TEXT_CHARACTERS_MAX)[0]}
