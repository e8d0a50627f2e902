"""F16 and more: the machine takes something away while work goes on, and gives it back.

Descriptors, the disk.
Clients hear of it, nothing spins, nothing is paid for without a row, and with no help from anybody
all is well again.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import psutil
import pytest

from bench.processes import cpu_seconds
from tests.faults.crowd import Ask, Seen
from tests.faults.world import World, world
from tests.story.service import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="a running process's limits, and tmpfs"),
]

MODELS = ("frontier", "local")
IDLE_SECONDS = 4.0
SPIN_SHARE = 0.5  # of a core, while nobody asks for anything
DISK_MEGABYTES = 24


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One service for what needs no disk of its own."""
    with world(tmp_path_factory.mktemp("machine"), pace_seconds=0.005) as one:
        yield one


WORDS = count(30)


def main_of(made: World) -> psutil.Process:
    """The main process."""
    assert made.service.process is not None
    return psutil.Process(made.service.process.pid)


def asked(made: World, number: int) -> Counter[Seen]:
    """So many questions to both tiers in all dialects; what was seen."""
    dialects = ("messages", "chat", "responses")
    asks = [Ask(next(WORDS), MODELS[n % 2], dialects[n % 3], n % 4 > 0) for n in range(number)]
    return Counter(one.seen for one in made.ask(asks))


def well_again(made: World) -> None:
    """Both tiers answer, as often as they are asked."""
    for model in MODELS:
        eventually(partial(whole, made, model), what=f"{model} answers again")
    assert set(asked(made, 12)) == {Seen.WHOLE}


def whole(made: World, model: str) -> bool:
    """One question."""
    return made.ask([Ask(next(WORDS), model)])[0].seen is Seen.WHOLE


def spins_not(process: psutil.Process) -> None:
    """It rests while nobody asks for anything."""
    before = cpu_seconds(process.pid)
    time.sleep(IDLE_SECONDS)
    used = cpu_seconds(process.pid) - before
    assert used < SPIN_SHARE * IDLE_SECONDS, f"{used:.1f} s of CPU in {IDLE_SECONDS:.0f} s"


@contextmanager
def limited(process: psutil.Process, what: int, most: int) -> Iterator[None]:
    """That process has this limit meanwhile."""
    soft, hard = process.rlimit(what)
    process.rlimit(what, (most, hard))
    try:
        yield
    finally:
        process.rlimit(what, (soft, hard))


def test_no_descriptor_left(made: World) -> None:
    """Fewer than a client needs, then none at all: no hang, no spin, no lie, then all is well."""
    assert set(asked(made, 6)) == {Seen.WHOLE}
    process = main_of(made)
    for left in (3, 0):
        with limited(process, resource.RLIMIT_NOFILE, process.num_fds() + left):
            seen = asked(made, 40)
            assert Seen.LIE not in seen, seen
            assert seen[Seen.WHOLE] < 40, seen
            spins_not(process)
        well_again(made)
    made.service.command("status")


def full(made: World) -> None:
    """Errors that name the disk, and nothing is paid for that has no row."""
    with filled(made.service.paths.state):
        eventually(lambda: not whole(made, "frontier"), what="the disk is full")
        refused = made.told[-1]
        assert (refused.seen, refused.status) == (Seen.ERROR, 503), refused
        assert "disk" in refused.detail, refused
        sent = len(made.frontier.bill)
        assert not any(whole(made, "frontier") for _ in range(5))
        assert len(made.frontier.bill) == sent, "sent without a row"
        made.service.command("status")
        spins_not(main_of(made))
    well_again(made)


def test_nothing_of_it_was_lost(made: World) -> None:
    """After all of that."""
    made.nothing_lost()


@contextmanager
def disk_of_its_own(folder: Path) -> Iterator[None]:
    """A small disk for the state, where we may mount one."""
    place = folder / ".twotier"
    place.mkdir(mode=0o700)
    size = f"size={DISK_MEGABYTES}m,mode=700"
    done = run("mount", "-t", "tmpfs", "-o", size, "tmpfs", str(place))
    if done.returncode:
        pytest.skip(f"no disk may be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        run("umount", "-l", str(place))


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A command of the system's."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def filled(place: Path) -> Iterator[None]:
    """Not a byte is left on it."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    try:
        yield
    finally:
        ballast.unlink()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a disk")
def test_a_disk_that_is_full_and_one_that_is_read_only(tmp_path: Path) -> None:
    """A real one, under the real service; the worker's databases lie on it too. Read-only it does
    not start, and says why.
    """
    with disk_of_its_own(tmp_path), world(tmp_path, pace_seconds=0.005) as made:
        assert set(asked(made, 6)) == {Seen.WHOLE}
        full(made)
        made.nothing_lost()
        place = str(made.service.paths.state)
        assert not run("mount", "-o", "remount,ro", place).returncode
        said = made.service.command("up", code=1).stderr
        assert "Read-only" in said or "read-only" in said, said
        assert place in said, said
        assert not run("mount", "-o", "remount,rw", place).returncode
        made.service.up()
        well_again(made)
        made.nothing_lost()
