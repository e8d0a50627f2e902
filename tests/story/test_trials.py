"""A job that pays the frontier is tried on the local tier, and moved there by its owner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.mind import Mind, Said, Thought, answer
from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import FRONTIER, INBOX, LOCAL_SERVER, Service, eventually
from twotier.jobs.quality import drawn

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
            # Rows that cost nothing are written a moment later than the answer.
            eventually(lambda: {"inbox", "inbox/shadow"} <= set(service.spend(by="job")))
            spent = service.spend(by="job")
            judged = document["trial"]["spent_microusd"]
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


AGENT = """
[[jobs]]
name = "{name}"
every = "24h"
tier = "{tier}"
tools = ["files"]
prompt = "Look into a.txt and say what is low."
deliver = "log"
"""


AT_ANY_HOUR = """
[trials]
hours = ""
[routing.quality]
shadow_percent = 5
prove_free = false
prove = true
"""

QUESTION = """
[[jobs]]
name = "milk"
every = "24h"
tier = "auto"
prompt = "Is there milk? Say yes or no."
deliver = "log"
"""


def keeper(text: str) -> Mind:
    """Reads the file, then says this; of two answers neither is better."""

    def mind(said: Said) -> Thought:
        if said.schema is not None and "better" in str(said.schema):
            return Thought(json.dumps({"because": "both serve", "better": "same"}))
        if not said.results:
            return Thought("Let me look.", [("read_file", {"path": "a.txt"})])
        return Thought(text)

    return mind


def test_what_nobody_ordered_is_tried_all_the_same(tmp_path: Path) -> None:
    """Two agents' jobs. With `tier = "auto"` the frontier does one, since nothing tells its kind:
    its run is done again on the local tier, judged, and told to main, whose record has the next one
    done here. Of the other, which the local tier does, a run that the watch over quality has drawn
    is done again by the frontier.
    """
    here, there = FakeOpenAI(mind=keeper("Milk is low.")), FakeAnthropic(mind=keeper("Milk is."))
    with here as local, there as frontier:
        parts = (
            LOCAL_SERVER.format(base_url=f"{local.base_url}/v1"),
            FRONTIER.format(base_url=frontier.base_url),
            AT_ANY_HOUR,
            AGENT.format(name="stock", tier="auto"),
            AGENT.format(name="known", tier="local-then-frontier"),
        )
        with Service(tmp_path, *parts, env={"FRONTIER_KEY": frontier.key}) as service:
            for name in ("stock", "known"):
                root = tmp_path / "jobs-files" / name
                root.mkdir(parents=True, exist_ok=True)
                (root / "a.txt").write_text("milk: 0", encoding="utf-8")
            service.command("job", "run", "stock")
            (run,) = service.runs("stock", "done")
            assert run["tier"] == "frontier"
            assert "unproven" in service.command("route", "--job", "stock").stdout

            watched = drawn_run(service, "known")

            again(service)  # whoever orders proofs looks when it starts, and then now and then
            proven = eventually(lambda: over(service, "proof"), what="a proof")
            (watch,) = eventually(lambda: over(service, "quality"), what="a watch")
            (pair,) = service.worker.get(f"/trials/{watch['id']}")["pairs"]
            assert (pair["of_run"], pair["own_tier"], pair["tier"]) == (
                watched,
                "local",
                "frontier",
            )
            record = service.main.get("/control/records", {"key": "known"})["records"][0]
            assert record["tiers"][0]["lately"][-1] == "good"
            assert [one["side"] for one in proven] == ["local"]
            document = service.worker.get(f"/trials/{proven[0]['id']}", {"wait_seconds": 30})
            (pair,) = document["pairs"]
            assert (pair["tier"], pair["verdict"]) == ("local", "same")
            record = service.main.get("/control/records", {"key": "stock"})["records"][0]
            assert record["says"] == "local", record
            service.command("job", "run", "stock")
            assert service.runs("stock", "done")[0]["tier"] == "local"


def test_a_job_proves_the_local_tier_for_nothing_and_what_fails_there_goes_up(
    tmp_path: Path,
) -> None:
    """Nobody knows the job, so the frontier does it; the local tier says the same once more, which
    no model judges and nobody pays for. Then it does the job: a good answer is looked at and kept,
    a bad one is done again by the frontier before anybody has it.
    """
    said = ["Yes."]
    here, there = FakeOpenAI(mind=lambda _: Thought(said[0])), FakeAnthropic(mind=keeper_of("Yes!"))
    with here as local, there as frontier:
        parts = (
            LOCAL_SERVER.format(base_url=f"{local.base_url}/v1"),
            FRONTIER.format(base_url=frontier.base_url),
            QUESTION,
        )
        with Service(tmp_path, *parts, env={"FRONTIER_KEY": frontier.key}) as service:
            service.command("job", "run", "milk")
            (run,) = service.runs("milk", "done")
            assert run["tier"] == "frontier"
            again(service)  # it looks each minute, and when it starts
            (proof,) = eventually(lambda: over(service, "proof"), what="a proof")
            (pair,) = service.worker.get(f"/trials/{proof['id']}")["pairs"]
            assert (proof["judge"], proof["spent_microusd"], pair["verdict"]) == ("", 0, "same")
            eventually(lambda: "good" in service.command("record", "milk").stdout, what="a record")

            service.command("job", "run", "milk")
            kept = service.runs("milk", "done")[0]
            assert kept["tier"] == "local"
            assert "carried on" not in kept["because"]

            said[0] = "There is milk in the house.\n" * 9
            service.command("job", "run", "milk")
            redone = service.runs("milk", "done")[0]
            assert redone["tier"] == "frontier"
            assert "carried on by the frontier tier: checks fails" in redone["because"]
            record = service.main.get("/control/records", {"key": "milk"})["records"][0]
            lately = {one["tier"]: one["lately"] for one in record["tiers"]}
            assert lately["local"] == ["good", "redone"]  # a free text that passed says nothing


def keeper_of(text: str) -> Mind:
    """Says this, whatever it is asked."""
    return lambda _: Thought(text)


def again(service: Service) -> None:
    """Ended, and started anew."""
    assert service.process is not None
    service.process.terminate()
    service.process.wait(40)
    service.up()


def drawn_run(service: Service, job: str) -> str:
    """The job's first run that is one of five in a hundred by its name, which nobody can choose."""
    while True:
        run = str(service.worker.post(f"/jobs/{job}/run")["run"])
        ended = service.worker.get(f"/runs/{run}", {"wait_seconds": 30})
        assert (ended["state"], ended["tier"]) == ("done", "local")
        if drawn(run, 5):
            return run


def over(service: Service, kind: str) -> list[Any]:
    """Trials of a kind, once one is over."""
    found = service.worker.get("/trials")["trials"]
    return [one for one in found if one["kind"] == kind and one["state"] != "open"]
