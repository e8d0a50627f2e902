"""Why a process died, in one sentence that says what to do, and what the keeper does about it.

Pure: `Evidence` in, `Death` out. The evidence is weak by nature: SIGKILL looks the same from the
kernel's memory killer and from a person, an adopted process has no exit code at all. So the
sentence says what is known and, where nothing is, that nothing is. `REMEDIES` is the other half of
the table: for each kind of death, what a restart has to do differently.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

EARLY_SECONDS = 10.0  # a broken installation shows within this time
LINE_CHARS_MAX = 300
LINES_KEPT = 8  # of the log, in a death's record

_IMPORT = re.compile(
    r"(ModuleNotFoundError|ImportError|cannot import name|error while loading shared libraries"
    r"|No module named|error: unrecognized arguments)",  # the last one: it is of another version
)
_MISSING = re.compile(
    r"(FileNotFoundError|No such file or directory|failed to open|does not exist"
    r"|failed to load model|invalid magic|is not a (?:local folder|directory))",
    re.IGNORECASE,
)
_PORT = re.compile(
    r"(address already in use|EADDRINUSE|could ?n.t bind|failed to bind)", re.IGNORECASE
)
_METAL = re.compile(r"kIOGPUCommandBufferCallbackErrorOutOfMemory|\[METAL\].*Insufficient Memory")
_PAIR = re.compile(r"There is no Stream\(\w+, \d+\) in current thread")
_MEMORY = re.compile(r"(MemoryError|std::bad_alloc|failed to allocate|Cannot allocate memory)")


class Kind(StrEnum):
    """What killed it, as far as the keeper acts on it."""

    MEMORY = "memory"  # the system took it, or would not give it what it asked for
    GPU = "gpu-memory"  # the GPU's own limit; free memory is not the problem
    KILLED = "killed"  # SIGKILL, and nothing says why
    ASKED = "asked"  # somebody asked it to end
    HUNG = "hung"  # it lived and did nothing; we ended it
    BROKEN = "broken"  # no restart mends it
    PORT = "port"
    CRASHED = "crashed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Remedy:
    """What the keeper does after a death of one kind.

    `smaller`: the next start has half the prompt cache, and a smaller window where the engine takes
    one. `doublings` are added to the delay. `rests`: not started again by itself. `hopeless`: no
    restart could change anything, so a person has to act first.
    """

    action: str
    smaller: bool = False
    doublings: int = 0
    rests: bool = False
    hopeless: bool = False


REMEDIES: dict[Kind, Remedy] = {
    Kind.MEMORY: Remedy(
        "started again when what it needs and the headroom are free, later each time, with half"
        " the prompt cache",
        smaller=True,
        doublings=2,
    ),
    Kind.GPU: Remedy("started again with half the prompt cache and a smaller window", smaller=True),
    Kind.KILLED: Remedy("started again"),
    Kind.ASKED: Remedy("left stopped: somebody wanted that", rests=True),
    Kind.HUNG: Remedy("ended and started again"),
    Kind.BROKEN: Remedy("not started again: the same would happen", hopeless=True),
    Kind.PORT: Remedy("started again once the port is free"),
    Kind.CRASHED: Remedy("started again"),
    Kind.UNKNOWN: Remedy("started again"),
}


@dataclass(frozen=True, slots=True)
class Traces:
    """What the system itself knows of a death; empty where it says nothing.

    `jetsam` is the reason in a JetsamEvent report that names the pid, `launchd` the last exit
    reason of `launchctl print`, `kernel` the line of the kernel's log, `largest` the process that
    held most memory, `stall_percent` how long everything waited for memory just before.
    """

    jetsam: str = ""
    jetsam_report: str = ""
    launchd: str = ""
    kernel: str = ""
    largest: str = ""
    stall_percent: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known when a process is gone.

    `exit_code` as `subprocess` has it: negative for a signal, None for an adopted process.
    `oom_kills` is by how much the control group's `oom_kill` count grew during its life.
    `ended_because` is set when we ended it ourselves (it hung, its load took too long).
    """

    exit_code: int | None
    lived_seconds: float
    last_lines: tuple[str, ...] = ()
    oom_kills: int = 0
    ended_because: str = ""
    traces: Traces = field(default_factory=Traces)


@dataclass(frozen=True, slots=True)
class Death:
    """The cause, and its kind."""

    cause: str
    kind: Kind = Kind.UNKNOWN

    @property
    def remedy(self) -> Remedy:
        """What to do about it."""
        return REMEDIES[self.kind]

    @property
    def hopeless(self) -> bool:
        """No restart could change anything."""
        return self.remedy.hopeless


@dataclass(frozen=True, slots=True)
class _Rule:
    """One row of the table of causes: does it match, and the death it means."""

    matches: Callable[[Evidence], bool]
    death: Callable[[Evidence], Death]


def explain(evidence: Evidence) -> Death:
    """The first cause of the table that matches."""
    for rule in _RULES:
        if rule.matches(evidence):
            return rule.death(evidence)
    return Death(_unknown(evidence))


def _line(evidence: Evidence, pattern: re.Pattern[str]) -> str:
    """The last line of the log that matches, or nothing."""
    for line in reversed(evidence.last_lines):
        if pattern.search(line):
            return line.strip()[:LINE_CHARS_MAX]
    return ""


def _early(evidence: Evidence, pattern: re.Pattern[str]) -> bool:
    failed = evidence.exit_code is None or evidence.exit_code > 0
    return failed and evidence.lived_seconds < EARLY_SECONDS and bool(_line(evidence, pattern))


def proof(evidence: Evidence) -> tuple[str, ...]:
    """The evidence as lines that a person can check."""
    traces = evidence.traces
    told = {
        "exit": _exit(evidence),
        "lived": f"{evidence.lived_seconds:.1f} s",
        "jetsam": f"{traces.jetsam} in {traces.jetsam_report}" if traces.jetsam else "",
        "launchd": traces.launchd,
        "kernel log": traces.kernel,
        "oom_kill": f"the control group's count rose by {evidence.oom_kills}"
        if evidence.oom_kills
        else "",
        "memory stall": f"{traces.stall_percent:g} % of the last ten seconds"
        if traces.stall_percent
        else "",
        "largest process": traces.largest,
        "our reason": evidence.ended_because,
    }
    lines = [line.strip()[:LINE_CHARS_MAX] for line in evidence.last_lines[-LINES_KEPT:]]
    return (
        *(f"{name}: {text}" for name, text in told.items() if text),
        *(f"log: {line}" for line in lines if line),
    )


def _exit(evidence: Evidence) -> str:
    if evidence.exit_code is None:
        return "not told, because it was adopted"
    return _signal_name(evidence) if evidence.exit_code < 0 else f"code {evidence.exit_code}"


def _taken(evidence: Evidence) -> bool:
    """The system says that it took it for its memory."""
    traces = evidence.traces
    return bool(traces.jetsam or traces.kernel or "JETSAM" in traces.launchd)


def _oom(evidence: Evidence) -> Death:
    traces = evidence.traces
    if traces.jetsam:
        how = f"jetsam: {traces.jetsam}"
    elif "JETSAM" in traces.launchd:
        how = f"launchd: {traces.launchd}"
    elif traces.kernel:
        how = "the kernel's log names it"
    else:
        how = "the oom_kill count rose"
    largest = f"; the largest process was {traces.largest}" if traces.largest else ""
    text = f"killed by the system because memory ran out ({how}){largest}; "
    return Death(text + "free memory, or choose a smaller model or window", Kind.MEMORY)


def _metal(_: Evidence) -> Death:
    return Death(
        "the GPU's memory limit was reached (Metal out of memory); "
        "a smaller window or prompt cache helps, free memory does not",
        Kind.GPU,
    )


def _port(evidence: Evidence) -> Death:
    return Death(f"its port was taken by another process: {_line(evidence, _PORT)}", Kind.PORT)


def _import(evidence: Evidence) -> Death:
    return Death(
        f"its environment is broken: {_line(evidence, _IMPORT)}; run `twotier doctor`", Kind.BROKEN
    )


def _pair(evidence: Evidence) -> Death:
    return Death(
        "its mlx-lm and mlx do not fit each other: the thread that generates died in the first"
        f" request ({_line(evidence, _PAIR)}); run `twotier doctor`",
        Kind.BROKEN,
    )


def _missing(evidence: Evidence) -> Death:
    return Death(
        f"a file it needs is missing or unreadable: {_line(evidence, _MISSING)}; "
        "check the tier's `model`",
        Kind.BROKEN,
    )


def _memory(evidence: Evidence) -> Death:
    return Death(
        f"it could not get the memory it asked for: {_line(evidence, _MEMORY)}; "
        "free memory, or choose a smaller model or window",
        Kind.MEMORY,
    )


def _killed(_: Evidence) -> Death:
    return Death(
        "killed with SIGKILL, and no sign that memory ran out: "
        "probably by a person or another program",
        Kind.KILLED,
    )


def _terminated(evidence: Evidence) -> Death:
    return Death(f"asked to end by another program ({_signal_name(evidence)})", Kind.ASKED)


def _left(evidence: Evidence) -> Death:
    return Death(_unknown(evidence), Kind.ASKED)


def _signalled(evidence: Evidence) -> Death:
    return Death(f"crashed with {_signal_name(evidence)}{_said(evidence)}", Kind.CRASHED)


def _failed(evidence: Evidence) -> Death:
    return Death(_unknown(evidence), Kind.CRASHED)


def _signal_name(evidence: Evidence) -> str:
    code = evidence.exit_code or 0
    number = -code if code < 0 else code - 128  # 128 + N: it caught the signal and said so
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _said(evidence: Evidence) -> str:
    """Its last words, as the end of a sentence."""
    words = [line.strip() for line in evidence.last_lines if line.strip()]
    return f"; its last line was: {words[-1][:LINE_CHARS_MAX]}" if words else "; it said nothing"


def _unknown(evidence: Evidence) -> str:
    if evidence.exit_code is None:
        return f"it went away, cause unknown (adopted, so without exit code){_said(evidence)}"
    if evidence.exit_code == 0:
        return f"it ended by itself with exit code 0{_said(evidence)}"
    return f"it failed with exit code {evidence.exit_code}{_said(evidence)}"


_ASKED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_ENDING = {-number for number in _ASKED} | {128 + number for number in _ASKED}

# The order matters: evidence that names a cause stands before the bare signal.
_RULES: tuple[_Rule, ...] = (
    _Rule(lambda e: bool(e.ended_because and _line(e, _PAIR)), _pair),
    _Rule(lambda e: bool(e.ended_because), lambda e: Death(e.ended_because, Kind.HUNG)),
    _Rule(_taken, _oom),
    _Rule(lambda e: e.exit_code in (None, -signal.SIGKILL) and e.oom_kills > 0, _oom),
    _Rule(lambda e: bool(_line(e, _METAL)), _metal),
    _Rule(lambda e: _early(e, _PORT), _port),
    _Rule(lambda e: _early(e, _IMPORT), _import),
    _Rule(lambda e: _early(e, _MISSING), _missing),
    _Rule(lambda e: e.exit_code != -signal.SIGKILL and bool(_line(e, _MEMORY)), _memory),
    _Rule(lambda e: e.exit_code == -signal.SIGKILL, _killed),
    _Rule(lambda e: e.exit_code in _ENDING, _terminated),
    _Rule(lambda e: e.exit_code == 0, _left),
    _Rule(lambda e: e.exit_code is not None and e.exit_code < 0, _signalled),
    _Rule(lambda e: e.exit_code is not None and e.exit_code > 0, _failed),
)
