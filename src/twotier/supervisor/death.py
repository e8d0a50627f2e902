"""Why a process died, in one sentence that says what to do.

Pure: `Evidence` in, `Death` out. The evidence is weak by nature: SIGKILL looks the same from the
kernel's memory killer and from a person, an adopted process has no exit code at all. So the
sentence says what is known and, where nothing is, that nothing is.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass

EARLY_SECONDS = 10.0  # a broken installation shows within this time
LINE_CHARS_MAX = 300

_IMPORT = re.compile(
    r"(ModuleNotFoundError|ImportError|cannot import name|error while loading shared libraries"
    r"|No module named)",
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
_MEMORY = re.compile(r"(MemoryError|std::bad_alloc|failed to allocate|Cannot allocate memory)")


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


@dataclass(frozen=True, slots=True)
class Death:
    """The cause, and whether a restart could change anything (`hopeless`: no)."""

    cause: str
    hopeless: bool = False


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


def _oom(_: Evidence) -> Death:
    return Death(
        "killed by the system because memory ran out (the oom_kill count rose); "
        "free memory, or choose a smaller model or window"
    )


def _metal(_: Evidence) -> Death:
    return Death(
        "the GPU's memory limit was reached (Metal out of memory); "
        "a smaller window or prompt cache helps, free memory does not"
    )


def _port(evidence: Evidence) -> Death:
    return Death(f"its port was taken by another process: {_line(evidence, _PORT)}")


def _import(evidence: Evidence) -> Death:
    return Death(
        f"its environment is broken: {_line(evidence, _IMPORT)}; run `twotier doctor`",
        hopeless=True,
    )


def _missing(evidence: Evidence) -> Death:
    return Death(
        f"a file it needs is missing or unreadable: {_line(evidence, _MISSING)}; "
        "check the tier's `model`",
        hopeless=True,
    )


def _memory(evidence: Evidence) -> Death:
    return Death(
        f"it could not get the memory it asked for: {_line(evidence, _MEMORY)}; "
        "free memory, or choose a smaller model or window"
    )


def _killed(_: Evidence) -> Death:
    return Death(
        "killed with SIGKILL, and no sign that memory ran out: "
        "probably by a person or another program"
    )


def _terminated(evidence: Evidence) -> Death:
    return Death(f"asked to end by another program ({_signal_name(evidence)})")


def _signalled(evidence: Evidence) -> Death:
    return Death(f"crashed with {_signal_name(evidence)}{_said(evidence)}")


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
    _Rule(lambda e: bool(e.ended_because), lambda e: Death(e.ended_because)),
    _Rule(lambda e: e.exit_code in (None, -signal.SIGKILL) and e.oom_kills > 0, _oom),
    _Rule(lambda e: bool(_line(e, _METAL)), _metal),
    _Rule(lambda e: _early(e, _PORT), _port),
    _Rule(lambda e: _early(e, _IMPORT), _import),
    _Rule(lambda e: _early(e, _MISSING), _missing),
    _Rule(lambda e: e.exit_code != -signal.SIGKILL and bool(_line(e, _MEMORY)), _memory),
    _Rule(lambda e: e.exit_code == -signal.SIGKILL, _killed),
    _Rule(lambda e: e.exit_code in _ENDING, _terminated),
    _Rule(lambda e: e.exit_code is not None and e.exit_code < 0, _signalled),
)
