"""On which terms a job's agent works: how far it may go, and who is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twotier.domain.tier import TierPolicy


@dataclass(frozen=True, slots=True)
class Verifying:
    """How an answer of a local tier is verified where another tier might be asked.

    `rungs` are those of `verify.ladder`; `looks` are free looks beside the usual ones. `command`
    names a program of the owner's that gets the answer as its input. `second` is the model that
    answers once more, empty for the same one; `rubric` the tiers that may judge.
    """

    rungs: frozenset[str] = frozenset({"checks"})
    looks: tuple[str, ...] = ()
    command: str = ""
    second: str = ""
    rubric: TierPolicy = TierPolicy.LOCAL_ONLY


@dataclass(frozen=True, slots=True)
class Terms:
    """What the owner's configuration says of a job that an agent works on.

    `tools` names them; `hosts` may be asked after private text; `tools_microusd_max` is what its
    tools may cost in one run. `schema` is the form of the result, None for free text. `approve` is
    where the owner is asked for a yes (a way out as in `deliver`), empty where nobody is asked.
    What `quarantine` and `escalate` mean is told in docs/safety.md.
    """

    tools: tuple[str, ...] = ()
    hosts: frozenset[str] = frozenset()
    tools_microusd_max: int = 0
    steps_max: int = 12
    tokens_max: int = 200_000
    schema: Mapping[str, Any] | None = None
    quarantine: bool = True
    escalate: bool = False
    escalations_max: int = 5
    approve: str = ""

    @property
    def agent(self) -> bool:
        """Whether an agent works on the job, and not a single question."""
        return bool(self.tools) or self.schema is not None
