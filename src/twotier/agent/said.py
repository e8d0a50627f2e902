"""One model call of an agent and what came back: JSON in and out, so a step can keep it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from twotier.domain.tier import TierPolicy


@dataclass(frozen=True, slots=True)
class Chat:
    """One model call of an agent: the conversation so far, in the wire's own form, and the tools.

    `tool_choice` is left out where it is empty, `temperature` where it is None. The rest is as in
    `Question`.
    """

    messages: tuple[Mapping[str, Any], ...]
    job: str
    run: str
    step: str
    kind: str
    policy: TierPolicy
    model: str
    output_tokens_max: int
    deadline_seconds: float
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str = ""
    schema: Mapping[str, Any] | None = None
    period_seconds: float | None = None
    batch: bool = False
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a model said to a chat: its message as it came, and what that took. JSON in and out.
    `seconds` is how long it was waited for.
    """

    message: Mapping[str, Any]
    finish: str
    tier: str
    model: str
    rule: str
    request: str
    tokens_in: int
    tokens_out: int
    cost_microusd: int
    seconds: float = 0.0

    def json(self) -> dict[str, Any]:
        """As a step keeps it."""
        return asdict(self)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Said:
        """As it was kept."""
        return cls(**kept)

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.tokens_in + self.tokens_out
