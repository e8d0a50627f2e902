"""What is known before a decision: the record of such work on each tier, the conversation it is a
part of, how long each tier would take. Values only: whoever learns them hands them in, and who
knows nothing hands in `NOTHING`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """How large something will be: never one number. Half of what was seen is at most `p50`, nine
    in ten are at most `p90`; `count` were seen, and `source` says of what (`record`, `kind`, ...).
    """

    p50: float
    p90: float
    count: int
    source: str


class Timed(Protocol):
    """How long a tier would take, and of what that is made, in seconds: `router.speed`."""

    @property
    def wait_seconds(self) -> float:
        """Until it begins."""

    @property
    def prompt_seconds(self) -> float:
        """To read what is not in its cache."""

    @property
    def output_seconds(self) -> float:
        """To write the answer."""

    @property
    def seconds(self) -> float:
        """Until its end."""


class Times(msgspec.Struct, frozen=True):
    """How long something would take, as it was said."""

    wait_seconds: float
    prompt_seconds: float
    output_seconds: float

    @property
    def seconds(self) -> float:
        """Until its end."""
        return self.wait_seconds + self.prompt_seconds + self.output_seconds


class Record(msgspec.Struct, frozen=True):
    """What came of such work on one tier. `good` and `bad` are verified ends, aged, so no whole
    numbers; `lately` are the last five verdicts, the newest last, and `redone` tells of each
    whether another tier did it again before anybody had it; `runs` counts all of them. `covered`:
    what fails there now is done again by another tier.
    """

    tier: str
    good: float = 0.0
    bad: float = 0.0
    lately: tuple[bool, ...] = ()
    runs: int = 0
    output: Spread | None = None
    seconds: Spread | None = None
    steps: Spread | None = None
    cost_microusd: Spread | None = None
    redone: tuple[bool, ...] = ()
    covered: bool = False


class Session(msgspec.Struct, frozen=True):
    """The conversation this is a part of: the tier it is on, the tokens its cache there holds, and
    how long ago it was used. `boundary`: a new task begins here, so it may move down.
    """

    tier: str
    prompt_tokens: int
    seconds: float
    boundary: bool = False


class Pace(msgspec.Struct, frozen=True):
    """How a budget is doing: the shares of its limit and of its time that are gone."""

    name: str
    spent: float
    passed: float


class Known(msgspec.Struct, frozen=True):
    """Everything that is known of a request beside what it says itself.

    `key` is what the record is kept under, in words for people. `records` and `seconds` are by
    tier. `output` is how long the answer will be, in tokens. `recheck` is a tier that should be
    tried once more although the record speaks against it; empty for none. `conversation` is the
    name of the one it belongs to, `pace` that of the budget that is most ahead of its time.
    """

    key: str = ""
    records: Mapping[str, Record] = {}
    seconds: Mapping[str, Timed] = {}
    session: Session | None = None
    output: Spread | None = None
    recheck: str = ""
    conversation: str = ""
    pace: Pace | None = None


NOTHING = Known()
