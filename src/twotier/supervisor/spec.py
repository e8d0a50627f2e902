"""What a keeper is told at its start, and what it tells others: values, no behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from twotier.domain.endpoint import Endpoint
from twotier.domain.launch import Launch
from twotier.supervisor.excuse import Pace, unlearned
from twotier.supervisor.policy import Signal, State
from twotier.supervisor.probe import Ask


@dataclass(frozen=True, slots=True)
class Need:
    """What a server will take of memory, and what has to stay free beside it.

    `text` says for people what it was predicted for.
    """

    total_bytes: int
    headroom_bytes: int
    text: str = ""


def unknown(_: int) -> Need | None:
    """Nobody knows what it needs, so it is never refused for it."""
    return None


def unlimited(_: int) -> int:
    """It has no window, or always the same."""
    return 0


def untold(_: Endpoint) -> object:
    """It does not tell how far it is."""
    return None


@dataclass(frozen=True, slots=True)
class KeptSpec:
    """What is to be kept, and its limits.

    `launch` makes the command for a port. `ready` raises until the process does its work (a model
    server: one generated token). `identity` names what the command cannot tell, such as size and
    date of the model file. `listens` is False for a child without a TCP port, `adopts` False for
    one that ends with us anyway. The log is cut when it passes `log_bytes_max`, which is looked at
    every `log_look_seconds`.

    `port` is a fixed one, 0 for a free one at each start. `need` says what it will take of memory,
    with its caches halved as often as the level says; it may block. `squeezed` makes the command
    for a level from 1 on: after deaths by memory, and where there is no room for more.
    `window` gives the tokens of the window at such a level.
    `obeys`: ended from outside by a polite signal it stays down.

    `pace` gives the tokens a second it was seen to read, by the length of the prompt; 0: not seen.
    `progress` asks it how far it is, blocking, and gives what changes while it gets on; None: it
    does not tell. `step_tokens`: so many tokens of a prompt it reads without a sign of life, 0: it
    gives none.

    A hang is found within `probe_every_seconds` of silence plus `probe_seconds_max` for one token:
    together they stay under 35 s (see `look`). `still_seconds` of no sign of work are a hang while
    it loads.
    """

    name: str
    launch: Callable[[int], Launch]
    ready: Ask
    log_path: Path
    record_path: Path
    identity: str = ""
    listens: bool = True
    adopts: bool = True
    port: int = 0
    obeys: bool = False
    need: Callable[[int], Need | None] = unknown
    pace: Pace = unlearned
    progress: Callable[[Endpoint], object] = untold
    step_tokens: int = 0
    squeezed: Callable[[int, int], Launch] | None = None
    window: Callable[[int], int] = unlimited
    load_seconds_max: float = 180.0
    still_seconds: float = 30.0
    probe_seconds_max: float = 18.0
    probe_every_seconds: float = 12.0
    drain_seconds_max: float = 30.0
    stop_grace_seconds: float = 10.0
    port_seconds_max: float = 3.0
    log_bytes_max: int = 20 * 1024 * 1024
    log_look_seconds: float = 12.0

    @property
    def deaths_path(self) -> Path:
        """Where its last deaths are written."""
        return self.record_path.with_suffix(".deaths")


@dataclass(frozen=True, slots=True)
class Change:
    """One step in a process's life, for the log and for alerts.

    `adopted`: it ran before us, so we do not know how long it took to come up.
    """

    name: str
    before: State
    signal: Signal
    after: State
    because: str
    pid: int | None
    generation: int
    adopted: bool = False
