"""The collector of a process that answers for weeks: what has died is let go in the end."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from twotier.build.memory import OLD_PASSES, YOUNG_OBJECTS_MAX, YOUNG_PASSES, calm_collector


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
