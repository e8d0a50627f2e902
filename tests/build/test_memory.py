"""The collector of a process that answers for weeks: what has died is let go in the end."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from twotier.build.memory import ARENAS, OLD_PASSES, YOUNG_OBJECTS_MAX, YOUNG_PASSES, calm_collector


class Loop:
    """Something that holds itself, as a connection and its parser do."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture
def calm() -> Iterator[None]:
    """The collector as main has it; afterwards as it was."""
    before = gc.get_threshold()
    calm_collector()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


THREADS = """
import ctypes
import threading

from twotier.build.memory import few_arenas

few_arenas()
together = threading.Barrier(13)


def hold() -> None:
    kept = [bytes(100_000) for _ in range(10)]
    together.wait()
    together.wait()
    del kept


threads = [threading.Thread(target=hold) for _ in range(12)]
for one in threads:
    one.start()
together.wait()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
where = ctypes.c_void_p(libc.fopen(b"arenas.xml", b"w"))
libc.malloc_info(0, where)
libc.fclose(where)
together.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has arenas")
def test_a_dozen_threads_share_two_heaps(tmp_path: Path) -> None:
    """Asked of the C library itself, while all of them hold something."""
    subprocess.run([sys.executable, "-c", THREADS], cwd=tmp_path, check=True)
    told = (tmp_path / "arenas.xml").read_text(encoding="utf-8")
    assert told.count("<heap nr=") == ARENAS


@pytest.mark.slow
@pytest.mark.usefixtures("calm")
def test_what_grew_old_before_it_died_is_let_go() -> None:
    """A request that was under way while young and middle passes went by leaves its cycles among
    the old: they go with the full pass that is due, however much was there at the start.
    """
    old = Loop()
    gc.collect(1)  # it is old now
    alive = weakref.ref(old)
    del old
    gc.collect(1)
    assert alive() is not None
    for _ in range((YOUNG_PASSES + 2) * (OLD_PASSES + 2)):
        _ = [set[int]() for _ in range(YOUNG_OBJECTS_MAX + 100)]
    assert alive() is None
