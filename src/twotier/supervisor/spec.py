"""What a keeper is told at its start, and what it tells others: values, no behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from twotier.domain.launch import Launch
from twotier.supervisor.policy import Signal, State
from twotier.supervisor.probe import Ask


@dataclass(frozen=True, slots=True)
class KeptSpec:
    """What is to be kept, and its limits.

    `launch` makes the command for a port. `ready` raises until the process does its work (a model
    server: one generated token). `identity` names what the command cannot tell, such as size and
    date of the model file. `listens` is False for a child without a TCP port, `adopts` False for
    one that ends with us anyway. The log is cut when it passes `log_bytes_max`.
    """

    name: str
    launch: Callable[[int], Launch]
    ready: Ask
    log_path: Path
    record_path: Path
    identity: str = ""
    listens: bool = True
    adopts: bool = True
    load_seconds_max: float = 180.0
    probe_seconds_max: float = 20.0
    probe_every_seconds: float = 30.0
    drain_seconds_max: float = 30.0
    stop_grace_seconds: float = 10.0
    log_bytes_max: int = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Change:
    """One step in a process's life, for the log and for alerts."""

    name: str
    before: State
    signal: Signal
    after: State
    because: str
    pid: int | None
    generation: int
