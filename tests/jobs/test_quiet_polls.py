"""A day of polls that find nothing: the article's 960,000 tokens, and ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.jobs.making import job
from tests.jobs.workshop import workshop
from tests.tools.sites import looped, site
from tests.watch.places import Shelf
from tests.watch.test_feed import rss
from twotier.domain.job import RunState
from twotier.jobs.database import connect

POLLS = 48


@looped
async def test_48_quiet_polls_ask_no_model_and_leave_one_row_each(tmp_path: Path) -> None:
    """A feed that answers 304, every half hour for a day, through the real scheduler and store.
    The cursor is written once, at the baseline.
    """
    async with site() as here:
        shelf = Shelf(rss([("a", "one"), ("b", "two")]))
        watch: dict[str, Any] = {"kind": "feed", "url": shelf.at(here, "/feed"), "since": None}
        watch |= {"items_max": 50, "item_bytes_max": 1_000}
        news = job(name="news", every_seconds=1_800.0, watch=watch, deliver="log")
        async with workshop(tmp_path, [news]) as shop:
            for count in range(1, POLLS + 1):
                runs = await shop.turn_until(1_800, count)
            assert [run.state for run in runs] == [RunState.QUIET] * POLLS
            assert sum(run.tokens + run.model_calls + run.cost_microusd for run in runs) == 0
            assert shop.main.bodies == []
            assert shelf.served == [200] + [304] * (POLLS - 1)
            shelf.body = rss([("c", "three"), ("a", "one"), ("b", "two")])
            runs = await shop.turn_until(1_800, POLLS + 1)
            assert (runs[-1].state, runs[-1].items) == (RunState.DONE, 1)
            assert len(shop.main.bodies) == 1
    engine = connect(tmp_path / "work.db")
    with engine.connect() as connection:
        counts = {
            table: connection.scalar(sa.text(f"SELECT count(*) FROM {table}"))
            for table in ("runs", "items", "cursors", "answers")
        }
    engine.dispose()
    assert counts == {"runs": POLLS + 1, "items": 1, "cursors": 1, "answers": 1}
