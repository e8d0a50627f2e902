"""The memory of a process that is built once and then answers for weeks."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h
ARENAS = 2
YOUNG_OBJECTS_MAX = 10_000
YOUNG_PASSES = 10
OLD_PASSES = 10


def few_arenas() -> None:
    """One heap beside the first for all threads, where the C library gives each its own.

    What a thread frees stays in its arena (mallopt(3), M_ARENA_MAX), and a dozen threads that now
    and then hold a body or a commit keep some 10 MB that nobody uses. Only glibc has it; call it
    before there are threads.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(ARENA_MAX, ARENAS)


def calm_collector() -> None:
    """Look for garbage less often, and never again among what was built at the start.

    A request leaves hardly any cycles behind, but it makes objects, and so it paid for walks over
    every module there is: a seventh of its CPU time. Reference counts free memory as before.

    A full pass walks what came since, a few milliseconds, and is due after ten of the middle ones.
    CPython leaves it out until what is new is a quarter of what the last full pass has left; that
    is nothing after the second one here, and was all the modules without it.
    """
    gc.collect()
    gc.freeze()
    gc.collect()
    gc.set_threshold(YOUNG_OBJECTS_MAX, YOUNG_PASSES, OLD_PASSES)
