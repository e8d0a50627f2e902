"""F21: twelve secrets through every error path, at debug level: none of them is anywhere.

Not in a log, a database, an answer, a page, a span, a metric, a backup, a command's output or line,
nor in the environment of a child that has no use for it. An upstream that quotes our key back is
the worst.
"""

from __future__ import annotations

import asyncio
import stat
import sys
import tarfile
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from aiohttp import web

import tests.toys.mcp_server
import tests.toys.server
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.otlp import Collector
from tests.faults.crowd import PATHS
from tests.story.service import Service, eventually
from twotier.dashboard.pages import PAGES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def canary(name: str) -> str:
    """A secret that is found wherever it went."""
    return f"canary-{name}-71b2f0c94e"


# In the environment, each in its own variable.
ENV = {
    name: canary(name.lower().replace("_", "-"))
    for name in (
        *("FRONTIER_KEY", "GH_TOKEN", "MAIL_WORD", "NTFY_TOKEN", "POST_WORD", "SOURCE_WORD"),
    )
}
IN_FILE, IN_ADDRESS, IN_QUERY = canary("in-file"), canary("in-address"), canary("in-query")
HOOK = canary("hook")
WRONG, COOKIE = canary("wrong-key"), canary("cookie")
CONFIG = """
[log]
level = "debug"
[tiers.local]
engine = "openai"
model = "toy"
base_url = "{local}/v1"
[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
base_url = "{frontier}"
key = "env:FRONTIER_KEY"
[tiers.other]
engine = "openai"
model = "gpt-x"
base_url = "http://user:{in_address}@127.0.0.1:9/v1?token={in_query}"
key = "file:other.key"
[tiers.kept]
engine = "openai"
model = "toy"
command = ["{python}", "-I", "{server}", "--port", "{{port}}"]
[telemetry]
otlp_endpoint = "{collector}"
[tools.mcp.toy]
command = ["{python}", "{mcp}"]
tools = ["environment"]
[ntfy]
url = "{dead}"
token = "env:NTFY_TOKEN"
[alerts]
to = "ntfy:topic"
[[jobs]]
name = "env"
every = "1h"
tier = "local-only"
prompt = "Say what is new."
deliver = "webhook:{dead}/{hook}"
watch = {{ kind = "command", argv = ["env"] }}
[[jobs]]
name = "git"
every = "1h"
prompt = "Say what is new."
watch = {{ kind = "github-issues", repo = "a/b", token = "env:GH_TOKEN", api = "{dead}" }}
[[jobs]]
name = "mail"
every = "1h"
prompt = "Say what is new."
[jobs.watch]
kind = "imap"
host = "127.0.0.1"
port = 9
user = "me"
password = "env:MAIL_WORD"
security = "plain"
[[jobs]]
name = "source"
every = "1h"
prompt = "Say what is new."
[jobs.watch]
kind = "http"
url = "{dead}/x"
items = "items"
id = "id"
secret = "env:SOURCE_WORD"
[[jobs]]
name = "mcp"
every = "1h"
tier = "local-only"
prompt = "Say what is new."
watch = {{ kind = "mcp", server = "toy", tool = "environment" }}
[[jobs]]
name = "posted"
webhook = true
webhook_secret = "env:POST_WORD"
prompt = "Say what was posted."
"""


class Quoting(FakeAnthropic):
    """An upstream whose errors quote the request, headers and all."""

    def __init__(self) -> None:
        super().__init__(key=ENV["FRONTIER_KEY"])
        self.statuses = cycle((400, 401, 500, 529))

    def application(self) -> web.Application:
        """The fake's own, which is never reached."""
        application = super().application()
        application.middlewares.append(self._quote)
        return application

    @web.middleware
    async def _quote(self, request: web.Request, handler: Any) -> web.StreamResponse:
        del handler
        said = f"bad request from {dict(request.headers)}"
        error = {"type": "error", "error": {"type": "api_error", "message": said}}
        return web.json_response(error, status=next(self.statuses))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """The service after all of it, and everything that it said to anybody."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "other.key").write_text(IN_FILE)
    (folder / "other.key").chmod(0o600)
    dead = "http://127.0.0.1:9"
    with Quoting() as frontier, FakeOpenAI() as local, Collector() as collector:
        config = CONFIG.format(
            python=sys.executable,
            server=tests.toys.server.__file__,
            mcp=tests.toys.mcp_server.__file__,
            collector=collector.base_url,
            local=local.base_url,
            frontier=frontier.base_url,
            dead=dead,
            in_address=IN_ADDRESS,
            in_query=IN_QUERY,
            hook=HOOK,
        )
        env = {**ENV, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        with Service(folder, config, env=env) as service:
            eventually(lambda: service.tier("kept")["state"] == "ready")
            said = asyncio.run(asked(service))
            for job in ("env", "git", "mail", "source", "mcp"):
                said += whatever(service, "job", "run", job)
            for words in COMMANDS:
                said += whatever(service, *words.split())
            said += pages(service)
            eventually(lambda: len(collector.spans) >= 5, what="spans")
            said += b"".join(collector.bodies).decode("latin-1")
            yield service, said


COMMANDS = (
    *("status", "status --json", "doctor", "doctor --json", "config show", "config show --json"),
    *("spend --by model", "runs --json", "job list --json", "models list --json", "watch list"),
    *("notify test", "key list --json", "tools list --json", "route hello --json", "budget list"),
    *("security audit", "security audit --json", "approve list --json", "mcp-servers test toy"),
    *("engine why kept --json", "engine log kept", "savings --json", "route --help", "runs nobody"),
)


def whatever(service: Service, *words: str) -> str:
    """What a command says, however it ends."""
    for code in (0, 1, 2, 3, 4):
        try:
            done = service.command(*words, code=code)
        except AssertionError as exc:
            text = str(exc)
            continue
        return done.stdout + done.stderr
    return text


async def asked(service: Service) -> str:
    """Every path and tier, with wrong keys and odd headers: what came back."""
    key = service.paths.client_key.read_text(encoding="ascii").strip()
    address = service.status()["address"]
    said = ""
    odd: list[Mapping[str, str]] = [
        {"authorization": f"Bearer {key}", "cookie": COOKIE},
        {"authorization": f"Bearer {WRONG}"},
        {"x-api-key": WRONG},
    ]
    turns = [{"role": "user", "content": "say: hi"}]
    async with aiohttp.ClientSession() as session:
        for path in (*PATHS.values(), "/v1/messages/count_tokens", "/metrics", "/v1/models"):
            for model in ("frontier", "other", "local", "auto", "nobody"):
                for headers in odd:
                    body = {"model": model, "messages": turns, "input": "hi", "max_tokens": 9}
                    async with session.post(address + path, json=body, headers=headers) as reply:
                        said += await reply.text() + str(reply.headers)
                    async with session.get(address + path, headers=headers) as reply:
                        said += await reply.text() + str(reply.headers)
    return said


def pages(service: Service) -> str:
    """Every page of the dashboard and the beginning of its stream, as who is logged in sees it."""
    address = service.status()["address"]
    run = service.runs()[0]["id"]
    filled = {"name": "env", "id": run, "by": "tier", "request": "req_none"}
    ways = [place.path.format_map(filled) for place in PAGES]

    async def seen() -> str:
        told = service.main.post("/control/dashboard")
        jar = aiohttp.CookieJar(unsafe=True)
        found = ""
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            form, ours = {"code": told["code"]}, {"origin": address}
            async with session.post(f"{address}/ui/login", data=form, headers=ours) as reply:
                assert reply.status == 200, await reply.text()
            for path in ways:
                async with session.get(f"{address}/ui/{path}") as reply:
                    assert reply.status in (200, 404), (path, reply.status)
                    found += await reply.text() + str(reply.headers)
                async with session.get(f"{address}/ui/live/{path}") as reply:
                    found += (await reply.content.readany()).decode()
        return found

    return asyncio.run(seen())


SECRETS = [*ENV.values(), IN_FILE, IN_ADDRESS, IN_QUERY, HOOK, WRONG, COOKIE]


def test_nobody_was_told(told: tuple[Service, str]) -> None:
    """Neither clients nor people at a terminal, whatever the upstream quoted."""
    _, said = told
    assert "bad request from" in said, "the upstream was never asked"
    assert [secret for secret in SECRETS if secret in said] == []


def test_nothing_was_written_down(told: tuple[Service, str]) -> None:
    """No file of ours holds one: logs at debug level, databases and their logs, records."""
    service, _ = told
    found = {
        (file.name, secret)
        for file in service.paths.state.rglob("*")
        if file.is_file()
        for raw in [file.read_bytes()]
        for secret in SECRETS
        if secret.encode() in raw
    }
    assert found == set()
    assert (service.paths.logs / "main.log").stat().st_size > 1_000


def test_no_child_has_what_it_does_not_need(told: tuple[Service, str]) -> None:
    """The frontier's key is main's alone, and no command line holds any secret."""
    service, _ = told
    main = psutil.Process(int(service.status()["pid"]))
    children = main.children(recursive=True)
    eventually(lambda: bool(children))
    for process in (main, *children):
        line = " ".join(process.cmdline())
        assert [secret for secret in SECRETS if secret in line] == [], line
    for child in children:
        assert ENV["FRONTIER_KEY"] not in str(child.environ()), child.cmdline()
        assert IN_FILE not in str(child.environ())
    # A model's server and an MCP server have none at all, not even those of the jobs.
    for toy in (tests.toys.server.__file__, tests.toys.mcp_server.__file__):
        (found,) = [child for child in children if toy in child.cmdline()]
        assert [secret for secret in SECRETS if secret in str(found.environ())] == [], toy
        assert not any(name in found.environ() for name in ENV), toy


def test_no_backup_holds_what_lies_elsewhere(told: tuple[Service, str]) -> None:
    """It is for its owner alone; what the configuration itself says is in it, and no key is."""
    service, _ = told
    done = service.command("backup", "copy.tar.gz")
    file = service.folder / "copy.tar.gz"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    elsewhere = [*ENV.values(), IN_FILE, WRONG, COOKIE]
    with tarfile.open(file) as archive:
        names = archive.getnames()
        held = [archive.extractfile(one) for one in archive.getmembers() if one.isfile()]
        text = b"".join(one.read() for one in held if one is not None)
    assert any("ledger" in name for name in names)
    assert [secret for secret in elsewhere if secret.encode() in text] == []
    assert [secret for secret in SECRETS if secret in done.stdout + done.stderr] == []


def test_all_that_was_made_is_for_its_owner_alone(told: tuple[Service, str]) -> None:
    """Databases and what SQLite lays beside them, logs, keys, sockets, records; every folder."""
    service, _ = told
    found = [service.paths.state, *service.paths.state.rglob("*")]
    open_ = {
        str(path.relative_to(service.folder)): oct(path.lstat().st_mode)
        for path in found
        if path.lstat().st_mode & 0o077
    }
    assert open_ == {}
    assert sum(path.is_file() for path in found) > 10
    kinds = {stat.S_IFMT(path.lstat().st_mode) for path in found}
    assert kinds == {stat.S_IFDIR, stat.S_IFREG, stat.S_IFSOCK}


def test_what_a_command_of_a_job_sees_is_no_secret(told: tuple[Service, str]) -> None:
    """Its whole environment became the text of an item, which lies in work.db."""
    service, _ = told
    runs = service.runs("env")
    assert runs, "it never ran"
    text = (service.folder / "up.log").read_text() + str(runs)
    assert Path(service.paths.work).exists()
    assert [secret for secret in SECRETS if secret in text] == []
