"""How much the model is to think, said in the words its family takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twotier.domain.message import Thinking
from twotier.protocols.anthropic_messages.families import Family

BUDGET_TOKENS_MIN = 1024
# What an effort is worth in thinking tokens, for families that only take a budget.
_BUDGETS = {"low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 24_576, "max": 32_768}
_FEWEST = {"none": "", "minimal": "low"}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What of a request decides about its thinking. `forced`: a tool call is ordered. `unsigned`:
    it goes on with tool calls that did not begin with thinking the API would take back.
    """

    max_output_tokens: int
    forced: bool = False
    unsigned: bool = False


class Plan:
    """The fields `thinking` and `output_config.effort`, and what of the wish they leave `unsaid`.

    With an effort and nothing else the model thinks as hard as that says.
    """

    def __init__(self, wanted: Thinking | None, family: Family, *, at: Circumstances) -> None:
        self.thinking: dict[str, Any] = {}
        self.effort = ""
        self.unsaid: list[str] = []
        self._family = family
        self._at = at
        if wanted is not None:
            self._plan(wanted)

    @property
    def thinks(self) -> bool:
        """True if thinking was asked for."""
        return self.thinking.get("type") in ("adaptive", "enabled")

    def _plan(self, wanted: Thinking) -> None:
        effort = _FEWEST.get(wanted.effort, wanted.effort)
        if effort and effort not in _BUDGETS:
            self.unsaid.append("effort")
            effort = ""
        if wanted.mode == "off" or wanted.effort == "none":
            self._off(effort)
        elif wanted.mode or effort:
            self._on(wanted, effort)
        elif wanted.shown:
            self.unsaid.append("thinking")

    def _off(self, effort: str) -> None:
        off = self._family.off
        if off == "":
            self.unsaid.append("thinking")
        elif off != "omit":
            self.thinking = {"type": off}
            effort = "high" if effort in ("xhigh", "max") else effort  # more means thinking there
        self._say_effort(effort)

    def _on(self, wanted: Thinking, effort: str) -> None:
        budget = wanted.budget_tokens if wanted.mode == "budget" else None
        takes = self._family
        if takes.adaptive and not (takes.budget and budget is not None):
            self.thinking = {"type": "adaptive"}
            self._say_effort(effort or _worth(budget))
        else:
            self._say_budget(budget or _BUDGETS[effort or "medium"])
            if takes.efforts or budget is not None:  # else the budget says the effort
                self._say_effort(effort)
        if self.thinking and wanted.shown:
            self.thinking["display"] = "omitted" if wanted.shown == "omitted" else "summarized"

    def _say_effort(self, effort: str) -> None:
        if effort:
            self.effort = self._family.effort(effort)
            self.unsaid += [] if self.effort else ["effort"]

    def _say_budget(self, tokens: int) -> None:
        """A budget is a part of the limit, and leaves a quarter of it for the answer."""
        at = self._at
        tokens = min(tokens, at.max_output_tokens * 3 // 4)
        impossible = not self._family.budget or at.forced or at.unsigned
        if impossible or tokens < BUDGET_TOKENS_MIN:
            self.unsaid.append("thinking")
        else:
            self.thinking = {"type": "enabled", "budget_tokens": tokens}


def _worth(budget: int | None) -> str:
    """The effort that is worth about so many tokens."""
    if budget is None:
        return ""
    return next((word for word, tokens in _BUDGETS.items() if budget <= tokens), "max")
