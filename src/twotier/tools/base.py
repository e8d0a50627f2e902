"""What a tool is: a spec the model reads, and one method, `call`.

Whoever calls it has checked its arguments against `parameters`, its labels against the run's taint
and, where it needs one, the owner's approval. A tool checks its own world: paths, addresses, sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from twotier.domain.label import NO_LABELS, Labels

RESULT_CHARACTERS_MAX = 12_000  # of one result in the prompt; the rest is kept as an artifact


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What the model is told of a tool, and what the guard must know of it.

    `parameters` is a JSON schema of type object. `labels` are those of every call; what a result
    brings in beside them stands in the result. `repeatable`: doing it twice is doing it once.
    `looks`: a call whose own labels are neither `changes` nor `costs` only looks, so that it may be
    made for nobody's sake; of a tool that does not say so nobody knows.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    labels: Labels
    repeatable: bool = True
    looks: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls: `key` is the same when a call is repeated after a kill; `taint` is the run's."""

    job: str
    run: str
    key: str
    taint: Labels
    deadline_seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gave: text for the model, and the labels that it brings into the run.

    `cost_microusd` was paid for the call beside any model's tokens, by `unit` (see prices).
    """

    text: str
    labels: Labels = NO_LABELS
    cost_microusd: int = 0


class Tool(Protocol):
    """One thing an agent may do."""

    @property
    def spec(self) -> ToolSpec:
        """What it is called, takes and brings along."""
        ...

    def needs(self, arguments: Mapping[str, Any]) -> Labels:
        """The labels of this very call; those of the spec, unless the arguments say more or less
        (a GET sends nothing but its address; a declared destination is the owner's own).
        """
        ...

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        """Do it. Raises `ToolError` with a sentence that the model can act on."""
        ...
