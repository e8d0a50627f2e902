"""A day on which work was done past twotier: seen in the logs, in the bill, in the alert."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fakes.admin_api import KEY, AdminApi
from tests.fakes.anthropic_api import FakeAnthropic
from tests.outside.samples import SECRET, claude
from tests.story.service import FRONTIER, LOCAL_SERVER, Service, eventually
from tests.story.test_alerts import closing

pytestmark = pytest.mark.slow

OUTSIDE = """
[[budgets]]
alert_usd = 1
limit_usd = 2

[outside]
claude_code = true
claude_code_folder = "claude"
every = 5
admin_key = "env:ADMIN_KEY"
admin_url = "{url}"
"""


def test_what_went_past_twotier_is_counted_and_reconciled(tmp_path: Path) -> None:
    """A log line that is ours is not; the alert is crossed and the limit stops nothing."""
    today = datetime.now(UTC).date().isoformat()
    with FakeAnthropic() as frontier, AdminApi() as api:
        api.charge(today, "300")
        parts = (
            LOCAL_SERVER.format(base_url="http://127.0.0.1:1/v1"),
            FRONTIER.format(base_url=frontier.base_url),
            OUTSIDE.format(url=api.base_url),
        )
        env = {"FRONTIER_KEY": frontier.key, "ADMIN_KEY": KEY}
        service = Service(tmp_path, *parts, env=env)
        with closing(service):
            service.up(ready="")
            reply = service.client().chat.completions.with_raw_response.create(
                model="frontier", messages=[{"role": "user", "content": "hi"}], max_tokens=20
            )
            ours = reply.headers["request-id"]
            log = service.folder / "claude" / "projects" / "p" / "s.jsonl"
            log.parent.mkdir(parents=True)
            at = datetime.now(UTC).isoformat()
            lines = (claude("msg_1", ours, at=at), claude("msg_2", "req_elsewhere", at=at))
            log.write_bytes(b"\n".join(lines) + b"\n")

            told = eventually(
                lambda: service.status()["outside_today"]["logs"], what="the line of the log"
            )
            assert [(one["source"], one["answers"]) for one in told] == [("claude_code", 1)]
            shown = service.command("spend").stdout
            assert "not through twotier: $" in shown
            assert "ALERT REACHED" in shown
            assert "LIMIT REACHED" not in shown
            crossed = eventually(
                lambda: [one for one in service.status()["alerts"] if "alert" in one["text"]],
                what="the alert",
            )
            assert "not through twotier" in crossed[0]["text"]
            ask = service.client().chat.completions.create(
                model="frontier", messages=[{"role": "user", "content": "hi"}], max_tokens=20
            )
            assert ask.choices

            day = json.loads(service.command("spend", "reconcile", "--json", code=1).stdout)
            assert (day["agree"], day["by_day"][0]["theirs_usd"]) == (False, "3.000000")
            ours_usd = float(day["by_day"][0]["ours_usd"])
            bill = tmp_path / "bill.csv"
            bill.write_text(
                "usage_date_utc,model,token_type,cost_usd\n"
                f"{today},Claude Opus 4.6,output,{ours_usd:.6f}\n"
            )
            service.command("spend", "import", str(bill))
            assert "they agree" in service.command("spend", "reconcile").stdout
    for file in service.folder.rglob("*"):
        if file.is_file() and file != log:
            assert SECRET.encode() not in file.read_bytes()
            assert KEY.encode() not in file.read_bytes()
