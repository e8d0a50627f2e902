"""The readers of memory: Linux from files under a root of the test, macOS from samples.

The samples of macOS are written from the documented output of its commands; nothing here has run on
Apple hardware.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from twotier.supervisor.memory import LinuxMemory, MacMemory, MemoryNow, reader_here, run
from twotier.supervisor.pressure import Pressure

GB = 1024**3
MEMINFO = f"""\
MemTotal:       {24 * GB // 1024} kB
MemFree:         1048576 kB
MemAvailable:   {12 * GB // 1024} kB
SwapTotal:       2097152 kB
SwapFree:        1048576 kB
HugePages_Total:       0
"""
SYSCTL = """\
hw.memsize: 274877906944
kern.memorystatus_vm_pressure_level: 2
vm.swapusage: total = 2048.00M  used = 1014.25M  free = 1033.75M  (encrypted)
iogpu.wired_limit_mb: 0
"""
VM_STAT = """\
Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                             1000000.
Pages active:                           4000000.
Pages inactive:                         3900000.
Pages speculative:                        50000.
Pages throttled:                              0.
Pages wired down:                       7500000.
Pages purgeable:                         100000.
"Translation faults":                1234567890.
Pages copy-on-write:                   12345678.
File-backed pages:                      3000000.
Anonymous pages:                        4950000.
Pages stored in compressor:              300000.
Pages occupied by compressor:            150000.
"""
PRESSURE = """\
The system has 274877906944 (16777216 pages with a page size of 16384).
System-wide memory free percentage: 42%
"""


def write(root: Path, files: Mapping[str, str]) -> Path:
    """A machine made of files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def look(root: Path) -> MemoryNow:
    now = LinuxMemory(root).look()
    assert now is not None
    return now


def test_a_plain_linux_machine_says_what_is_available(tmp_path: Path) -> None:
    now = look(write(tmp_path, {"proc/meminfo": MEMINFO}))
    assert (now.total_bytes, now.free_bytes) == (24 * GB, 12 * GB)
    assert now.swap_used_bytes == GB
    assert now.bound_by == "this machine"
    assert now.pressure is Pressure.NORMAL


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [
        (
            "0::/system.slice/twotier.service\n",
            {
                "sys/fs/cgroup/system.slice/twotier.service/memory.max": "max\n",
                "sys/fs/cgroup/system.slice/twotier.service/memory.current": f"{3 * GB}\n",
                "sys/fs/cgroup/system.slice/memory.max": f"{8 * GB}\n",
                "sys/fs/cgroup/system.slice/memory.high": f"{6 * GB}\n",
                "sys/fs/cgroup/system.slice/memory.current": f"{5 * GB}\n",
                "sys/fs/cgroup/system.slice/memory.stat": f"anon 1\ninactive_file {GB}\n",
            },
        ),
        (
            "7:cpu:/x\n4:memory:/not/inside/this/container\n",
            {
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{6 * GB}\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{5 * GB}\n",
                "sys/fs/cgroup/memory/memory.stat": f"total_inactive_file {GB}\n",
            },
        ),
    ],
)
def test_the_tightest_control_group_sets_the_limit(
    tmp_path: Path, cgroup: str, files: dict[str, str]
) -> None:
    """Of both versions; `memory.high` counts, and caches of files can be had back."""
    machine = {"proc/meminfo": MEMINFO, "proc/self/cgroup": cgroup}
    now = look(write(tmp_path, machine | files))
    assert (now.total_bytes, now.free_bytes) == (6 * GB, 2 * GB)
    assert now.bound_by.startswith("the control group")


def test_no_limit_of_version_one_is_a_number_and_counts_as_none(tmp_path: Path) -> None:
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "4:memory:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "5\n",
    }
    assert look(write(tmp_path, files)).free_bytes == 12 * GB


def test_waiting_for_memory_where_little_is_left_is_pressure(tmp_path: Path) -> None:
    """Pressure stall information of the kernel."""
    tight = MEMINFO.replace(str(12 * GB // 1024), str(2 * GB // 1024))
    stall = "some avg10=40.00 avg60=1 avg300=0 total=9\nfull avg10=26.50 avg60=0 avg300=0 total=1\n"
    root = write(tmp_path, {"proc/meminfo": tight, "proc/pressure/memory": stall})
    assert LinuxMemory(root).stall_percent() == 26.5
    assert LinuxMemory(root).pressure() is Pressure.CRITICAL


def test_a_machine_that_says_nothing_is_unknown(tmp_path: Path) -> None:
    """Unknown is not zero: nobody is refused for it."""
    assert LinuxMemory(tmp_path).look() is None
    assert LinuxMemory(tmp_path).pressure() is Pressure.NORMAL


def mac(answers: Mapping[str, str]) -> MacMemory:
    """A Mac that answers its commands by their first word."""
    return MacMemory(lambda command: answers.get(command[0], ""))


def test_macos_tells_it_in_words() -> None:
    """Taken are anonymous, wired and compressed pages; a purgeable page is not."""
    now = mac({"sysctl": SYSCTL, "vm_stat": VM_STAT}).look()
    assert now is not None
    page = 16384
    assert now.total_bytes == 274877906944
    assert now.free_bytes == now.total_bytes - (7500000 + 4950000 + 150000 - 100000) * page
    assert now.wired_bytes == 7500000 * page
    assert now.pressure is Pressure.WARN
    assert now.swap_used_bytes == int(1014.25 * 1024**2)
    assert now.gpu_limit_bytes == 0


def test_macos_with_a_limit_for_the_gpu_and_an_unknown_vm_stat() -> None:
    """A later version may say it otherwise; then the system's own percentage is taken."""
    told = SYSCTL.replace("wired_limit_mb: 0", "wired_limit_mb: 230000")
    answers = {"sysctl": told, "vm_stat": "Statistik", "memory_pressure": PRESSURE}
    now = mac(answers).look()
    assert now is not None
    assert now.free_bytes == 274877906944 * 42 // 100
    assert now.gpu_limit_bytes == 230000 * 1024**2
    assert mac({"sysctl": told}).look() is None
    assert mac({}).look() is None


@pytest.mark.parametrize(
    ("said", "pressure"),
    [("1", Pressure.NORMAL), ("2", Pressure.WARN), ("4", Pressure.CRITICAL), ("", Pressure.NORMAL)],
)
def test_macos_says_itself_how_tight_it_is(said: str, pressure: Pressure) -> None:
    assert mac({"sysctl": said + "\n"}).pressure() is pressure


def test_this_very_machine_can_be_read() -> None:
    """Whatever it is; and who holds most comes first."""
    reader = reader_here()
    now = reader.look()
    assert now is not None
    assert 0 <= now.free_bytes <= now.total_bytes
    held = [one.bytes_now for one in reader.holders()]
    assert held == sorted(held, reverse=True)


def test_a_command_that_is_not_there_says_nothing() -> None:
    assert run(("twotier-no-such-command",)) == ""
    assert run((sys.executable, "-c", "print('yes')")) == "yes\n"
