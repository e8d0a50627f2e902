"""`twotier savings`: a table a person can check, and the span that is asked for."""

from __future__ import annotations

import pytest

from twotier.cli.savings import table

TOLD = {
    "frontier": "anthropic/claude-opus-4-6",
    "cheap": "anthropic/claude-haiku-4-5",
    "looks_known": True,
    "machine_usd": "0.000000",
    "columns": {
        "A": {"usd": "6.120000", "calls": 60, "tokens": 1_200_000},
        "B": {"usd": "3.000000", "calls": 60, "tokens": 1_200_000},
        "D": {"usd": "1.000000", "calls": 12, "tokens": 240_000},
        "P": {"usd": "0.600000", "calls": 12, "tokens": 240_000},
    },
    "saved_usd": "2.400000",
    "saved_percent": 80.0,
    "parts": {
        "no_model": "2.000000",
        "local": "0.500000",
        "caching": "-0.050000",
        "batch": "0.000000",
        "against": "0.050000",
    },
    "estimated": 48,
}


def test_the_ways_their_difference_and_what_rests_on_a_guess(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table(TOLD)
    assert capsys.readouterr().out.splitlines() == [
        "   COST   CALLS  TOKENS",
        "A  $6.12  60     1200000  all of it at anthropic/claude-opus-4-6, nothing cached",
        "B  $3.00  60     1200000  the same with caching and batches: the fair one",
        "D  $1.00  12     240000   as B, without the looks that found nothing",
        "P  $0.60  12     240000   what was paid",
        "",
        "B less P: $2.40, 80.0 % of B",
        "  no model was needed                $2.00",
        "  local tier                         $0.50",
        "  caching, against B's               -$0.05",
        "  failed and repeated tries, probes  -$0.05",
        "",
        "48 looks that found nothing are counted as their job's usual call: an estimate",
    ]


def test_what_is_missing_and_what_stands_beside_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table({**TOLD, "looks_known": False, "machine_usd": "1.250000", "estimated": 0})
    *_, missing, _, machine = capsys.readouterr().out.splitlines()
    assert "the worker does not answer" in missing
    assert machine == "the local machine itself: $1.25, not in P"
