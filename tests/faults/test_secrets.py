"""F21: twelve secrets through every error path, at debug level: none of them is anywhere.

Not in a log, a database, an answer, a page of metrics, a command's output or line, nor in the
environment of a child that has no use for it. An upstream that quotes our key back is the worst.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from aiohttp import web

from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI
from tests.faults.crowd import PATHS
from tests.story.service import Service, eventually

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
    with Quoting() as frontier, FakeOpenAI() as local:
        config = CONFIG.format(
            local=local.base_url,
            frontier=frontier.base_url,
            dead=dead,
            in_address=IN_ADDRESS,
            in_query=IN_QUERY,
            hook=HOOK,
        )
        with Service(folder, config, env=ENV) as service:
            said = asyncio.run(asked(service))
            for job in ("env", "git", "mail", "source"):
                said += whatever(service, "job", "run", job)
            for words in COMMANDS:
                said += whatever(service, *words.split())
            yield service, said


COMMANDS = (
    *("status", "status --json", "doctor", "doctor --json", "config show", "config show --json"),
    *("spend --by model", "runs --json", "job list --json", "models list --json", "watch list"),
    *("notify test", "key list --json", "tools list --json", "route hello --json", "budget list"),
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


def test_what_a_command_of_a_job_sees_is_no_secret(told: tuple[Service, str]) -> None:
    """Its whole environment became the text of an item, which lies in work.db."""
    service, _ = told
    runs = service.runs("env")
    assert runs, "it never ran"
    text = (service.folder / "up.log").read_text() + str(runs)
    assert Path(service.paths.work).exists()
    assert [secret for secret in SECRETS if secret in text] == []
