"""What main tells of records, and what a person sees of it."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.cli.standin import standin, twotier
from tests.ledger.toys import HandClock
from tests.router.test_tree import FRONTIER, LOCAL
from twotier.alerts.conditions import quality
from twotier.domain.verdict import Took, Verdict
from twotier.gateway.control import told
from twotier.gateway.records import RecordControl
from twotier.learned.records import Records
from twotier.router.drift import Drift

TOOK = Took(120, 2.5, 2, 4_000)


def client_of(records: Records) -> TestClient:
    """The paths of the control."""
    control = RecordControl(records, (LOCAL, FRONTIER))
    return TestClient(
        Starlette(
            routes=[
                Route("/control/verdicts", told(control.judged), methods=["POST"]),
                Route("/control/records", told(control.show), methods=["GET"]),
                Route("/control/records/forget", told(control.forget), methods=["POST"]),
            ]
        )
    )


def verdict(run: str, *, good: bool | None = True, tier: str = "local") -> bytes:
    """A verdict as the worker sends it."""
    return msgspec.json.encode(Verdict("brief", tier, good, "form", run, "all", took=TOOK))


@pytest.fixture
def main() -> TestClient:
    """With four runs on the local tier and one on the frontier."""
    clock = HandClock()
    records = Records(clock)
    for spec in (LOCAL, FRONTIER):
        records.follow(spec)
    client = client_of(records)
    for number in range(4):
        clock.moment += timedelta(minutes=1)
        told_ = client.post("/control/verdicts", content=verdict(f"r{number}"))
        assert told_.json()["counted"] is True
    clock.moment += timedelta(minutes=1)
    client.post("/control/verdicts", content=verdict("r9", good=None, tier="frontier"))
    return client


def test_a_verdict_told_again_counts_once(main: TestClient) -> None:
    """And what is no verdict is refused."""
    assert main.post("/control/verdicts", content=verdict("r1")).json()["counted"] is False
    assert main.post("/control/verdicts", content=b'{"key": 1}').status_code == 400


def test_a_record_is_shown_with_what_the_rule_would_say(main: TestClient) -> None:
    """Posterior, bounds, the last five, and what such work takes."""
    (found,) = main.get("/control/records").json()["records"]
    assert (found["key"], found["says"]) == ("brief", "local")
    assert "4 of the last 4 verified runs good" in found["because"]
    local, frontier = found["tiers"]
    assert local["lately"] == ["good"] * 4
    assert local["low"] < local["mean"] < local["high"]
    assert local["output_tokens"] == {"p50": 120, "p90": 120, "count": 4}
    assert (frontier["runs"], frontier["good"], frontier["mean"]) == (1, 0, 0.95)
    whole = main.get("/control/records", params={"key": "brief"}).json()["records"][0]
    assert [one["verdict"] for one in whole["judgements"]] == ["unverified"] + ["good"] * 4
    assert main.get("/control/records", params={"key": "no"}).status_code == 404


def test_a_failure_that_another_tier_did_again_is_told_as_such(main: TestClient) -> None:
    """It is no good end, and nobody had it."""
    body = Verdict("brief", "local", False, "checks", "r8", "all", redone=True)
    main.post("/control/verdicts", content=msgspec.json.encode(body))
    found = main.get("/control/records", params={"key": "brief"}).json()["records"][0]
    assert found["tiers"][0]["lately"] == ["good"] * 4 + ["redone"]
    assert found["judgements"][0]["verdict"] == "redone"


def test_what_is_forgotten_is_gone(main: TestClient) -> None:
    """Said with how much it was; twice is a mistake that is told."""
    said = main.post("/control/records/forget", content=b'{"key": "brief"}')
    assert said.json()["forgotten"] == 5
    assert main.get("/control/records").json()["records"] == []
    again = main.post("/control/records/forget", content=b'{"key": "brief"}')
    assert (again.status_code, "twotier record" in again.text) == (404, True)
    assert main.post("/control/records/forget", content=b"[]").status_code == 400


def test_a_person_sees_it_as_a_table(main: TestClient, tmp_path: Path) -> None:
    """All of it, or one with its judgements; forgetting wants a yes."""
    whole = main.get("/control/records", params={"key": "brief"}).json()

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            words = ("--config", str(stand.config), "record")
            stand.answers["GET /control/records"] = (200, whole)
            stand.answers["POST /control/records/forget"] = (200, {"key": "brief", "forgotten": 5})
            shown = await twotier(*words, "brief")
            assert shown.code == 0, shown.err
            head, local, frontier = shown.out.splitlines()[:3]
            assert head.split()[:3] == ["WORK", "TIER", "RUNS"]
            assert "good good good good" in local
            assert local.endswith("local")
            assert "$0.0040-$0.0040" in local
            assert frontier.split()[0] == "frontier"
            assert "r3:all:local" in shown.out
            assert "4 of the last 4 verified runs good" in shown.err
            assert (await twotier(*words, "forget", "brief")).code == 2
            gone = await twotier(*words, "forget", "brief", "--yes")
            assert gone.out == "forgotten: 5 judgements of brief\n"
            assert "brief: 5 judgements on local, frontier" in gone.err
            as_json = await twotier(*words, "forget", "brief", "--yes", "--json")
            assert as_json.document["forgotten"] == 5
            stand.answers["GET /control/records"] = (200, {"records": []})
            assert "no record yet" in (await twotier(*words)).out
            assert (await twotier(*words, "--json")).document["records"] == []

    asyncio.run(scenario())


def test_an_owner_marks_a_run(tmp_path: Path) -> None:
    """Every answer that was marked is named."""
    marked: dict[str, Any] = {"marked": [{"part": "a.txt", "tier": "local"}]}

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            words = ("--config", str(stand.config), "runs", "mark")
            stand.answers["POST /runs/r1/mark"] = (200, marked)
            done = await twotier(*words, "r1", "bad")
            assert (done.code, done.out) == (0, "a.txt (local): bad\n")
            assert stand.asked[-1][3] == {"good": False}
            assert json.loads((await twotier(*words, "r1", "good", "--json")).out)["marked"]
            assert (await twotier(*words, "a/b", "good")).code == 1

    asyncio.run(scenario())


def test_a_fall_is_an_incident_of_its_tier() -> None:
    """One, until the source does not tell of it any more."""
    look = quality([Drift("local", 3, 6, 5.8, "brief", 0.0001)])
    (one,) = look.holds
    assert (one.key, one.about, one.kind) == ("quality:local", "local", "quality")
    assert "of its last 6 verified answers 3 were good" in one.text
    assert "`twotier record brief`" in one.text
    assert quality([]).scopes == look.scopes
    better = quality([Drift("local", 5, 6, 5.8, "brief", 0.01)])
    assert not better.holds
    assert better.keeps == frozenset({"quality:local"})
