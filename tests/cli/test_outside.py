"""What did not come through twotier, as people read it; the provider's bill against ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from twotier.cli import outside
from twotier.cli.outside import imported, outside_lines, reconciled
from twotier.cli.outside_words import reconcile
from twotier.errors import UsageError

CSV = (
    "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd\n"
    "2026-03-10,Claude Opus 4.6,Default,key,message,≤ 200k,output,1.50\n"
)
SIDE = {"tokens": {"input": 1_000, "output": 500}, "cost_usd": "1.000000", "priced": True}
UNSEEN = {"tokens": None, "cost_usd": "0.000000", "priced": False}
DAY = {
    "day": "2026-03-10",
    "known": True,
    "ours_usd": "1.000000",
    "theirs_usd": "4.500000",
    "difference_usd": "3.500000",
    "in_logs_usd": "1.000000",
    "provider_only_usd": "2.500000",
}
COMPARED: dict[str, Any] = {
    "known_days": 1,
    "agree": False,
    "rows": [
        {
            "day": "2026-03-10",
            "model": "claude-opus-4-6",
            "only": "",
            "ours": SIDE,
            "theirs": SIDE,
            "difference_usd": "0.000000",
        },
        {
            "day": "2026-03-10",
            "model": "claude-next",
            "only": "theirs",
            "ours": None,
            "theirs": UNSEEN,
            "difference_usd": "0.000000",
        },
        {
            "day": "2026-03-10",
            "model": "claude-haiku-4-5",
            "only": "ours",
            "ours": SIDE,
            "theirs": None,
            "difference_usd": "-1.000000",
        },
    ],
    "by_day": [DAY, {**DAY, "day": "2026-03-11", "known": False, "in_logs_usd": "0.000000"}],
    "total": {"difference_usd": "3.500000", "outside_usd": "3.500000"},
}


class Main:
    """Answers with one document, and keeps what it was asked."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.asked: list[Any] = []

    def get(self, *asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        return self.told

    def post(self, *asked: Any, seconds: float) -> dict[str, Any]:
        self.asked.append((*asked, seconds))
        return self.told


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Main:
    found = Main(COMPARED)
    monkeypatch.setattr(outside, "main_of", lambda _: found)
    return found


def test_a_sentence_for_what_was_found_and_none_for_nothing() -> None:
    told = {
        "outside_usd": "3.250000",
        "logs": [
            {"source": "claude_code", "cost_usd": "3.000000", "answers": 41, "unpriced": 2},
            {"source": "other", "cost_usd": "0.000000", "answers": 1, "unpriced": 0},
        ],
        "provider_only_usd": "0.250000",
        "unpriced_models": ["anthropic/claude-next"],
        "because": {"admin": "it refuses the key"},
    }
    first, second, third = outside_lines(told)
    assert first.startswith(
        "not through twotier: $3.25 (Claude Code $3.00, 41 answers; other $0.00"
    )
    assert "$0.25 that only the provider's sum knows" in first
    assert "2 of these answers have no known price" in second
    assert "`twotier prices set anthropic/claude-next" in second
    assert third == "  the provider: it refuses the key"
    nothing = {"outside_usd": "0.000000", "logs": [], "provider_only_usd": "0.000000"}
    assert list(outside_lines({**nothing, "unpriced_models": [], "because": {}})) == []
    assert list(outside_lines(None)) == []


def test_rows_of_a_file_are_handed_to_main(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main.told = {"rows": 1, "days": ["2026-03-10"]}
    file = tmp_path / "cost.csv"
    file.write_text(CSV, encoding="utf-8")
    assert imported(tmp_path, file, as_json=False) == 0
    assert "1 rows of 1 days" in capsys.readouterr().err
    (path, body, _), *_ = main.asked
    assert path == "/control/bills"
    assert [row["cost_microusd"] for row in body["rows"]] == [1_500_000]
    assert imported(tmp_path, file, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["days"] == ["2026-03-10"]


def test_a_file_that_is_empty_or_too_large_is_refused(
    main: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cost.csv"
    file.write_text(CSV.partition("\n")[0], encoding="utf-8")
    with pytest.raises(UsageError, match="has no rows"):
        imported(tmp_path, file, as_json=False)
    with pytest.raises(UsageError, match="name the exported file"):
        imported(tmp_path, tmp_path / "none.csv", as_json=False)
    monkeypatch.setattr(outside, "FILE_BYTES_MAX", 10)
    with pytest.raises(UsageError, match="larger than"):
        imported(tmp_path, file, as_json=False)
    assert main.asked == []


def test_both_sides_are_shown_and_the_exit_code_says_whether_they_agree(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reconciled(tmp_path, day="2026-03-10", month=False, of="", as_json=False) == 1
    table = capsys.readouterr().out
    assert "only theirs, no known price" in table
    assert "only ours" in table
    assert "$1.00 in logs, $2.50 nobody knows of" in table
    assert "the provider has not said" in table
    assert "not through twotier: $3.50" in table
    assert "they differ by $3.50" in table
    main.told = {**COMPARED, "agree": True}
    assert reconciled(tmp_path, day="", month=True, of="2026-03", as_json=False) == 0
    assert "they agree" in capsys.readouterr().out
    assert reconciled(tmp_path, day="", month=True, of="", as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["agree"] is True
    asked = [query for _, query in main.asked]
    assert asked[:2] == [{"day": "2026-03-10", "month": ""}, {"day": "", "month": "2026-03"}]
    assert len(asked[2]["month"]) == len("2026-03")


def test_a_provider_that_has_said_nothing_is_no_agreement(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main.told = {**COMPARED, "known_days": 0}
    assert reconciled(tmp_path, day="", month=False, of="", as_json=False) == 1
    told = capsys.readouterr()
    assert "twotier spend import FILE" in told.err
    assert "nothing to compare with" in told.out
    assert "differ" not in told.out


def test_a_day_and_a_month_are_two_questions(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="exclude one another"):
        reconcile(day="2026-03-10", month=True, config=tmp_path)
    assert reconcile(month=True, of="2026-02", as_json=True, config=tmp_path) == 1
    assert main.asked[-1][1] == {"day": "", "month": "2026-02"}
    assert capsys.readouterr().out
