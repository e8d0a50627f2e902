"""What each family of Anthropic's models takes: sampling, thinking, effort, forced calls.

Every generation answers 400 to something that the one before took. Sources, read in November 2026:
platform.claude.com/docs/en/build-with-claude/thinking, .../effort, .../adaptive-thinking, and the
pages "what's new" of each model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_THREE = ("low", "medium", "high")
_FOUR = (*_THREE, "max")
_FIVE = (*_THREE, "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Family:
    """`budget`: thinking with a budget of tokens. `adaptive`: the model decides. `off` is what says
    that it must not think: a type of `thinking`, or `omit` where it does not unless told to, or
    nothing where it cannot stop. `efforts` are the words it knows, the least first. `sampling`: it
    takes temperature, top_p and top_k. `forced`: a call of a tool can be ordered.
    """

    budget: bool = False
    adaptive: bool = True
    off: Literal["", "omit", "disabled", "between_tools"] = "omit"
    efforts: tuple[str, ...] = _FIVE
    sampling: bool = False
    forced: bool = True

    def effort(self, wanted: str) -> str:
        """The nearest word it knows, rather less than more."""
        known = [word for word in _FIVE[: _FIVE.index(wanted) + 1] if word in self.efforts]
        return known[-1] if known else ""


_OLD = Family(adaptive=False, efforts=(), sampling=True)
_BUDGET = Family(budget=True, adaptive=False, efforts=(), sampling=True)
_BOTH = Family(budget=True, efforts=_FOUR, sampling=True)
_ALWAYS = Family(off="", forced=False)
# By the beginning of the model's name; the first that fits counts.
_FAMILIES: tuple[tuple[str, Family], ...] = (
    ("claude-2", _OLD),
    ("claude-3-7", _BUDGET),
    ("claude-3", _OLD),
    ("claude-opus-4-5", Family(budget=True, adaptive=False, efforts=_THREE, sampling=True)),
    ("claude-opus-4-6", _BOTH),
    ("claude-sonnet-4-6", _BOTH),
    ("claude-opus-4-7", Family()),
    ("claude-opus-4-8", Family()),
    ("claude-opus-4", _BUDGET),
    ("claude-sonnet-4", _BUDGET),
    ("claude-haiku-4", _BUDGET),
    ("claude-opus-5-5", _ALWAYS),
    ("claude-sonnet-5-5", Family(off="between_tools", forced=False)),
    ("claude-haiku-5-5", Family(off="disabled", forced=False)),
    ("claude-opus-5", Family(off="disabled")),
    ("claude-sonnet-5", Family(off="disabled")),
    ("claude-fable", _ALWAYS),
    ("claude-mythos", _ALWAYS),
)
# A model nobody listed is asked as the newest are: its defaults are better than no answer.
_NEWEST = _ALWAYS


def family(model: str) -> Family:
    """What the model takes."""
    return next((one for name, one in _FAMILIES if model.startswith(name)), _NEWEST)
