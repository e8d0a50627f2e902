"""`twotier budget`: where each budget stands, and the word of a person about the clock."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from tests.cli.standin import STATUS, Done, standin, twotier
from tests.ledger.toys import NOON
from twotier.cli.budgets import ahead, budget_lines
from twotier.clock import SystemClock

(DAY,) = STATUS["budgets"]


def run(folder: Path, *words: str, budgets: list[dict[str, object]]) -> tuple[Done, str, str]:
    """One command beside a main; what it printed, and what it asked."""

    async def scenario() -> tuple[Done, str, str]:
        async with standin(folder) as stand:
            told = {**STATUS, "budgets": budgets}
            stand.answers["GET /control/status"] = (200, told)
            stand.answers["POST /control/budgets/settle-clock"] = (200, {"budgets": budgets})
            done = await twotier("--config", str(stand.config), "budget", *words)
            return done, *stand.asked[-1][:2]

    return asyncio.run(scenario())


def test_the_list_shows_each_budget_or_says_how_to_have_one(tmp_path: Path) -> None:
    done, _, path = run(tmp_path, "list", budgets=[DAY])
    assert (done.code, path) == (0, "/control/status")
    assert done.out.startswith("budget day: $1.2345 spent, $0.1")
    assert "no budgets; [[budgets]]" in run(tmp_path, "list", budgets=[])[0].out
    assert run(tmp_path, "list", "--json", budgets=[DAY])[0].document["budgets"] == [DAY]


def test_the_word_about_the_clock_goes_to_main(tmp_path: Path) -> None:
    done, method, path = run(tmp_path, "settle-clock", budgets=[DAY])
    assert (done.code, method, path) == (0, "POST", "/control/budgets/settle-clock")
    assert "budget day" in done.out


def test_a_ledger_ahead_of_the_clock_is_told_with_the_way_out() -> None:
    """A step of an hour or less mends itself, and is nobody's trouble."""
    soon, far = NOON + timedelta(minutes=30), NOON + timedelta(days=300)
    assert not ahead({**DAY, "ledger_time": soon.isoformat()}, NOON)
    assert ahead({**DAY, "ledger_time": far.isoformat()}, NOON)
    later = SystemClock().now() + timedelta(days=300)
    *_, last = budget_lines([{**DAY, "ledger_time": later.isoformat()}])
    assert "`twotier budget settle-clock`" in last
