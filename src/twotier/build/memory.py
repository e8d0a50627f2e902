"""The garbage collector of a process that is built once and then answers for weeks."""

from __future__ import annotations

import gc

YOUNG_OBJECTS_MAX = 10_000
YOUNG_PASSES = 10
OLD_PASSES = 10


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
