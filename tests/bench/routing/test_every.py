"""Without tables each figure says so; with some, the policy is twotier's own code."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from bench import routing
from bench.routing import every, reason, swe
from bench.routing.stats import Outcomes, folds


def test_without_tables_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(routing.VARIABLE, raising=False)
    seen = [one.seen for one in every.figures()]
    assert len(seen) == len(every.MODULES)
    assert all(one.startswith("not measured: set TWOTIER_ROUTING_DATA") for one in seen)


def test_two_that_agree_are_kept_and_the_rest_goes_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {
            "id": number,
            "source": "ab"[number % 2],
            "prompt": f"What is {number} and {number}?",
            "sonnet35_ok": 1,
            "llama31_70b_ok": number % 4 // 3,
            "agree_llama31_70b_qwen2_72b": number % 4 // 3,
        }
        for number in range(40)
    ]
    raw = "\n".join(map(json.dumps, rows)).encode()
    (tmp_path / reason.TABLE).write_bytes(gzip.compress(raw))
    monkeypatch.setenv(routing.VARIABLE, str(tmp_path))
    first = next(reason.figures())
    assert first.seen.startswith("quality 1.000 [1.000, 1.000], 100.0%")
    assert "at 75.0% of its calls" in first.seen


def test_the_guard_learns_from_other_rows_alone() -> None:
    """Long runs that end badly are handed over; where most of them end well they go on."""
    pair = swe.PAIRS[0]
    table = [{"m2_calls": 10 + row % 9, "m2_ok": 1} for row in range(60)]
    table += [{"m2_calls": 60 + row, "m2_ok": 0} for row in range(6)]
    gone = swe.handed_over(pair, table, splits=list(folds(len(table))))
    assert 1 <= sum(gone) <= 6
    assert not any(gone[:60])
    good = [row | {"m2_ok": 1} for row in table]
    assert not any(swe.handed_over(pair, good, splits=list(folds(len(good)))))


def test_the_played_verifier_has_the_stated_rates() -> None:
    outcomes = Outcomes([1.0] * 2_000, [0.0] * 1_000 + [1.0] * 1_000)
    sent = swe.escalated(outcomes, [False] * 2_000, seed=3)
    assert sum(sent[:1_000]) / 1_000 == pytest.approx(swe.CATCHES, abs=0.05)
    assert sum(sent[1_000:]) / 1_000 == pytest.approx(swe.CRIES, abs=0.05)
