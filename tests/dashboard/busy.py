"""A service whose jobs have a past: quiet looks, a failure, a paused job, an agent that asks.

    with busy(folder) as home, chromium() as browser:
        page = home.page(browser)
        page.goto(home.at("jobs"))

What models say and what tools are called with is hostile on purpose.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.dashboard.world import Home
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.mind import Said, Thought, answer
from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import FRONTIER, LOCAL_SERVER, Service, eventually

SCRIPT = "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"
TURNED = "invoice\u202etxt.exe"  # reads as "invoiceexe.txt"
COLOURED = "\x1b[31mred\x1b[0m"
LONG = "x" * 65_536
NOTE = f"{SCRIPT}\n{TURNED}\n{COLOURED}"
ENDED = ("done", "failed", "late", "quiet", "interrupted")
JOBS = """
[[jobs]]
name = "inbox"
watch = {{ kind = "files", path = "inbox", settle_seconds = 0.01 }}
every = "30d"
tier = "local-only"
prompt = "Summarise this text in three short lines."
deliver = "file:outbox/{{stem}}.summary.txt"

[[jobs]]
name = "keeper"
cron = "30 6 * * 1-5"  # before work
zone = "America/Los_Angeles"
tier = "local-only"
prompt = "Keep a note."
tools = ["write_file", "read_file"]
approve = "log"
deliver = "webhook:http://127.0.0.1:9/SECRET"

[[jobs]]
name = "shouting"
every = "30d"
tier = "local-only"
prompt = "say: {shout}"
deliver = "file:outbox/shouting.txt"

[[jobs]]
name = "slow"
every = "30d"
tier = "local-only"
prompt = "Wait for me."
deliver = "file:outbox/slow.txt"

[[jobs]]
name = "broken"
every = "30d"
tier = "frontier"
prompt = "fake:bad-gateway"
deliver = "file:outbox/broken.txt"
"""


def keeps(said: Said) -> Thought:
    """Writes a hostile note, then says so; does as it is told otherwise."""
    if "Keep a note" not in said.text:
        return answer(said)
    if said.results:
        return Thought(f"Kept. {said.results[-1]}")
    return Thought("I keep it.", [("write_file", {"path": "note.md", "text": NOTE})])


@contextlib.contextmanager
def busy(folder: Path, *, looks: int = 6) -> Iterator[Home]:
    """The service with a past: `looks` quiet ones, and one run of each other job."""
    with FakeOpenAI(mind=keeps) as local, FakeAnthropic() as frontier:
        text = LOCAL_SERVER.format(base_url=local.base_url + "/v1")
        text += FRONTIER.format(base_url=frontier.base_url)
        text += JOBS.format(shout=shout())
        env = {"FRONTIER_KEY": frontier.key, "HOME": str(folder)}
        with Service(folder, text, env=env) as service:
            home = Home(service, local, frontier)
            past(home, looks)
            yield home


def shout() -> str:
    """What a model is made to say, as it may stand between the quotes of a TOML text."""
    said = f"{SCRIPT} {TURNED} {COLOURED} {LONG}"
    return said.replace("\\", "\\\\").replace('"', '\\"').replace("\x1b", "\\u001b")


def past(home: Home, looks: int) -> None:
    """What has happened before anybody looks."""
    worker = home.service.worker
    (home.service.folder / "inbox" / "a.txt").write_text(SCRIPT, encoding="utf-8")
    ordered(home, "inbox")
    for _ in range(looks):
        ordered(home, "inbox")
    for job in ("shouting", "broken"):
        ordered(home, job)
    worker.post("/jobs/broken/pause")


def ordered(home: Home, job: str) -> str:
    """A run of a job, over when this returns."""
    run = str(home.service.worker.post(f"/jobs/{job}/run")["run"])
    eventually(
        lambda: home.service.worker.get(f"/runs/{run}")["state"] in ENDED, what=f"{run} is over"
    )
    return run


def asks(home: Home) -> str:
    """A run of `keeper` that waits for a yes."""
    run = str(home.service.worker.post("/jobs/keeper/run")["run"])
    eventually(
        lambda: home.service.worker.get(f"/runs/{run}")["state"] == "waiting-approval",
        what=f"{run} waits",
    )
    return run
