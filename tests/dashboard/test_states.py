"""What pages say where something is missing: no worker, no tier, no job, no request; a defect."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from tests.ledger.toys import HandClock
from twotier.dashboard.app import Dashboard
from twotier.dashboard.door import Door
from twotier.dashboard.sessions import Sessions
from twotier.errors import LedgerError, NotRunningError

ORIGIN = {"origin": "http://testserver"}
NO_MONEY = {"spent_usd": "0.000000", "forecast_usd": None, "resets_at": "2026-02-03T00:00:00Z"}
STATUS = {
    "tiers": [],
    "worker": {"state": "ready", "pid": 1, "because": ""},
    "alerts": [],
    "budgets": [],
    "spend_today_usd": "0.000000",
    "outlook": {"day": NO_MONEY, "month": NO_MONEY},
    "ledger": {"recovered": 0, "lost": 0, "held": ""},
}
NOTHING = {
    "/control/status": STATUS,
    "/control/memory": {"samples": []},
    "/control/spend": {"rows": [], "total": {"cost_usd": "0"}, "outside": None},
    "/control/decisions": {
        "requests": [],
        "next": None,
        "looked": 0,
        "since": None,
        "names": {"job": [], "client": [], "tier": [], "rule": []},
    },
    "/jobs": {"jobs": []},
    "/runs": {"runs": []},
    "/approvals": {"approvals": []},
}


class Says:
    """A peer that answers from a table; an error in it is raised."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.told: list[str] = []

    async def get(self, path: str, query: Mapping[str, object] | None = None) -> dict[str, Any]:
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self.told.append(path)
        return await self.get(path)

    async def lines(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[bytes]:
        yield json.dumps(await self.post(path, body)).encode()


def pages(folder: Path, **answers: Any) -> tuple[TestClient, Says]:
    """A browser that is logged in to a dashboard whose peers say that."""
    clock = HandClock()
    sessions = Sessions(folder / "sessions.json", clock)
    peer = Says(NOTHING | {f"/{name.replace('_', '/')}": told for name, told in answers.items()})
    made = Dashboard(
        main=peer,
        worker=peer,
        clock=clock,
        zone=ZoneInfo("UTC"),
        door=Door(sessions, "session"),
        closing=asyncio.Event(),
        version="1",
    )
    client = TestClient(made.app(), follow_redirects=False)
    entered = client.post("/ui/login", data={"code": sessions.new_code()}, headers=ORIGIN)
    client.cookies.set("session", entered.cookies["session"])
    return client, peer


def test_where_there_is_nothing_yet_each_page_says_what_to_do(tmp_path: Path) -> None:
    """No tier, no job, no request, no budget."""
    client, _ = pages(tmp_path)
    page = client.get("/ui/").text
    for words in ("No tier is configured", "No job ran", "Nothing is scheduled", "No budget"):
        assert words in page
    assert "does not tell its memory" in page
    assert "Being reckoned" in page
    assert "Nothing was asked yet" in client.get("/ui/decisions").text
    spend = client.get("/ui/spend").text
    assert "Nothing was asked in the last 30 days" in spend
    assert "Wait for it" in spend


def test_one_part_that_is_missing_leaves_the_others(tmp_path: Path) -> None:
    """The worker is down: its parts say so, the money is there. The ledger: the other way round."""
    gone = NotRunningError("the worker does not answer; `twotier status` says how it is")
    client, _ = pages(tmp_path, jobs=gone, runs=gone, approvals=gone)
    page = client.get("/ui/")
    assert page.status_code == 200
    assert page.text.count("the worker does not answer") == 2
    assert "$0.00" in page.text
    broken = LedgerError("the ledger cannot be read; see `twotier doctor`")
    client, _ = pages(tmp_path, control_status=broken, control_spend=broken, control_savings=broken)
    page = client.get("/ui/")
    assert "twotier cannot say how it is" in page.text
    assert "Nothing is scheduled" in page.text
    spend = client.get("/ui/spend?savings=now")
    assert spend.status_code == 200
    assert spend.text.count("the ledger cannot be read") >= 3


def test_a_status_without_the_money_leaves_the_rest_of_it(tmp_path: Path) -> None:
    """Main runs and cannot read its ledger: its tiers are shown, the money says why it is not."""
    why = "the ledger cannot be read; see `twotier doctor`"
    unread = dict.fromkeys(("spend_today_usd", "outside_today", "repairs", "budgets", "outlook"))
    ledger = {"recovered": 0, "lost": 0, "held": "", "unreadable": why}
    status = STATUS | unread | {"ledger": ledger}
    client, _ = pages(tmp_path, control_status=status, control_engine={"engines": []})
    for path in ("/ui/", "/ui/spend", "/ui/local"):
        page = client.get(path)
        assert page.status_code == 200, path
        assert (why in page.text) == (path != "/ui/local"), path
    assert "No tier is configured" in client.get("/ui/").text


def test_a_page_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    """An error of ours with its sentence and status; a defect with neither, and it is logged."""
    broken = LedgerError("the ledger cannot be read; see `twotier doctor`")
    client, _ = pages(tmp_path, control_decisions=broken)
    page = client.get("/ui/decisions")
    assert page.status_code == 503
    assert "the ledger cannot be read" in page.text
    assert client.get("/ui/nowhere").status_code == 404


def test_a_defect_is_a_page_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It says nothing of its inside; the log has it."""
    client, _ = pages(tmp_path, control_decisions=ValueError("secret inside"))
    with caplog.at_level(logging.ERROR):
        page = client.get("/ui/decisions")
    assert page.status_code == 500
    assert "secret inside" not in page.text
    assert "defect" in caplog.text


def test_what_needs_a_person_stands_on_top(tmp_path: Path) -> None:
    """Urgent before others; a held ledger can be let go with one press, and that is a POST."""
    alert = {"about": "local", "kind": "down", "at": "2026-02-03T04:00:00+00:00"}
    alerts = [
        {**alert, "severity": "warning", "text": "mild"},
        {**alert, "severity": "urgent", "text": "<b>grave</b>"},
    ]
    ledger = {"recovered": 0, "lost": 0, "held": "it was broken"}
    told = {**STATUS, "alerts": alerts, "ledger": ledger}
    waits = {"approvals": [{"job": "mail"}, {"job": "mail"}]}
    answers = {"control_status": told, "approvals": waits, "control_spend_confirm": {}}
    client, peer = pages(tmp_path, **answers)
    page = client.get("/ui/").text
    places = [page.index(words) for words in ("it was broken", "grave", "mild", "2 calls of tools")]
    assert places == sorted(places)
    assert "<b>grave" not in page
    assert "4 things need you" in page
    form = client.get("/ui/spend").text
    csrf = form.partition('name="csrf" value="')[2].partition('"')[0]
    done = client.post("/ui/spend/confirm", data={"csrf": csrf}, headers=ORIGIN)
    assert (done.status_code, done.headers["location"]) == (303, "../spend")
    assert peer.told == ["/control/spend/confirm"]
    assert "Limits count again" in client.get("/ui/spend").text
    assert "Limits count again" not in client.get("/ui/spend").text
    assert client.post("/ui/spend/nothing", data={"csrf": csrf}, headers=ORIGIN).status_code == 404


def test_memory_is_shown_against_what_must_stay_free(tmp_path: Path) -> None:
    """What the servers hold, the rest, and the line."""
    tier: dict[str, Any] = {"name": "local", "state": "coming-up", "ref": "m"}
    tier |= {"because": "it loads", "slots": {"in_use": 1, "waiting": 2, "slots": 4}}
    status = {**STATUS, "tiers": [{**tier, "memory": {"headroom_bytes": 30_000_000_000}}]}
    sample = {"total_bytes": 100_000_000_000, "free_bytes": 20_000_000_000}
    samples = {"samples": [{**sample, "held": {"local": 60_000_000_000}}]}
    client, _ = pages(tmp_path, control_status=status, control_memory=samples)
    page = client.get("/ui/").text
    for words in ("60.0 GB", "20.0 GB", "30.0 GB", "Less is free than should be", "it loads"):
        assert words in page
    assert "local is coming up" in page
    assert "1 of 4 slots taken, 2 waiting" in page
