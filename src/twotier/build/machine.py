"""What this machine has, and what one of its processes holds."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from twotier.supervisor.memory import MemoryNow, group_folders, reader_here, text_of

GROUP_LIMITS = ("memory.max", "memory.high", "memory.limit_in_bytes")


def memory_bytes(root: Path = Path("/")) -> int:
    """All of it, or the tightest limit of a control group: what does not change by itself."""
    limits = [
        int(text)
        for folder, _ in group_folders(root)
        for name in GROUP_LIMITS
        if (text := text_of(folder / name).strip()).isdigit()
    ]
    return min([int(psutil.virtual_memory().total), *limits])


def now() -> MemoryNow:
    """What is free and what the GPU may hold."""
    told = reader_here().look()
    return told or MemoryNow(memory_bytes(), int(psutil.virtual_memory().available))


def gpu_bytes() -> int | None:
    """The most the GPU may pin, where somebody has set it."""
    return now().gpu_limit_bytes or None


def held_bytes(pid: int) -> int:
    """What a process holds now; 0 if it is gone or not ours to look at."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def peak_bytes(pid: int, root: Path = Path("/")) -> int:
    """The most it has held; 0 where the system does not say. Linux does, as `VmHWM` in kB."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = (root / f"proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        for line in text.splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
