"""A job that pays the frontier is tried on the local tier, and moved there by its owner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.mind import Said, Thought, answer
from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import FRONTIER, INBOX, LOCAL_SERVER, Service

pytestmark = pytest.mark.slow

LINES = json.dumps(["One thing.", "It is short.", "It ends."])


def mind(said: Said) -> Thought:
    """Three lines for the job; of two answers neither is better."""
    if said.schema is None:
        return answer(said)
    if "better" in str(said.schema):
        return Thought(json.dumps({"because": "both serve", "better": "same"}))
    return Thought(LINES)


def test_a_shadow_pays_judges_and_changes_nothing_until_its_owner_does(tmp_path: Path) -> None:
    """Its rows stand in the ledger under a name of its own; no second file is delivered; after
    `job set` the local tier does the job.
    """
    with FakeOpenAI(mind=mind) as local, FakeAnthropic(mind=mind) as frontier:
        parts = (
            LOCAL_SERVER.format(base_url=f"{local.base_url}/v1"),
            FRONTIER.format(base_url=frontier.base_url),
            INBOX.format(every="1h", tier="frontier"),
        )
        with Service(tmp_path, *parts, env={"FRONTIER_KEY": frontier.key}) as service:
            (tmp_path / "inbox" / "note.txt").write_text("One thing that is short.")
            service.command("job", "run", "inbox")
            assert [path.name for path in (tmp_path / "outbox").iterdir()] == ["note.summary.txt"]
            told = service.command("job", "shadow", "inbox", "--last", "1", "--now", "--yes")
            trial = told.stdout.strip()
            document = service.worker.get(f"/trials/{trial}", {"wait_seconds": 30}, seconds=60)
            assert document["trial"]["state"] == "done"
            (pair,) = document["pairs"]
            assert (pair["tier"], pair["own_tier"], pair["verdict"]) == (
                "local",
                "frontier",
                "same",
            )
            spent = service.spend(by="job")
            judged = document["trial"]["spent_microusd"]
            assert {"inbox", "inbox/shadow"} <= set(spent)
            assert judged == 0 or spent["inbox/shadow"]["cost_microusd"] == judged
            assert len(list((tmp_path / "outbox").iterdir())) == 1
            assert "not yet" in service.command("job", "trials", "inbox").stdout

            service.command("job", "set", "inbox", "tier=local-then-frontier")
            (tmp_path / "inbox" / "more.txt").write_text("Another thing.")
            service.command("job", "run", "inbox")
            (newest, *_) = service.runs("inbox", "done")
            assert newest["tier"] == "local"
            service.command("job", "revert", "inbox")
            assert 'tier = "frontier"' in service.config.read_text(encoding="utf-8")
            service.command("forget", "inbox", "--yes")
            assert service.runs() == []
