"""From the configuration to who looks at what local tiers answer to clients."""

from __future__ import annotations

from twotier.config.verify import VerifyConfig
from twotier.dispatch import Dispatch
from twotier.domain.tier import TierPolicy
from twotier.proving import Habits, Proving


def proving_of(config: VerifyConfig, dispatch: Dispatch) -> Proving:
    """Asks `dispatch`, and looks at what local tiers say."""
    local = frozenset(name for name, tier in dispatch.tiers.items() if tier.spec.local)
    habits = Habits(config.requests, config.second, TierPolicy(config.judge))
    return Proving(dispatch, habits, local=local)
