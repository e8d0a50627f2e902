"""Jobs as their owner has them, through the whole program: ready ones, an agent on a real small
model, the other tier carrying on, posts from outside. What it cost is the bill, to the last cent.
"""

from __future__ import annotations

import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web

from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.mind import Said, Thought, answer
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.serving import Served
from tests.story.service import FRONTIER, LOCAL_SERVER, Service, eventually

pytestmark = [pytest.mark.slow, pytest.mark.engine]

SECRETS = {
    "HOOK_SECRET": "hook-secret-0123456789abcdef",
    "BRAVE_KEY": "brave-key-0123456789abcdef",
}
SEARCH_MICROUSD = 5_000
TINY = '[tiers.tiny]\nengine = "llama_cpp"\nmodel = "starter"\nwindow_tokens = 4096\n'
JOBS = """
[tools]
private_ok = ["{site}"]

[[jobs]]
name = "posted"
webhook = true
webhook_secret = "env:HOOK_SECRET"
tier = "local-only"
prompt = "What is this about?"
deliver = "file:outbox/{{stem}}.txt"

[[jobs]]
name = "small"
every = "12h"
enabled = false
tier = "local-only"
model = "tiny"
tools = ["read_file"]
steps_max = 3
output_tokens_max = 24
prompt = "Read note.txt with the tool read_file, then say in a line what is in it."
"""
FORM = """
[[jobs]]
name = "{name}"
tier = "{tier}"
prompt = "Which colour is it?"
answer_schema = {{ type = "object", properties = {{ colour = {{ enum = ["red", "blue"] }} }}, \
required = ["colour"] }}
deliver = "file:outbox/{name}.json"
"""
LATER = 'every = "12h"\nenabled = false\n'
FOUND = (
    'watch = {{ kind = "files", path = "{name}", every = "12h", settle_seconds = 0.0 }}\n'
    "each = false\nenabled = false\n"
)
# Name, tier, and what else the job says. Nothing that the local tier says has the form asked for.
FORMS = (
    ("sorter", "local-then-frontier", LATER + 'when_local_is_down = "wait"\n'),
    ("poor", "local-then-frontier", LATER + "budget_usd = 0.000001\n"),
    ("home", "local-only", LATER),
    ("pinned", "local-then-frontier", LATER + 'model = "local"\n'),
    ("strange", "local-then-frontier", FOUND + "quarantine = false\n"),
    ("apart", "local-then-frontier", FOUND + "escalate = true\n"),
    (
        "allowed",
        "local-then-frontier",
        FOUND + "quarantine = false\nescalate = true\nescalations_max = 1\n",
    ),
)
LAMPS = "Oil burns slowly in a lamp of brass. " * 500


class Internet(Served):
    """Brave's search, and two pages."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[str] = []
        self.keys: set[str] = set()
        self.pages: list[str] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/search", self.search)
        app.router.add_get("/{page}", self.page)
        return app

    async def search(self, request: web.Request) -> web.Response:
        self.queries.append(request.query["q"])
        self.keys.add(request.headers["x-subscription-token"])
        page = "gold" if "gold" in request.query["q"] else "lamps"
        found = {"title": f"About {page}", "url": f"{self.base_url}/{page}", "description": "All."}
        return web.json_response({"web": {"results": [found]}})

    async def page(self, request: web.Request) -> web.Response:
        self.pages.append(request.path)
        text = LAMPS if request.path == "/lamps" else "Gold stands at 2,345 dollars."
        return web.Response(
            text=f"<html><body><p>{text}</p></body></html>", content_type="text/html"
        )


def reads(said: Said) -> Thought:
    """The local tier: it reads, and never finds the form that is asked for."""
    if said.schema is not None:
        return Thought("Some colour, I think.")
    if "How long does a lamp burn" in said.text:
        return Thought("Nine hours.")
    return answer(said)


class Home:
    """The service with everything outside played, and the jobs of its owner."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.internet = stack.enter_context(Internet())
        self.frontier = stack.enter_context(FakeAnthropic(mind=self.thinks))
        self.local = stack.enter_context(FakeOpenAI(mind=reads))
        forms = (
            FORM.format(name=name, tier=tier) + more.format(name=name) for name, tier, more in FORMS
        )
        self.service = Service(
            folder,
            LOCAL_SERVER.format(base_url=self.local.base_url),
            TINY,
            FRONTIER.format(base_url=self.frontier.base_url),
            JOBS.format(site=self.internet.base_url.removeprefix("http://")),
            *forms,
            env={"FRONTIER_KEY": self.frontier.key, **SECRETS},
        )
        for name in ("notes", "posts", "questions", "strange", "apart", "allowed"):
            (folder / name).mkdir()
        self.ready_jobs()
        stack.enter_context(self.service)

    def thinks(self, said: Said) -> Thought:
        """The frontier: each answer follows from the last thing it was told."""
        if said.schema is not None:
            return Thought('{"colour": "red"}')
        last = "\n".join(said.results) or said.text
        site = self.internet.base_url
        task = {"task": "How long does a lamp burn?", "files": [f"{site}/lamps"]}
        for heard, thought in {
            "Write a blog post": Thought("", [("list_files", {})]),
            "old.md": Thought("", [("read_file", {"path": "old.md"})]),
            "Dry as bread.": Thought("# Toasters\n\nThey get hot."),
            "Compile a morning brief": Thought("", [("search", {"query": "price of gold"})]),
            "About gold": Thought("", [("fetch", {"url": f"{site}/gold"})]),
            "2,345 dollars": Thought("Gold: 2,345 dollars."),
            "a report of one to two pages": Thought("", [("search", {"query": "oil lamps"})]),
            "About lamps": Thought("", [("delegate", task)]),
            "Nine hours.": Thought("A lamp burns nine hours."),
        }.items():
            if heard in last:
                return thought
        return Thought(f"I did not expect this: {last}")

    def add(self, template: str, **answers: str) -> str:
        """As a person types it."""
        words = [word for key, value in answers.items() for word in ("--set", f"{key}={value}")]
        return self.service.command("job", "add", template, *words).stderr

    def ready_jobs(self) -> None:
        """Those of the frontier, before anything runs. Their owner has them run by hand alone."""
        search = {"backend": "brave", "brave_key": "env:BRAVE_KEY"}
        search["searxng"] = f"{self.internet.base_url}/search"
        assert "it could look" in self.add("blog-post")
        told = self.add("market-brief", symbols="gold", deliver="file:outbox/brief.md", **search)
        assert "it runs when twotier does" in told
        self.add("research")
        for path in (self.folder / "jobs").iterdir():
            path.write_text(f"enabled = false\n{path.read_text()}", encoding="utf-8")

    def run(self, job: str) -> dict[str, Any]:
        """A run by hand, to its end."""
        run = self.service.worker.post(f"/jobs/{job}/run")["run"]
        waits = {"wait_seconds": 60}
        found: dict[str, Any] = self.service.worker.get(f"/runs/{run}", waits, seconds=70)
        return found

    def worked(self, job: str) -> dict[str, Any]:
        """The first run that finds something: a file counts when nobody writes to it any more."""
        return eventually(lambda: found if (found := self.run(job))["state"] != "quiet" else None)

    def tools(self, run: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What a run called, and the verdict."""
        calls = self.service.worker.get(f"/runs/{run['id']}/calls")["calls"]
        return [(one["tool"], one["verdict"]) for one in calls if one["event"] == "judged"]

    def delivered(self, name: str) -> str:
        """A file it wrote."""
        return (self.folder / name).read_text(encoding="utf-8").strip()

    def post(self, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
        """To the job that takes posts, from outside; the status and what was said."""
        address = f"{self.service.status()['address']}/hooks/posted"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(address, data=body, headers=named)
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One service for all of it: its start is what takes time."""
    starter_engine_environment(), starter_model()
    with ExitStack() as stack:
        yield Home(tmp_path_factory.mktemp("whole"), stack)


def test_the_ready_jobs_do_what_they_say(home: Home) -> None:
    """From their answers to what is delivered, with their own tools; what is spent is watched."""
    (home.folder / "notes/toasters.txt").write_text("hot", encoding="utf-8")
    (home.folder / "posts/old.md").write_text("Dry as bread.", encoding="utf-8")
    (home.folder / "questions/lamps.txt").write_text("How long?", encoding="utf-8")
    assert "it is live" in home.add("spend-check", above="0.001", every="12h")
    home.service.worker.post("/jobs/spend-check/pause")
    assert home.run("spend-check")["state"] == "quiet"
    written = home.worked("blog-post")
    assert (written["state"], written["tier"], written["items"]) == ("done", "frontier", 1), written
    assert home.tools(written) == [("list_files", "allow"), ("read_file", "allow")]
    assert home.delivered("drafts/toasters.md") == "# Toasters\n\nThey get hot."
    assert home.run("blog-post")["state"] == "quiet"

    briefed = home.run("market-brief")
    assert briefed["state"] == "done", briefed
    assert home.tools(briefed) == [("search", "allow"), ("fetch", "allow")]
    assert home.delivered("outbox/brief.md") == "Gold: 2,345 dollars."
    assert "0.005000" in home.service.command("runs", briefed["id"]).stdout

    asked = len(home.local.bodies)
    found = home.worked("research")
    assert found["state"] == "done", found
    assert home.tools(found) == [("search", "allow"), ("delegate", "allow")]
    assert home.delivered("reports/lamps.md") == "A lamp burns nine hours."
    assert home.internet.pages == ["/gold", "/lamps"]
    read = json.dumps(home.local.bodies[asked:])
    assert read.count("a lamp of brass") == 500
    assert "a lamp of brass" not in json.dumps(home.frontier.bodies)
    assert home.internet.queries == ["price of gold", "oil lamps"]
    assert home.internet.keys == {SECRETS["BRAVE_KEY"]}

    too_much = home.run("spend-check")
    assert (too_much["state"], too_much["tier"]) == ("done", "local"), too_much
    assert home.run("spend-check")["state"] == "quiet"
    bill_is_right(home)


def bill_is_right(home: Home) -> None:
    """The ledger's sums are what those outside charge; a run's are its model's."""
    spent = {key: Decimal(row["cost_usd"]) for key, row in home.service.spend().items()}
    assert spent["frontier"] * 1_000_000 == home.frontier.billed_microusd
    assert spent.get("brave", 0) * 1_000_000 == len(home.internet.queries) * SEARCH_MICROUSD
    assert spent["local"] == 0
    runs = sum(run["cost_microusd"] for run in home.service.runs())
    assert runs == home.frontier.billed_microusd


def test_a_small_model_of_flesh_and_blood_comes_to_an_honest_end(home: Home) -> None:
    """It is not clever: it may call the tool, say something, or get stuck; the run says which."""
    files = home.folder / "jobs-files" / "small"
    files.mkdir(parents=True)
    (files / "note.txt").write_text("The meeting is at nine.", encoding="utf-8")
    eventually(lambda: home.service.tier("tiny")["state"] == "ready", what="tiny ready")
    ended = home.run("small")
    assert ended["state"] in ("done", "failed"), ended
    assert ended["state"] == "done" or ended["because"], ended
    assert (ended["tier"], ended["cost_microusd"]) == ("tiny", 0)
    assert 1 <= ended["model_calls"] <= 3
    (turn,) = home.service.worker.get(f"/runs/{ended['id']}/transcript")["turns"]
    assert [one["role"] for one in turn["messages"][:3]] == ["system", "user", "assistant"]
    steps = home.service.worker.get(f"/runs/{ended['id']}/steps")["steps"]
    names = [one["name"] for one in steps]
    assert names.count("model") == ended["model_calls"]
    assert sum(one.get("tokens", 0) for one in steps) == ended["tokens"]
    assert "transcript" in names
    told = home.service.command("runs", ended["id"]).stdout
    assert ended["state"] in told


def test_the_other_tier_carries_on_where_that_is_allowed(home: Home) -> None:
    """Within its caps; never with what strangers wrote, unless the job says so; never from home."""
    asked = len(home.frontier.bodies)
    done = home.run("sorter")
    assert (done["state"], done["tier"], done["model_calls"]) == ("done", "frontier", 2), done
    assert json.loads(home.delivered("outbox/sorter.json")) == {"colour": "red"}
    assert done["cost_microusd"] == home.frontier.bill[-1].microusd > 0
    assert len(home.frontier.bodies) == asked + 1
    for name in ("strange", "apart", "allowed"):
        (home.folder / f"{name}/one.txt").write_text("It is red, I swear.", encoding="utf-8")
    for name in ("poor", "home", "pinned", "strange", "apart"):
        failed = home.run(name)
        assert (failed["state"], failed["cost_microusd"]) == ("failed", 0), failed
        assert failed["because"], failed
        assert not (home.folder / "outbox" / f"{name}.json").exists()
    (poor,) = home.service.runs("poor")
    for why in ("it is not JSON", "was to carry on", "raise `budget_usd` of the job poor"):
        assert why in poor["because"]
    assert len(home.frontier.bodies) == asked + 1
    assert home.run("allowed")["tier"] == "frontier"
    (home.folder / "allowed/two.txt").write_text("No, blue.", encoding="utf-8")
    assert home.run("allowed")["state"] == "failed"  # one a day
    assert len(home.frontier.bodies) == asked + 2
    bill_is_right(home)


def signed(content: bytes) -> str:
    """A signature, made as anybody would."""
    return "sha256=" + hmac.new(SECRETS["HOOK_SECRET"].encode(), content, sha256).hexdigest()


def stamped(body: bytes, seconds_ago: float) -> dict[str, str]:
    """The headers of a post that says when it was made."""
    stamp = str(int(time.time() - seconds_ago))
    signature = signed(stamp.encode() + b"." + body)
    return {"x_twotier_timestamp": stamp, "x_twotier_signature": signature}


def test_a_post_starts_one_run_and_nobody_else_does(home: Home) -> None:
    """Signed it is taken, once however often it is sent; else nothing is, and nothing is told."""
    body = b'{"action": "opened"}'
    young, old = stamped(body, 10), stamped(body, 600)
    assert home.post(body, x_hub_signature_256=signed(body))[0] == 202
    refused = [
        home.post(b"other", x_hub_signature_256=signed(body)),
        home.post(body),
        home.post(body, **old),
        home.post(body, **(old | {"x_twotier_timestamp": young["x_twotier_timestamp"]})),
    ]
    assert {status for status, _ in refused} == {403}
    assert len({json.dumps(told) for _, told in refused}) == 1
    large = b"x" * 1_000_001
    status, told = home.post(large, x_hub_signature_256=signed(large))
    assert (status, told["error"]["code"]) == (413, "request_too_large")
    ended(home, 1)
    status, told = home.post(body, x_hub_signature_256=signed(body))
    assert (status, told["new"]) == (202, False)
    assert home.post(body, **young)[1]["new"]
    assert not home.post(body, **young)[1]["new"]
    runs = ended(home, 2)
    assert [(run["state"], run["trigger"], run["items"]) for run in runs] == [
        ("done", "webhook", 1)
    ] * 2
    no_secret_is_told(home)


def ended(home: Home, count: int) -> Sequence[Mapping[str, Any]]:
    """The runs of posts, when there are so many and all have ended."""
    return eventually(
        lambda: runs if len(runs := home.service.runs("posted", "done")) >= count else None
    )


def no_secret_is_told(home: Home) -> None:
    """Not in a log, not in a list of processes; a post is no business of a log either."""
    logs = [path.read_text(encoding="utf-8") for path in home.service.paths.logs.iterdir()]
    assert home.service.process is not None
    top = psutil.Process(home.service.process.pid)
    words = [word for one in (top, *top.children(recursive=True)) for word in one.cmdline()]
    told = "\n".join([*logs, home.service.said(), *words])
    for secret in (*SECRETS.values(), home.frontier.key, "opened"):
        assert secret not in told
