"""What the system knows of a process that it killed, read after the death.

Linux: the control group's count of memory kills, the kernel's log, pressure stall information.
macOS: the JetsamEvent report, and what `launchctl print` says of a job. Files lie under a root that
is handed in, commands go through a runner that is handed in. The formats of macOS are from public
descriptions and tested with samples of that form; none of it has run on Apple hardware yet.

The count is read at once, because it is one small file. The rest takes a moment, and a JetsamEvent
report is written some seconds after the death, so it is asked for in a thread, and once more before
the next start.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from twotier.supervisor.death import Traces
from twotier.supervisor.memory import LinuxMemory, Run, group_folders, holders, run, stat_of

REPORTS = "Library/Logs/DiagnosticReports"
REPORTS_READ_MAX = 5
REPORT_BYTES_MAX = 8 * 1024 * 1024
CLOCK_SECONDS = 5.0  # the file's date against ours
_KILLED = re.compile(r"(?:Out of memory|Memory cgroup out of memory): Killed process (\d+)")
_REASON = re.compile(r"^[ \t]*+last exit reason = (.+)$", re.MULTILINE)
_CODE = re.compile(r"^[ \t]*+last exit code = (-?\d+)", re.MULTILINE)
_SIGNAL = re.compile(r"^[ \t]*+last terminating signal = (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Gone:
    """The process that is gone. `since` is its start, in seconds since the epoch."""

    pid: int
    since: float


class Coroner(Protocol):
    """Looks for traces of a death. Blocks."""

    def memory_kills(self) -> int:
        """How often the system has killed for memory in our control group, since it counts."""
        ...

    def look(self, gone: Gone) -> Traces:
        """What can be found of this process now."""
        ...


def coroner_here() -> Coroner:
    """The one for this machine."""
    return MacCoroner() if sys.platform == "darwin" else LinuxCoroner()


@dataclass(frozen=True, slots=True)
class LinuxCoroner:
    """`Coroner` of Linux."""

    root: Path = Path("/")
    run: Run = run

    def memory_kills(self) -> int:
        """The `oom_kill` count of our control group, of either version; 0 where nobody counts."""
        counts = [
            stat_of(folder / name).get("oom_kill", 0)
            for folder, version in group_folders(self.root)[:2]
            for name in ("memory.events" if version == 2 else "memory.oom_control",)
        ]
        return max(counts, default=0)

    def look(self, gone: Gone) -> Traces:
        """The kernel's log (where we may read it), how tight memory was, who held most."""
        lines = [
            line
            for line in self.run(("dmesg",)).splitlines()
            if (found := _KILLED.search(line)) and int(found.group(1)) == gone.pid
        ]
        return Traces(
            kernel=lines[-1].strip() if lines else "",
            largest=largest_now(),
            stall_percent=LinuxMemory(self.root).stall_percent(),
        )


@dataclass(frozen=True, slots=True)
class MacCoroner:
    """`Coroner` of macOS. `label` names a launchd job, such as `gui/501/com.example.mlx`."""

    root: Path = Path("/")
    home: Path = field(default_factory=Path.home)
    run: Run = run
    label: str = ""

    def memory_kills(self) -> int:
        """It has no such count."""
        return 0

    def look(self, gone: Gone) -> Traces:
        """The newest reports that can be about it, and launchd's word where it owns the job."""
        said = self.run(("launchctl", "print", self.label)) if self.label else ""
        reason = launchd_reason(said)
        for report in self._reports(gone.since):
            if found := _killed_in(report, gone.pid):
                largest = str(found[1].get("largestProcess", ""))
                return Traces(found[0], report.name, launchd=reason, largest=largest)
        return Traces(launchd=reason)

    def _reports(self, since: float) -> list[Path]:
        """Reports younger than the process, the newest first."""
        folders = (self.root / REPORTS, self.home / REPORTS)
        found = [path for folder in folders for path in folder.glob("JetsamEvent-*.ips")]
        dated = [(path.stat().st_mtime, path) for path in found if path.is_file()]
        young = sorted((one for one in dated if one[0] >= since - CLOCK_SECONDS), reverse=True)
        return [path for _, path in young[:REPORTS_READ_MAX]]


def launchd_reason(said: str) -> str:
    """How a launchd job ended last, from `launchctl print`; empty if it does not say.

    Versions differ: a `last exit reason` (`OS_REASON_JETSAM`), a `last terminating signal`, or only
    a `last exit code`.
    """
    for pattern in (_REASON, _SIGNAL):
        if found := pattern.search(said):
            return found.group(1).strip()
    code = _CODE.search(said)
    return f"exit code {code.group(1)}" if code else ""


def largest_now() -> str:
    """The process that holds most memory, in words; the dead one holds nothing any more."""
    found = holders()
    return (
        f"{found[0].name} (pid {found[0].pid}, {found[0].bytes_now / 1e9:.1f} GB)" if found else ""
    )


def _killed_in(report: Path, pid: int) -> tuple[str, dict[str, Any]] | None:
    """The reason with which a report says that this pid was killed, and the report.

    The file is one line of JSON about the report, then one JSON object: the report. Each process
    that was killed has a `reason` there; the others are listed without one.
    """
    try:
        if report.stat().st_size > REPORT_BYTES_MAX:
            return None
        told = json.loads(report.read_text(encoding="utf-8").partition("\n")[2])
        for process in told["processes"]:
            if process.get("pid") == pid and process.get("reason"):
                return str(process["reason"]), told
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return None
