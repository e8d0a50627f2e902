"""F15: hundreds of requests at once against a cap that holds twenty: not one more goes out."""

from __future__ import annotations

from collections import Counter
from itertools import count
from pathlib import Path

import pytest

from tests.faults.crowd import Ask, Seen
from tests.faults.invariant import paid_rows
from tests.faults.world import SOAK, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Less than all of it costs, so that some must be refused however slowly they come.
LIMIT_USD = 2.1 if SOAK else 0.25
CAP = f"""
[[budgets]]
period = "day"
alert_usd = 0.1
limit_usd = {LIMIT_USD}
at_limit = "local-only"
"""
REQUESTS = 500 if SOAK else 150


def test_no_race_passes_a_cap(tmp_path: Path) -> None:
    """Each reserves some 10 cents, and what is spent and reserved never exceeds the limit."""
    words = count(8)
    with world(tmp_path, CAP, pace_seconds=0.005) as made:
        told = made.ask([Ask(next(words), dialect="chat") for _ in range(REQUESTS)], at_once=100)
        seen = Counter((one.seen, one.status) for one in told)
        assert set(seen) == {(Seen.WHOLE, 200), (Seen.ERROR, 402)}, seen
        asked = len(made.frontier.bill)
        assert 0 < asked == seen[Seen.WHOLE, 200] < REQUESTS
        free = made.ask([Ask(9, "local")])
        assert free[0].seen is Seen.WHOLE
        made.nothing_lost()
        spent = sum(row.cost_microusd for row in paid_rows(made.service.paths.ledger))
        assert spent == made.frontier.billed_microusd <= LIMIT_USD * 1e6
