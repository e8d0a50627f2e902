"""The statistics of routing benches, on tables small enough to be done by hand."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest

from bench import routing
from bench.routing.stats import (
    Outcomes,
    auc,
    bootstrap,
    folds,
    leave_out,
    oracle,
    percentile,
    ranked,
    ranks_of,
    score,
    share_for,
    shuffled,
    spearman,
)

FOUR = Outcomes(strong=(1, 1, 1, 0), weak=(0, 1, 0, 1))


def test_who_sends_the_right_rows_is_the_oracle() -> None:
    seen = score(FOUR, (1, 0, 1, 0), times=50)
    assert seen.quality.value == seen.oracle == 1.0
    assert (seen.strong, seen.weak, seen.share.value, seen.spent) == (0.75, 0.5, 0.5, 0.5)
    assert seen.of_strong.value == pytest.approx(4 / 3)
    assert seen.shuffled < 1.0
    assert "of the frontier's" in str(seen)


def test_the_oracle_sends_nobody_who_would_not_gain() -> None:
    assert oracle(FOUR, 1.0) == [1.0, 0.0, 1.0, 0.0]
    assert oracle(FOUR, 0.25) == [1.0, 0.0, 0.0, 0.0]


def test_the_control_spends_what_the_policy_spends() -> None:
    dear = Outcomes(strong=(1, 1, 1, 1), weak=(0, 0, 0, 0), costs=(3, 1, 1, 1))
    # The dear one alone: blindly the same money buys one row, or three.
    assert {round(one, 2) for one in shuffled(dear, (1, 0, 0, 0), times=60)} <= {
        round(value, 2) for value in (0.25, 1 / 4 * (1 + 2 / 3), 1 / 4 * (2 + 1 / 3), 0.75)
    }
    assert shuffled(dear, (0, 0, 0, 0), times=3) == [0.0, 0.0, 0.0]


def test_an_interval_holds_its_figure_and_is_the_same_each_time() -> None:
    values = [0.0, 1.0] * 20
    one, again = (
        bootstrap([lambda rows: sum(values[row] for row in rows) / len(rows)], 40, times=200)
        for _ in range(2)
    )
    assert one == again
    assert one[0].low < one[0].value == 0.5 < one[0].high


def test_the_highest_need_goes_first() -> None:
    assert ranked(FOUR, (0.9, 0.1, 0.8, 0.2), 0.5) == [1.0, 0.0, 1.0, 0.0]
    assert share_for(FOUR, (0.9, 0.1, 0.8, 0.2), 1.0) == 0.25
    assert share_for(Outcomes((1, 1), (0, 0)), (1, 0), 1.1) == 1.0


def test_each_row_is_asked_once_by_who_did_not_learn_it() -> None:
    asked: list[int] = []
    for split in folds(11, 3, seed=4):
        assert not set(split.ask) & set(split.learn)
        asked += split.ask
    assert sorted(asked) == list(range(11))
    names = [(split.name, split.learn, split.ask) for split in leave_out("aba")]
    assert names == [("a", [1], [0, 2]), ("b", [0, 2], [1])]


def test_rankings() -> None:
    assert ranks_of((3, 1, 3)) == [2.5, 1.0, 2.5]
    assert auc((True, False, True), (3, 1, 2)) == 1.0
    assert math.isnan(auc((True, True), (1, 2)))
    assert spearman((1, 2, 3), (30, 20, 10)) == pytest.approx(-1)
    assert percentile((0.0, 1.0), 0.25) == 0.25


def test_a_table_that_is_not_there_is_skipped_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(routing.VARIABLE, raising=False)
    with pytest.raises(routing.SkippedError, match="set TWOTIER_ROUTING_DATA"):
        routing.rows("some.jsonl.gz")
    monkeypatch.setenv(routing.VARIABLE, str(tmp_path))
    with pytest.raises(routing.SkippedError, match=r"there is no some.jsonl.gz"):
        routing.rows("some.jsonl.gz")
    (tmp_path / "some.jsonl.gz").write_bytes(gzip.compress(b'{"id": 1}\n\n{"id": 2}\n'))
    (tmp_path / "plain.jsonl").write_bytes(b'{"id": 3}\n')
    assert routing.rows("some.jsonl.gz") == [{"id": 1}, {"id": 2}]
    assert routing.rows("plain.jsonl") == [{"id": 3}]
