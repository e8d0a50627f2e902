"""What an agent's turn is: what it is given, how far it may go, and what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from twotier.agent.guard import Rules
from twotier.agent.said import Chat, Said
from twotier.domain.label import NO_LABELS, Label, Labels
from twotier.domain.tier import TierPolicy
from twotier.verify.guards import NOTHING, Usual

TOOLS_MAX_LOCAL = 8  # small models lose their way among more (see docs/agents.md)
BOTH_TIERS = frozenset({TierPolicy.AUTO, TierPolicy.LOCAL_THEN_FRONTIER})


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a turn may go. `steps_max` counts model calls, `tokens_max` those of all of them.

    `identical_max` calls with the same arguments, or `errors_max` failed ones in a row, are a loop;
    `empty_max` answers without a word, in a row, are the end.
    """

    steps_max: int = 12
    tokens_max: int = 200_000
    seconds_max: float = 600.0
    identical_max: int = 3
    errors_max: int = 4
    empty_max: int = 2


@dataclass(frozen=True, slots=True)
class Turn:
    """One piece of work for an agent.

    `key` tells this turn from others of its run, in the names of its model calls. `prompt` is the
    owner's; `material` is what a watcher found, between markers, with the labels in `taint`.
    `schema` is the form of the result, None for free text. `quarantine`: material from strangers is
    read without tools that send or change, and only a typed result goes on. `escalate`: the
    frontier tier may carry on where strangers' text was read. `leaves`: the result goes out of this
    machine. `artifacts` is the folder for long results of tools. `local_tiers` are free. `usual` is
    what earlier runs needed there.
    """

    job: str
    run: str
    prompt: str
    policy: TierPolicy
    key: str = "all"
    material: str = ""
    taint: Labels = NO_LABELS
    model: str = "auto"
    kind: str = ""
    output_tokens_max: int = 400
    schema: Mapping[str, Any] | None = None
    limits: Limits = field(default_factory=Limits)
    quarantine: bool = True
    escalate: bool = False
    escalations_max: int = 5
    leaves: bool = True
    artifacts: str = ""
    local_tiers: frozenset[str] = frozenset({"local"})
    period_seconds: float | None = None
    usual: Usual = NOTHING

    @property
    def quarantined(self) -> bool:
        """Whether it brings text of strangers that is to be read apart."""
        return self.quarantine and bool(self.material) and Label.UNTRUSTED in self.taint

    def may_escalate(self, taint: Labels) -> bool:
        """Whether the frontier tier may carry on, as far as the job is concerned. Who pins a model
        wants that one.
        """
        clean = Label.UNTRUSTED not in taint
        both = self.policy in BOTH_TIERS and self.model == "auto"
        return both and (clean or self.escalate)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a turn came to. `failed` is the sentence why it is no result, empty for a good one.

    `value` is the result that fits the schema, None without one. `transcript` holds the messages of
    the turn as JSON. `escalations` is how often the frontier tier was asked to carry on, `gave_up`
    the tier that it carried on from.
    """

    text: str
    value: Any = None
    failed: str = ""
    steps: int = 0
    tool_calls: int = 0
    refused: int = 0
    tokens: int = 0
    cost_microusd: int = 0
    tools_microusd: int = 0
    tier: str = ""
    model: str = ""
    rule: str = ""
    request: str = ""
    taint: Labels = NO_LABELS
    escalations: int = 0
    gave_up: str = ""
    because: tuple[str, ...] = ()
    transcript: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A call that waits for its owner's yes, as it is shown. `source` is what the run had read.

    `key` and `number` are its place in the run: the same call made twice is asked for twice.
    """

    job: str
    run: str
    key: str
    number: int
    tool: str
    arguments: Mapping[str, Any]
    labels: Labels
    taint: Labels
    because: str
    source: str
    price_microusd: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What the owner said; an approval that ran out is a no."""

    granted: bool
    because: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the audit: what was asked for and decided, or what came of it.

    `number` counts the calls of a run; `event` is `judged` or `ended`. The arguments stand in it by
    their hash alone.
    """

    job: str
    run: str
    key: str
    number: int
    event: str
    tool: str
    arguments_sha256: str
    labels: Labels
    taint: Labels
    verdict: str
    rule: str
    because: str
    cost_microusd: int = 0


class Desk(Protocol):
    """Where approvals and the audit are kept."""

    async def decision(self, request: Request) -> Decision | None:
        """The owner's decision about exactly this call; None while it is open, and the owner was
        told of it once.
        """
        ...

    async def note(self, entry: Entry) -> None:
        """Keep a line of the audit. The same line twice is kept once."""
        ...

    async def may_escalate(self, job: str, *, run: str, times_max: int) -> bool:
        """Whether a run that read strangers' text may be carried on today; a yes is counted."""
        ...


class Checks(Protocol):
    """Looks at a result that a local tier came to."""

    async def __call__(self, turn: Turn, outcome: Outcome, *, again: bool) -> tuple[str, str]:
        """Why it is not good enough, empty where it is kept; and what the run tells of it. `again`:
        the same may be asked once more, because it used no tools.
        """
        ...


@dataclass(frozen=True, slots=True)
class Guard:
    """What stands between a model and its tools: the rules, and who keeps and answers. `check`
    looks at what comes out; without it a result is taken as it is.
    """

    rules: Rules
    desk: Desk
    check: Checks | None = None


class Asks(Protocol):
    """Asks main for a model, and waits for a tier that cannot be asked now."""

    def __call__(self, chat: Chat, /) -> Awaitable[Said]:
        """Raises what `MainClient.chat` raises, when it is of no use to wait any longer."""
        ...
