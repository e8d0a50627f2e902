"""Jobs of the whole service: many that are due, one added meanwhile, one that asks its owner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.github_api import REPO, TOKEN, GithubApi
from tests.fakes.mind import Said, Thought
from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import FRONTIER, LOCAL_SERVER, Service, eventually
from tests.toys.receiver import Taker

pytestmark = pytest.mark.slow

JOBS_MANY = 45
LETTERS = """
[tools.send.ann]
to = "webhook:{hook}/ann"

[[jobs]]
name = "letters"
every = "12h"
tier = "frontier"
prompt = "Write two letters."
tools = ["read_file", "write_file", "send"]
approve = "log"
deliver = "file:outbox/letters.txt"
"""
MANY = """
[[jobs]]
name = "many-{number}"
every = "12h"
tier = "local-only"
prompt = "say: {number}"
deliver = "file:outbox/many-{number}.txt"
"""


def writes_two_letters(said: Said) -> Thought:
    """Reads what is private, sends it, tries to send something else, and says how that went."""
    last = said.results[-1] if said.results else ""
    if not last:
        return Thought("", [("read_file", {"path": "private.txt"})])
    if "Room 12" in last:
        text = "The room is 12."
    elif "sent to ann" in last:
        text = "The room is 12, and the key is below the mat."
    else:
        return Thought(f"One letter is out. Of the other: {last}")
    return Thought("", [("send", {"to": "ann", "title": "Room", "text": text})])


class Home:
    """The service with everything outside played."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.frontier = stack.enter_context(FakeAnthropic(mind=writes_two_letters))
        self.local = stack.enter_context(FakeOpenAI())
        self.github = stack.enter_context(GithubApi())
        self.hook = stack.enter_context(Taker())
        self.service = Service(
            folder,
            LOCAL_SERVER.format(base_url=self.local.base_url),
            FRONTIER.format(base_url=self.frontier.base_url),
            LETTERS.format(hook=self.hook.url),
            *(MANY.format(number=number) for number in range(JOBS_MANY)),
            env={"FRONTIER_KEY": self.frontier.key},
        )
        files = folder / "jobs-files" / "letters"
        files.mkdir(parents=True)
        (files / "private.txt").write_text("Room 12, key below the mat", encoding="utf-8")
        stack.enter_context(self.service)

    def order(self, job: str) -> str:
        """A run by hand; its id."""
        return str(self.service.worker.post(f"/jobs/{job}/run")["run"])

    def ended(self, run: str) -> dict[str, Any]:
        """The run when it is over."""
        found: dict[str, Any] = self.service.worker.get(f"/runs/{run}", {"wait_seconds": 60})
        return found

    def asks(self) -> Sequence[dict[str, Any]]:
        """What waits for the owner; the run has stopped."""
        waits = eventually(lambda: self.service.runs("letters", "waiting-approval"))
        assert len(waits) == 1
        found: list[dict[str, Any]] = self.service.worker.get("/approvals")["approvals"]
        return found

    def delivered(self, name: str) -> str:
        """A file of the outbox."""
        return (self.service.folder / "outbox" / name).read_text(encoding="utf-8")


def test_jobs_of_a_running_service(tmp_path: Path) -> None:
    """Each part is a promise of its own; they share one service, whose start is what takes time."""
    with ExitStack() as stack:
        home = Home(tmp_path, stack)
        many_are_due(home)
        added_while_it_runs(home)
        asks_its_owner(home)


def many_are_due(home: Home) -> None:
    """All at once: the status answers, and no more run than the tier has places for."""
    runs = [home.order(f"many-{number}") for number in range(JOBS_MANY)]
    running_max = 0
    while [run for run in home.service.runs() if run["state"] == "due"]:
        assert home.service.status()["worker"]["state"] == "ready"
        running_max = max(running_max, len(home.service.runs(state="running")))
    assert [home.ended(run)["state"] for run in runs] == ["done"] * JOBS_MANY
    assert running_max <= 1
    assert len(home.local.bodies) == JOBS_MANY
    assert home.delivered("many-44.txt").strip() == "44"


def added_while_it_runs(home: Home) -> None:
    """A template with a few answers is a job at once; a comment is one answer, once."""
    page = home.github.discuss("a page", "opening")
    token = home.service.folder / "github.token"
    token.write_text(TOKEN, encoding="utf-8")
    token.chmod(0o600)
    answers = {
        "repo": REPO,
        "api": home.github.base_url,
        "token": f"file:{token.name}",
        "deliver": "file:outbox/comments.txt",
    }
    words = [word for key, value in answers.items() for word in ("--set", f"{key}={value}")]
    home.service.command("job", "add", "comment-check", *words)
    assert home.ended(home.order("comment-check"))["state"] == "quiet"
    home.github.comment(page, "Does it run on a toaster?")
    done = home.ended(home.order("comment-check"))
    assert (done["state"], done["tier"], done["items"]) == ("done", "local", 1)
    assert home.delivered("comments.txt").count("toaster") == 1
    assert home.ended(home.order("comment-check"))["state"] == "quiet"
    assert len(home.local.bodies) == JOBS_MANY + 1


def asks_its_owner(home: Home) -> None:
    """Sent once after a yes to exactly this, whatever dies meanwhile; something else asks anew."""
    run = home.order("letters")
    (first,) = home.asks()  # it may hold what a stranger had an earlier run write
    assert first["arguments"]["text"] == "The room is 12."
    asked = len(home.frontier.bodies)
    home.service.kill()
    home.service.up()
    assert [one["id"] for one in home.asks()] == [first["id"]]
    listed = home.service.command("approve", "list", code=5)
    assert json.dumps(first["arguments"]) in listed.stdout
    assert home.hook.asked == []
    home.service.command("approve", "yes", first["id"])
    (second,) = eventually(lambda: list(home.service.worker.get("/approvals")["approvals"]))
    assert second["arguments"]["text"].endswith("below the mat.")
    assert home.hook.titles == ["Room"]
    home.service.command("approve", "no", second["id"])
    done = home.ended(run)
    assert (done["state"], done["tier"]) == ("done", "frontier")
    assert home.hook.titles == ["Room"]
    assert "below the mat" not in json.dumps(home.hook.asked)
    assert "One letter is out." in home.delivered("letters.txt")
    assert len(home.frontier.bodies) == asked + 2
    calls = home.service.worker.get(f"/runs/{run}/calls")["calls"]
    said = [(one["tool"], one["verdict"]) for one in calls if one["rule"] == "approval"]
    assert list(dict.fromkeys(said)) == [("send", "allow"), ("send", "refuse")]
