"""What the system knows of a death: samples of macOS, files of Linux.

The JetsamEvent report and the words of `launchctl print` are made after public descriptions and
reports of users; no sample here is from a machine of ours.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from twotier.supervisor.traces import (
    Gone,
    LinuxCoroner,
    MacCoroner,
    coroner_here,
    largest_now,
    launchd_reason,
)

STARTED = 1_700_000_000.0
REPORTS = "Library/Logs/DiagnosticReports"
HEAD = {"bug_type": "298", "timestamp": "2026-03-10 04:12:07.00 +0100", "os_version": "macOS 26.3"}
BODY = {
    "product": "Mac15,14",
    "largestProcess": "python3.11",
    "memoryStatus": {"compressorSize": 4186209, "pageSize": 16384},
    "processes": [
        {"pid": 300, "name": "WindowServer", "rpages": 20000, "states": ["active"]},
        {
            "pid": 4711,
            "name": "python3.11",
            "rpages": 8300000,
            "reason": "vm-compressor-space-shortage",
            "states": ["frontmost"],
        },
    ],
}
PRINTED = """\
com.example.mlx-server = {
	state = not running
	program = /usr/local/bin/mlx_lm.server
	runs = 3
	last exit code = 9: Killed
	last terminating signal = Killed: 9
	last exit reason = OS_REASON_JETSAM
}
"""
DMESG = """\
[1.0] Out of memory: Killed process 12 (other) total-vm:1kB, anon-rss:1kB
[2.0] Memory cgroup out of memory: Killed process 4711 (python3) total-vm:9kB, anon-rss:8kB
"""


def report(folder: Path, name: str, text: str, *, at: float = STARTED + 60) -> None:
    """A report of that date."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    os.utime(folder / name, (at, at))


def mac(tmp_path: Path, label: str = "") -> MacCoroner:
    """A Mac with two folders of reports."""
    asked: dict[tuple[str, ...], str] = {("launchctl", "print", "gui/501/x"): PRINTED}
    return MacCoroner(
        tmp_path / "root", tmp_path / "home", lambda command: asked.get(command, ""), label
    )


SAMPLE = f"{json.dumps(HEAD)}\n{json.dumps(BODY, indent=2)}"


@pytest.mark.parametrize("place", ["root", "home"])
def test_a_jetsam_report_that_names_the_pid_is_the_cause(tmp_path: Path, place: str) -> None:
    """Of the system's folder or the user's; what is broken beside it disturbs nobody."""
    folder = tmp_path / place / REPORTS
    report(folder, "JetsamEvent-2026-03-10-041207.ips", SAMPLE)
    report(folder, "JetsamEvent-2026-03-10-041208.ips", "no report at all", at=STARTED + 61)
    found = mac(tmp_path).look(Gone(4711, STARTED))
    assert found.jetsam == "vm-compressor-space-shortage"
    assert found.jetsam_report == "JetsamEvent-2026-03-10-041207.ips"
    assert found.largest == "python3.11"


def test_a_report_of_another_time_or_process_is_not(tmp_path: Path) -> None:
    """An old report may name the same pid, a new one lists everybody who lived on."""
    folder = tmp_path / "root" / REPORTS
    report(folder, "JetsamEvent-old.ips", SAMPLE, at=STARTED - 3600)
    assert mac(tmp_path).look(Gone(4711, STARTED)).jetsam == ""
    report(folder, "JetsamEvent-new.ips", SAMPLE)
    assert mac(tmp_path).look(Gone(300, STARTED)).jetsam == ""
    assert mac(tmp_path).memory_kills() == 0


def test_launchd_knows_how_its_job_ended(tmp_path: Path) -> None:
    """In the words of several versions."""
    assert mac(tmp_path, "gui/501/x").look(Gone(1, STARTED)).launchd == "OS_REASON_JETSAM"
    assert launchd_reason("\tlast terminating signal = Killed: 9\n") == "Killed: 9"
    assert launchd_reason("\tlast exit code = 78: EX_CONFIG\n") == "exit code 78"
    assert launchd_reason("\tlast exit code = (never exited)\n") == ""


def linux(root: Path, said: str = "") -> LinuxCoroner:
    """A Linux made of files."""
    return LinuxCoroner(root, lambda _: said)


@pytest.mark.parametrize(
    ("cgroup", "file", "text"),
    [
        ("0::/user.slice/one\n", "user.slice/one/memory.events", "high 0\noom 3\noom_kill 2\n"),
        (
            "4:memory:/one\n",
            "memory/one/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        ),
    ],
)
def test_the_kernels_own_count_of_memory_kills_is_read(
    tmp_path: Path, cgroup: str, file: str, text: str
) -> None:
    """Control groups of both versions; nothing where nobody counts."""
    assert linux(tmp_path).memory_kills() == 0
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(cgroup)
    path = tmp_path / "sys/fs/cgroup" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert linux(tmp_path).memory_kills() == 2


def test_the_kernels_log_names_the_pid_and_psi_says_how_tight_it_was(tmp_path: Path) -> None:
    """Another process's line is nobody's evidence."""
    (tmp_path / "proc/pressure").mkdir(parents=True)
    stall = "some avg10=9.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=31.50 total=0\n"
    (tmp_path / "proc/pressure/memory").write_text(stall)
    found = linux(tmp_path, DMESG).look(Gone(4711, STARTED))
    assert found.kernel.startswith("[2.0] Memory cgroup out of memory: Killed process 4711")
    assert found.stall_percent == 31.5
    assert linux(tmp_path, DMESG).look(Gone(4712, STARTED)).kernel == ""


def test_this_machine_can_be_asked() -> None:
    """Whatever it is, and whoever holds most."""
    assert coroner_here().memory_kills() >= 0
    assert isinstance(largest_now(), str)
