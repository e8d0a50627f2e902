"""What `status` says of money: plain figures, and a word in capitals where something was passed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.cli.standin import STATUS, standin
from twotier.cli import run
from twotier.cli.budgets import budget_lines, passed

WHY = "the ledger /x/ledger.db cannot be read (file is not a database); see `twotier doctor`"
UNREADABLE = {
    **STATUS,
    **dict.fromkeys(("spend_today_usd", "outside_today", "repairs", "budgets", "outlook")),
    "ledger": {"recovered": 0, "lost": 0, "held": "", "unreadable": WHY},
}


@pytest.mark.parametrize(
    ("spent", "reserved", "said"),
    [
        ("0.00", "0.00", ""),
        ("14.99", "0.00", ""),
        ("14.99", "0.01", " -- ALERT REACHED"),
        ("39.00", "1.00", " -- LIMIT REACHED"),
    ],
)
def test_a_passed_alert_or_limit_is_shouted(spent: str, reserved: str, said: str) -> None:
    """Money held for answers on their way counts, and the limit speaks before the alert."""
    budget = {
        "spent_usd": spent,
        "reserved_usd": reserved,
        "alert_usd": "15.000000",
        "limit_usd": "40.000000",
    }
    assert passed(budget) == said


def test_a_line_says_whose_work_where_it_is_going_and_what_was_refused() -> None:
    """A budget of one job, close to its limit; a key's own; one that only counts."""
    state = {
        "name": "inbox",
        "job": "inbox",
        "spent_usd": "1.500000",
        "reserved_usd": "0.200000",
        "forecast_usd": "2.400000",
        "alert_usd": None,
        "limit_usd": "2.000000",
        "refused": 3,
        "resets_at": "2026-03-11T00:00:00+00:00",
    }
    key = {**state, "of_key": True, "name": "phone", "client": "phone", "forecast_usd": None}
    plain = {**key, "of_key": False, "limit_usd": None, "client": "", "job": "", "refused": 0}
    first, second, third = budget_lines([state, key, plain])
    assert first.startswith(
        "budget inbox (job inbox): $1.50 spent, $0.20 reserved, $2.40 by its end at this pace;"
        " limit $2.00; starts anew "
    )
    assert first.endswith(", 3 refused")
    assert second.startswith("key phone: $1.50 spent, $0.20 reserved; limit $2.00;")
    assert third.startswith("budget phone: $1.50 spent, $0.20 reserved; no limit;")


def test_a_budget_without_alert_and_limit_passes_nothing() -> None:
    """None is not zero."""
    nothing = {"spent_usd": "9", "reserved_usd": "0", "alert_usd": None, "limit_usd": None}
    assert passed(nothing) == ""


def unreadable(tmp_path: Path, *words: str) -> int:
    """The exit code of a command while main cannot read its ledger."""

    async def scenario() -> int:
        async with standin(tmp_path) as stand:
            stand.answers["GET /control/status"] = (200, UNREADABLE)
            return await asyncio.to_thread(run, ["--config", str(stand.config), *words])

    return asyncio.run(scenario())


def test_a_ledger_that_cannot_be_read_takes_only_the_money_from_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tiers and worker are shown, one sentence says why there is no sum, and the code is 1."""
    assert unreadable(tmp_path, "status") == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "local ready" in said
    assert "worker ready" in said
    assert f"MONEY NOT KNOWN: {WHY}" in said
    assert "$" not in said


def test_for_scripts_it_is_null_with_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert unreadable(tmp_path, "status", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["spend_today_usd"] is None
    assert document["budgets"] is None
    assert document["ledger"]["unreadable"] == WHY


def test_budgets_cannot_be_listed_then_and_keys_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list without lines would look like no budgets; what a key has spent is only not known."""
    assert unreadable(tmp_path, "budget", "list") == 1
    assert WHY in " ".join(capsys.readouterr().err.split())
    assert unreadable(tmp_path, "key", "list") == 0
