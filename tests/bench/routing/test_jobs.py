"""The benches over descriptions of jobs and over lengths: what they say of tables made here."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from bench.routing import VARIABLE, SkippedError, jobs, length, rows
from tools import train_kinds
from twotier.router.kinds import KINDS

TABLE = [
    {"kind": "poll", "tier": "local", "trigger": "cron", "every_min": 10, "text": "Any new mail?"},
    {"kind": "poll", "tier": "local", "trigger": "cron", "every_min": 30, "text": "/queue-watch"},
    {"kind": "reason", "tier": "frontier", "trigger": "interactive", "every_min": 0,
     "text": "Prove the lemma and find the flaw in the second argument"},
    {"kind": "bulk_write", "tier": "frontier", "trigger": "cron", "every_min": 10_080,
     "text": "Write the long weekly article, 3000 words"},
]  # fmt: skip


def test_the_product_decides_and_the_blind_stand_beside_it() -> None:
    one, trigger, *_ = jobs.tables(TABLE)
    assert "right 1.000" in one.seen
    assert "frontier jobs sent there 1.000" in one.seen
    assert "shuffled" in one.seen
    assert "right 1.000" in trigger.seen  # here the schedule tells all


def test_without_a_table_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(SkippedError, match=VARIABLE):
        rows(jobs.TABLE)


def test_every_text_is_left_out_once_to_judge_strangers() -> None:
    grouped = sorted(file for group in train_kinds.GROUPS for file in group)
    assert grouped == sorted({one.file for one in train_kinds.texts()})
    assert {one.kind for one in train_kinds.texts()} == set(range(len(KINDS)))


def test_misses_of_deadlines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that are short are never late; the rates are those that are assumed."""
    table = [
        {"source": source, "prompt": f"{what} {n}", column: tokens + n}
        for source, column in length.MODELS.items()
        for n in range(20)
        for what, tokens in (("Summarise this", 100), ("Write a 3000 word article about", 700))
    ]
    lines = "\n".join(map(json.dumps, table))
    (tmp_path / length.TABLE).write_bytes(gzip.compress(lines.encode()))
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    found = {one.name: one.seen for one in length.figures()}
    assert found["length, arena_hard_v01: misses of 60 s"].startswith("0.000")
    assert found["length, arena_hard_v2: Spearman"].startswith("0.")
    assert (length.decode(100), length.decode(8_000), length.decode(90_000)) == (50.0, 32.0, 25.0)
    assert 32.0 < length.decode(4_000) < 50.0
