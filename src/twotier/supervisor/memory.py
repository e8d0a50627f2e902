"""How much memory there is, how tight it is, and who holds most of it.

Two readers behind one Protocol, because the two systems tell it in different places: Linux in files
(`/proc`, control groups of both versions, pressure stall information), macOS in the words of
`sysctl`, `vm_stat` and `memory_pressure`. Files lie under a root that is handed in, commands go
through a runner that is handed in, so any machine can be played. All of it blocks for milliseconds:
call it in a thread.

What "free" means: bytes a new process can have without anybody being killed or swapped out. Caches
of files count as free, a limit of a control group counts where it is tighter than the machine.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from twotier.supervisor.pressure import Pressure, pressure_of

RUN_SECONDS_MAX = 2.0
HOLDER_BYTES_MIN = 256 * 1024 * 1024
UNLIMITED_BYTES = 1 << 60  # version 1 says "no limit" with a number near 2**63
_SYSCTL = (
    "hw.memsize",
    "kern.memorystatus_vm_pressure_level",
    "vm.swapusage",
    "iogpu.wired_limit_mb",
)
_PAGE = re.compile(r"page size of (\d+) bytes")
_PAGES = re.compile(r"^\"?([^:\"\n]++)\"?:[ \t]++(\d++)\.?[ \t\r]*+$", re.MULTILINE)
_USED = re.compile(r"used = ([\d.]+)([KMG])")
_PERCENT = re.compile(r"free percentage:\s*(\d+)%")
_UNIT = {"K": 1024, "M": 1024**2, "G": 1024**3}

Run = Callable[[tuple[str, ...]], str]


@dataclass(frozen=True, slots=True)
class MemoryNow:
    """One look. `bound_by` names what sets the limit: the machine, or a control group.

    `wired_bytes` is what the system may neither move nor swap (macOS; a model on the GPU is wired).
    `gpu_limit_bytes` is the most the GPU may wire where somebody set it, 0 for the system's own.
    """

    total_bytes: int
    free_bytes: int
    pressure: Pressure = Pressure.NORMAL
    wired_bytes: int = 0
    swap_used_bytes: int = 0
    gpu_limit_bytes: int = 0
    bound_by: str = "this machine"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process, and what it holds."""

    name: str
    pid: int
    bytes_now: int


class MemoryReader(Protocol):
    """Looks at this machine's memory."""

    def look(self) -> MemoryNow | None:
        """All of it; None where it cannot be told, and then nobody may be refused for it."""
        ...

    def pressure(self) -> Pressure:
        """Only how tight it is: asked every few seconds, so it is cheap."""
        ...

    def holders(self) -> list[Holder]:
        """The largest processes, the largest first."""
        ...


def run(command: tuple[str, ...]) -> str:
    """What a command of the system prints; nothing if it fails or takes too long."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def reader_here() -> MemoryReader:
    """The reader for this machine."""
    return MacMemory() if sys.platform == "darwin" else LinuxMemory()


def holders() -> list[Holder]:
    """Who holds most, the largest first. Other users' processes may be hidden from us."""
    found = []
    for process in psutil.process_iter(("pid", "name", "memory_info")):
        told = process.info
        held = told["memory_info"].rss if told["memory_info"] else 0
        if held >= HOLDER_BYTES_MIN:
            found.append(Holder(told["name"] or "?", told["pid"], held))
    return sorted(found, key=lambda one: one.bytes_now, reverse=True)


class LinuxMemory:
    """`MemoryReader` of `/proc`, control groups (both versions) and pressure stall information."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def look(self) -> MemoryNow | None:
        """The machine, or the tightest control group above us."""
        told = self._meminfo()
        if "MemTotal" not in told or "MemAvailable" not in told:
            return None
        total, free, bound_by = told["MemTotal"], told["MemAvailable"], "this machine"
        for limit, left, name in self._groups():
            if left < free:
                total, free, bound_by = min(limit, total), left, f"the control group {name}"
        swap = told.get("SwapTotal", 0) - told.get("SwapFree", 0)
        pressure = pressure_of(free, total, stall_percent=self.stall_percent())
        return MemoryNow(total, max(0, free), pressure, swap_used_bytes=swap, bound_by=bound_by)

    def pressure(self) -> Pressure:
        """A handful of small files."""
        now = self.look()
        return now.pressure if now else Pressure.NORMAL

    def holders(self) -> list[Holder]:
        """The largest processes of this machine."""
        return holders()

    def stall_percent(self) -> float:
        """The share of the last ten seconds in which everything waited for memory; 0 if untold."""
        for line in text_of(self._root / "proc/pressure/memory").splitlines():
            kind, *pairs = line.split()
            figures = dict(pair.split("=", 1) for pair in pairs)
            if kind == "full" and "avg10" in figures:
                return float(figures["avg10"])
        return 0.0

    def _meminfo(self) -> dict[str, int]:
        found = {}
        for line in text_of(self._root / "proc/meminfo").splitlines():
            name, _, rest = line.partition(":")
            words = rest.split()
            if words and words[0].isdigit():
                found[name] = int(words[0]) * 1024
        return found

    def _groups(self) -> Iterator[tuple[int, int, str]]:
        """Limit, bytes left and name of each control group above us that has a limit."""
        for folder, version in group_folders(self._root):
            names = _FILES[version]
            limits = [_number(folder / name) for name in names.limits]
            limit = min((one for one in limits if one is not None), default=UNLIMITED_BYTES)
            used = _number(folder / names.used)
            if used is None or limit >= UNLIMITED_BYTES:
                continue
            cached = stat_of(folder / "memory.stat").get(names.cached, 0)
            yield limit, limit - max(0, used - cached), folder.name or "/"


@dataclass(frozen=True, slots=True)
class _GroupFiles:
    limits: tuple[str, ...]
    used: str
    cached: str


_FILES = {
    2: _GroupFiles(("memory.max", "memory.high"), "memory.current", "inactive_file"),
    1: _GroupFiles(("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file"),
}


def group_folders(root: Path = Path("/")) -> list[tuple[Path, int]]:
    """The folders of our control group and of those above it, with the version they speak.

    In a container the path that `/proc` tells is often the host's and is not there; then the root
    of the mount is our own group.
    """
    found: list[tuple[Path, int]] = []
    for line in text_of(root / "proc/self/cgroup").splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0":
            mount, version = root / "sys/fs/cgroup", 2
        elif "memory" in controllers.split(","):
            mount, version = root / "sys/fs/cgroup/memory", 1
        else:
            continue
        own = mount / path.lstrip("/")
        if not own.is_dir():
            own = mount
        above = [own, *(up for up in own.parents if up.is_relative_to(mount))]
        found += [(folder, version) for folder in above if folder.is_dir()]
    return found


def stat_of(path: Path) -> dict[str, int]:
    """A file of lines `name number`."""
    pairs = (line.split() for line in text_of(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def text_of(path: Path) -> str:
    """A small file of the system's; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    """A file that holds one number; `max` is none."""
    text = text_of(path).strip()
    return int(text) if text.isdigit() else None


class MacMemory:
    """`MemoryReader` of macOS, in the words of its own commands. Not yet run on Apple hardware.

    Written from the documented output of the commands and tested with samples of that form.
    """

    def __init__(self, run: Run = run) -> None:
        self._run = run

    def look(self) -> MemoryNow | None:
        """What `sysctl` and `vm_stat` say; `memory_pressure` where `vm_stat` is not understood."""
        told = self._sysctl()
        if not (total := _integer(told, "hw.memsize")):
            return None
        pages = self._pages()
        if pages:
            free = total - pages["taken"]
        else:
            found = _PERCENT.search(self._run(("memory_pressure", "-Q")))
            free = total * int(found.group(1)) // 100 if found else 0
            if not found:
                return None
        swap = _USED.search(told.get("vm.swapusage", ""))
        return MemoryNow(
            total_bytes=total,
            free_bytes=max(0, free),
            pressure=_level(told.get("kern.memorystatus_vm_pressure_level", "")),
            wired_bytes=pages.get("wired", 0),
            swap_used_bytes=int(float(swap.group(1)) * _UNIT[swap.group(2)]) if swap else 0,
            gpu_limit_bytes=_integer(told, "iogpu.wired_limit_mb") * 1024**2,
        )

    def pressure(self) -> Pressure:
        """The kernel's own verdict: 1 normal, 2 warn, 4 critical."""
        return _level(self._run(("sysctl", "-n", "kern.memorystatus_vm_pressure_level")).strip())

    def holders(self) -> list[Holder]:
        """The largest processes of this machine."""
        return holders()

    def _sysctl(self) -> dict[str, str]:
        """Name and value; a name this version does not know is left out."""
        lines = self._run(("sysctl", *_SYSCTL)).splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def _pages(self) -> dict[str, int]:
        """Bytes that are taken (neither free nor a cache), and those that are wired."""
        said = self._run(("vm_stat",))
        size = _PAGE.search(said)
        told = {name.strip(): int(count) for name, count in _PAGES.findall(said)}
        needed = ("Pages wired down", "Anonymous pages", "Pages occupied by compressor")
        if size is None or any(name not in told for name in needed):
            return {}
        taken = sum(told[name] for name in needed) - told.get("Pages purgeable", 0)
        page = int(size.group(1))
        return {"taken": max(0, taken) * page, "wired": told["Pages wired down"] * page}


def _integer(told: dict[str, str], name: str) -> int:
    value = told.get(name, "")
    return int(value) if value.isdigit() else 0


def _level(value: str) -> Pressure:
    """The kernel's number; what it does not say is normal."""
    known = {"2": Pressure.WARN, "4": Pressure.CRITICAL}
    return known.get(value, Pressure.NORMAL)
