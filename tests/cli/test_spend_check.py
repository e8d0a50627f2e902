"""`twotier spend check`: silent below the line, one item a day above it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from twotier.cli import spend_check
from twotier.cli.spend_check import checked
from twotier.errors import UsageError

ROWS = [
    {"key": "local/m25", "cost_usd": "0.000000", "requests": 400},
    {"key": "anthropic/haiku", "cost_usd": "1.250000", "requests": 9},
    {"key": "anthropic/opus", "cost_usd": "14.500000", "requests": 31},
]
TOLD = {"rows": ROWS, "total": {"cost_usd": "15.750000"}, "outside": {"outside_usd": "2.000000"}}


class Main:
    """Answers what it is told to."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.told = told

    def get(self, path: str, query: Mapping[str, Any]) -> Mapping[str, Any]:
        assert path == "/control/spend"
        assert query["by"] == "model"
        return self.told


def ask(
    monkeypatch: pytest.MonkeyPatch, above: str, *, told: Mapping[str, Any] = TOLD, item: bool
) -> int:
    monkeypatch.setattr(spend_check, "main_of", lambda _: Main(told))
    return checked(Path("twotier.toml"), above=above, as_item=item)


def test_below_the_line_there_is_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(monkeypatch, "17.75", item=False) == 0
    assert capsys.readouterr().out == ""


def test_above_it_the_models_are_named_the_dearest_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(monkeypatch, "$15", item=False) == 0
    assert capsys.readouterr().out.splitlines() == [
        "$17.75 spent today, more than $15.00",
        "anthropic/opus: $14.50 in 31 requests",
        "anthropic/haiku: $1.25 in 9 requests",
        "not through twotier: $2.00",
    ]


def test_as_an_item_it_is_the_same_all_day_whatever_the_sum(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = []
    for cost in ("15.75", "16.00"):
        told = {**TOLD, "total": {"cost_usd": cost}, "outside": None}
        assert ask(monkeypatch, "15", told=told, item=True) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert json.loads(printed[0])["title"].startswith("more than $15.00 spent on ")


@pytest.mark.parametrize("above", ["much", "-1", "nan", "", "inf"])
def test_a_line_that_is_no_amount_is_refused(monkeypatch: pytest.MonkeyPatch, above: str) -> None:
    with pytest.raises(UsageError, match="such as 15"):
        ask(monkeypatch, above, item=False)
