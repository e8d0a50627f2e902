"""Who else keeps a server alive, as the watch over it sees him: launchd, systemd, or a person.

A Protocol and its values; what each of them is asked and how he answers stands in `service`. Never
two supervisors on one process: an owner is asked what he knows, and at most asked to start his own
server anew when it hangs. Nothing here ends a process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered. `code` None: it could not be run, or it did not end in time."""

    code: int | None
    out: str = ""
    err: str = ""


Run = Callable[[Sequence[str]], Said]


@dataclass(frozen=True, slots=True)
class Told:
    """What an owner says of his server. `running` None: he does not know or does not say,
    or it is just being ended.

    `respawns`: he starts it again by himself when it ends. `last_end` is one sentence about its
    last end, empty where there was none. `evidence` are his own lines, for a person to check.
    """

    running: bool | None
    pid: int | None = None
    respawns: bool = False
    last_end: str = ""
    evidence: tuple[str, ...] = ()


UNTOLD = Told(None)


class Owner(Protocol):
    """One owner of one server. The commands are only described here; a runner runs them."""

    @property
    def name(self) -> str:
        """For sentences: `the launchd job com.example.mlx`."""
        ...

    @property
    def question(self) -> tuple[str, ...]:
        """The command that asks for its state; empty where nobody can be asked."""
        ...

    def read(self, said: Said) -> Told:
        """What the answer to that question means."""
        ...

    def start(self) -> tuple[str, ...]:
        """The command that starts it where it does not run; empty where only a person can."""
        ...

    def restart(self) -> tuple[str, ...]:
        """The command that ends and starts it; empty where only a person can."""
        ...

    def stop(self) -> str:
        """What a person types to end it: words for a sentence, never run by us."""
        ...

    def log(self, told: Told) -> str:
        """Where its output is: words for a sentence."""
        ...
