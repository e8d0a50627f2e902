"""F08: the upstream's connection ends at byte N, for every N; both APIs, by a reset and properly.

What the client sees is the whole answer or an error of its dialect, never half an answer that looks
whole; and every request that reached the frontier is in the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count

import pytest

from tests.faults.crowd import Ask, Seen
from tests.faults.proxy import WHOLE, Plan
from tests.faults.world import SOAK, World, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

STEP = 7 if SOAK else 97
BYTES = 2_100
DIALECTS = ("messages", "chat", "responses")


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One service for all of it."""
    with world(tmp_path_factory.mktemp("cut")) as made:
        yield made


@pytest.mark.parametrize("model", ["frontier", "local"])
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
def test_an_upstream_that_ends_at_byte_n_is_never_a_good_end(
    cut: World, model: str, reset: bool
) -> None:
    """Whole ones in between keep the breaker closed: it is not what is tried here."""
    proxy = cut.before_frontier if model == "frontier" else cut.before_local
    words = count(len(cut.told) + 8)
    asks = []
    for number, at in enumerate(range(1, BYTES, STEP)):
        stream = number % 4 != 3
        broken = Ask(next(words), model, DIALECTS[number % 3], stream)
        asks += [broken, Ask(next(words), model, "chat")]
        proxy.queue(Plan(cut_down=at, reset=reset), WHOLE)
    told = cut.ask(asks, at_once=1)
    seen = Counter(one.seen for one in told[::2])
    assert seen[Seen.LIE] == seen[Seen.BROKEN] == 0, [one for one in told if one.seen is Seen.LIE]
    assert seen[Seen.ERROR] > len(asks) // 8, seen
    assert {one.seen for one in told[1::2]} == {Seen.WHOLE}, [o for o in told[1::2] if o.detail]


def test_nothing_of_it_was_lost(cut: World) -> None:
    """After all of it."""
    cut.nothing_lost()
    assert len(cut.told) > 4 * BYTES // STEP
