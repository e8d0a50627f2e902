"""`twotier approve` and the calls of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.agent.stage import lived
from tests.cli.standin import RUN, standin, twotier

WAITS: dict[str, Any] = {
    "id": "a1b2c3d4e5f6",
    "job": "mail-check",
    "run": "mail-check-1",
    "tool": "send",
    "arguments": {"to": "bob", "text": "line\x1b[2J"},
    "because": "it would send",
    "source": "the run holds private, untrusted",
    "price_microusd": 20_000,
    "expires_at": "2026-02-04T07:12:00+00:00",
}
CALL: dict[str, Any] = {
    "at": "2026-02-03T07:12:01+00:00",
    "event": "judged",
    "tool": "send",
    "verdict": "refuse",
    "rule": "sends",
    "labels": "sends",
    "because": "nobody is there to approve it",
    "cost_microusd": 5_000,
}


@pytest.mark.slow
@lived
async def test_what_waits_is_listed_and_answered(tmp_path: Path) -> None:
    """With the exact arguments and nothing that steers a terminal; exit code 5 while it waits."""
    async with standin(tmp_path) as stand:
        at = ("--config", str(stand.config), "approve")
        stand.answers["GET /approvals"] = (200, {"approvals": [WAITS]})
        stand.answers["POST /approvals/a1b2c3d4e5f6"] = (200, {"approval": WAITS})
        listed = await twotier(*at)
        as_json = await twotier(*at, "list", "--json")
        yes = await twotier(*at, "yes", "a1b2c3d4e5f6")
        no = await twotier(*at, "no", "a1b2c3d4e5f6", "--json")
        odd = await twotier(*at, "yes", "a/b")
        stand.answers["GET /approvals"] = (200, {"approvals": []})
        none = await twotier(*at)
        said = [body for method, _, _, body in stand.asked if method == "POST"]
    assert listed.code == as_json.code == 5
    assert '"to": "bob"' in listed.out
    assert "\x1b" not in listed.out
    assert "$0.0200" in listed.out
    assert as_json.document["approvals"][0]["tool"] == "send"
    assert (yes.code, no.code, odd.code, none.code) == (0, 0, 1, 0)
    assert yes.out == "approved: send of mail-check-1\n"
    assert none.out == "nothing waits for you\n"
    assert said == [{"verdict": "yes"}, {"verdict": "no"}]


@pytest.mark.slow
@lived
async def test_a_run_shows_its_calls(tmp_path: Path) -> None:
    """What its agent wanted, what was decided and why."""
    async with standin(tmp_path) as stand:
        ended = {**CALL, "event": "escalated", "tool": "", "labels": "", "cost_microusd": 0}
        stand.answers["GET /runs/r1/calls"] = (200, {"calls": [CALL, ended]})
        shown = await twotier("--config", str(stand.config), "runs", str(RUN["id"]))
    assert "nobody is there to approve it" in shown.out
    assert "$0.0050" in shown.out
    assert "tools_usd 0.005000" in " ".join(shown.out.split())
    assert "escalated" in shown.out
