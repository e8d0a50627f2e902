"""On which terms a job's agent works: how far it may go, and who is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Terms:
    """What the owner's configuration says beside a job's tools.

    `schema` is the form of the result, None for free text. `approve` is where the owner is asked
    for a yes (a way out as in `deliver`), empty where nobody is asked. What `quarantine` and
    `escalate` mean is told in docs/safety.md.
    """

    steps_max: int = 12
    tokens_max: int = 200_000
    schema: Mapping[str, Any] | None = None
    quarantine: bool = True
    escalate: bool = False
    escalations_max: int = 5
    approve: str = ""
