"""The options of `twotier key add` and `set`, and what they change in a key's entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from twotier.errors import UsageError

# The words of `domain.tier.TierPolicy`; that module would cost every command 20 ms of imports.
Policy = Literal["auto", "local-only", "local-then-frontier", "frontier"]


@dataclass(frozen=True, slots=True)
class Rights:
    """What a key may do.

    Parameters
    ----------
    policy
        The tiers it may use; a request may restrict this, never widen it.
    budget_usd
        The most it may spend in a period, in dollars.
    period
        What the budget runs over; day at first.
    at_limit
        At the limit: refuse everything, or go on where it is free; stop at first.
    no_budget
        Take its budget away.
    """

    policy: Policy | None = None
    budget_usd: str | None = None
    period: Literal["day", "week", "month"] | None = None
    at_limit: Literal["stop", "local-only"] | None = None
    no_budget: Annotated[bool, Parameter(negative="")] = False

    def changes(self) -> dict[str, Any]:
        """The fields of `keys.ClientKey` that were named. Raises `UsageError`."""
        from twotier.domain.tier import TierPolicy

        if self.no_budget and self.budget_usd is not None:
            raise UsageError("--no-budget and --budget-usd exclude one another; name one")
        given = {
            "policy": None if self.policy is None else TierPolicy(self.policy),
            "limit_microusd": None if self.budget_usd is None else microusd(self.budget_usd),
            "period": self.period,
            "at_limit": self.at_limit,
        }
        said = {name: value for name, value in given.items() if value is not None}
        return {**said, "limit_microusd": None} if self.no_budget else said


def microusd(text: str) -> int:
    """Dollars as integer micro-dollars. Raises `UsageError`."""
    from twotier.domain.money import microusd_of

    try:
        return microusd_of(text)
    except ValueError as exc:
        raise UsageError(f"--budget-usd {text}: {exc}") from exc
