"""Several clients with keys of their own, against the whole program as it runs."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anthropic
import openai
import pytest

from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import FRONTIER, LOCAL_SERVER, Service, eventually

pytestmark = pytest.mark.slow

OPEN = """
host = "0.0.0.0"
allowed_hosts = ["nas.local"]
allowed_origins = ["https://chat.example.org"]
public_url = "https://nas.local/models"
"""
# Of clients that no other test here has.
RULES = """
[[rules]]
name = "held"
client = "notes-*"
policy = "local-only"

[[rules]]
name = "team"
client = ["ops-*", "notes-*"]
header = { x-team = "ops" }
side = "frontier"

[[rules]]
name = "small"
client = "ops-*"
model = "claude-haiku-*"
tier = "local"
"""


@dataclass
class World:
    """What runs while these tests do."""

    service: Service
    local: FakeOpenAI
    frontier: FakeAnthropic

    def key(self, *words: str) -> str:
        """A command of `twotier key`, and what it printed."""
        return self.service.command("key", *words).stdout.strip()

    def chat(self, key: str, model: str, **more: Any) -> str:
        """One answer, and the tier it came from."""
        with self.service.client(key=key) as client:
            raw = client.chat.completions.with_raw_response.create(
                model=model, messages=[{"role": "user", "content": "say: hi"}], max_tokens=9, **more
            )
            return raw.headers["x-twotier-tier"]


def tiers(local: FakeOpenAI, frontier: FakeAnthropic) -> tuple[str, str]:
    """The configuration of both."""
    return (
        LOCAL_SERVER.format(base_url=f"{local.base_url}/v1"),
        FRONTIER.format(base_url=frontier.base_url),
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A local server, the frontier, and twotier between them."""
    folder = tmp_path_factory.mktemp("keys")
    with FakeOpenAI() as local, FakeAnthropic() as frontier:
        env = {"FRONTIER_KEY": frontier.key}
        with Service(folder, *tiers(local, frontier), RULES, env=env) as service:
            yield World(service, local, frontier)


def test_a_key_is_made_used_changed_and_removed_while_twotier_runs(world: World) -> None:
    """Each command is in force when it has ended; a removed key is dead with the next request."""
    key = world.key("add", "macbook")
    assert key.startswith("tt-")
    assert world.chat(key, "local") == "local"
    assert world.chat(key, "opus") == "frontier"
    world.key("set", "macbook", "--policy", "local-only")
    with pytest.raises(openai.PermissionDeniedError, match="local-only"):
        world.chat(key, "opus")
    assert world.chat(key, "local") == "local"
    assert "removed macbook" in world.key("remove", "macbook")
    with pytest.raises(openai.AuthenticationError, match="not known here"):
        world.chat(key, "local")
    assert world.service.spend(by="client")["macbook"]["requests"] == 3


def test_rules_of_the_owners_hold_on_the_wire(world: World) -> None:
    """A header chooses for one client and lifts nothing for another; a name means what the owner
    says. `twotier route` says the same before.
    """
    ops, notes = world.key("add", "ops-1"), world.key("add", "notes-1")
    team = {"extra_headers": {"X-Team": "ops"}}
    assert world.chat(ops, "auto", **team) == "frontier"
    assert world.chat(ops, "claude-haiku-4-5") == "local"
    assert world.chat(notes, "auto", **team) == "local"
    with pytest.raises(openai.PermissionDeniedError, match="local-only"):
        world.chat(notes, "opus", **team)
    said = world.service.command("route", "hi", "--client", "notes-1", "--header", "x-team: ops")
    assert said.stdout.startswith("local: rule held")
    assert {"held", "small", "team"} <= set(world.service.spend(by="rule"))


def test_the_list_names_the_clients_and_shows_no_key(world: World) -> None:
    """What each may do, what it has spent, when it asked last."""
    key = world.key("add", "phone", "--budget-usd", "5", "--period", "week")
    world.chat(key, "opus")
    eventually(lambda: "phone" in world.service.main.get("/control/keys")["used"])
    listed = world.key("list")
    line = next(line for line in listed.splitlines() if line.startswith("phone"))
    assert "$5.00 per week, then stop" in line
    assert key not in listed
    told = {one["name"]: one for one in json.loads(world.key("list", "--json"))["keys"]}
    assert told["phone"]["used_at"] is not None
    assert float(told["phone"]["spent_usd"]) > 0
    assert told["default"]["budget"] is None
    assert "key phone: $" in world.service.command("status").stdout


def test_a_keys_budget_stops_that_key_alone(world: World) -> None:
    """402 names the key and when it may go on; the others do not notice."""
    key = world.key("add", "tablet", "--budget-usd", "0.03")
    assert world.chat(key, "opus") == "frontier"
    with pytest.raises(openai.APIStatusError) as refused:
        world.chat(key, "opus", extra_body={"max_tokens": 2000})
    assert refused.value.status_code == 402
    assert "key tablet: the limit of $0.0300 per day" in refused.value.message
    assert "It resets at " in refused.value.message
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert world.chat("", "opus", extra_body={"max_tokens": 2000}) == "frontier"
    world.key("set", "tablet", "--budget-usd", "1")
    assert world.chat(key, "opus", extra_body={"max_tokens": 2000}) == "frontier"


def test_at_the_limit_a_key_stops_or_goes_on_where_it_is_free(world: World) -> None:
    """Stop refuses free work too, and is the default; local-only sends `auto` to the free tier."""
    key = world.key("add", "kiosk", "--budget-usd", "0")
    for model in ("local", "opus", "auto"):
        with pytest.raises(openai.APIStatusError, match="key kiosk: the limit") as refused:
            world.chat(key, model)
        assert refused.value.status_code == 402
    world.key("set", "kiosk", "--at-limit", "local-only")
    assert world.chat(key, "local") == "local"
    assert world.chat(key, "auto") == "local"
    with pytest.raises(openai.APIStatusError, match="key kiosk: the limit"):
        world.chat(key, "opus")
    world.key("set", "kiosk", "--no-budget")
    assert world.chat(key, "opus") == "frontier"


def test_no_sdk_repeats_a_refused_budget_and_each_can_read_it(world: World) -> None:
    """Three SDKs that repeat by themselves what may get better: three requests, none of them paid.

    What a script wants to know stands in fields of the body and in headers.
    """
    key, base = world.key("add", "shelf", "--budget-usd", "0"), world.service.status()["address"]
    before, paid = world.service.status()["requests"]["since_start"], len(world.frontier.bill)
    messages: list[Any] = [{"role": "user", "content": "say: hi"}]
    refused: list[Any] = []
    with (
        openai.OpenAI(base_url=f"{base}/v1", api_key=key) as one,
        anthropic.Anthropic(base_url=base, api_key=key) as other,
    ):
        for ask in (
            lambda: one.chat.completions.create(model="opus", messages=messages),
            lambda: one.responses.create(model="opus", input="say: hi"),
            lambda: other.messages.create(model="opus", max_tokens=9, messages=messages),
        ):
            with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as caught:
                ask()
            refused.append(caught.value)
    assert world.service.status()["requests"]["since_start"] == before + 3
    assert len(world.frontier.bill) == paid
    for error in refused:
        assert error.status_code == 402
        assert error.response.headers["x-twotier-budget-limit-usd"] == "0.000000"
        said = error.response.json()["error"]
        fields = said.get("details", said)["budget"]
        assert fields["resets_at"] == error.response.headers["x-twotier-budget-resets-at"]
        assert datetime.fromisoformat(fields["resets_at"]) > datetime.now(UTC)
    assert world.service.command("status").stdout.count("3 refused") == 1
    assert "key shelf: $" in world.service.command("spend").stdout


def test_a_header_narrows_what_a_key_may_and_does_not_widen_it(world: World) -> None:
    """Also for the key that everybody has."""
    key = world.key("add", "paper", "--policy", "frontier")
    assert world.chat(key, "auto") == "frontier"
    local_only = {"x-twotier-policy": "local-only"}
    assert world.chat(key, "auto", extra_headers=local_only) == "local"
    world.key("set", "default", "--policy", "local-only")
    with pytest.raises(openai.PermissionDeniedError):
        world.chat("", "opus", extra_headers={"x-twotier-policy": "frontier"})
    world.key("set", "default", "--policy", "auto")
    assert world.chat("", "opus") == "frontier"


def test_keys_made_at_the_same_time_all_work(world: World) -> None:
    """Four commands at once, one main: nobody's key is lost, on disk or in the main that runs."""
    names = [f"twin-{number}" for number in range(4)]
    commands = [
        subprocess.Popen(
            (*world.service.program, "key", "add", name),
            env=world.service.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for name in names
    ]
    keys = [command.communicate(timeout=60)[0].strip() for command in commands]
    assert [world.chat(key, "local") for key in keys] == ["local"] * 4


def test_no_key_lies_in_the_folder(world: World) -> None:
    """Not in a log, not in a database, not in the key file: only its digest."""
    key = world.key("add", "canary")
    world.chat(key, "local")
    with pytest.raises(openai.AuthenticationError):
        world.chat(f"{key}x", "local")
    for path in world.service.folder.rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes(), path


def ended(service: Service) -> subprocess.CompletedProcess[str]:
    """A `twotier up` that does not start."""
    return service.command("up", code=2)


def test_an_open_address_needs_a_key_for_somebody_and_answers_by_its_names(tmp_path: Path) -> None:
    """Without one it does not start, and says what to do; then it is reached as configured."""
    with FakeOpenAI() as local, FakeAnthropic() as frontier:
        service = Service(
            tmp_path, *tiers(local, frontier), env={"FRONTIER_KEY": "x"}, gateway=OPEN
        )
        assert "gateway.host 0.0.0.0 can be reached" in ended(service).stderr
        assert "`twotier key add NAME`" in ended(service).stderr
        key = service.command("key", "add", "laptop").stdout.strip()
        with service:
            assert "at https://nas.local/models" in service.said()
            check_names(fetcher(service), key)
            check_pages(fetcher(service), key)


Fetch = Callable[..., tuple[int, Mapping[str, str], str]]


def fetcher(service: Service) -> Fetch:
    """Asks the port itself, with any Host."""
    port = urlsplit(service.status()["address"]).port

    def fetch(
        path: str, *, method: str = "GET", **headers: str
    ) -> tuple[int, Mapping[str, str], str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request(method, path, headers=named)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read().decode()

    return fetch


def check_names(fetch: Fetch, key: str) -> None:
    """The names of the list, this machine's own, and no other, on every path."""
    for host in ("nas.local", "NAS.local:443", "localhost", "127.0.0.1:1"):
        assert fetch("/v1/models", host=host, x_api_key=key)[0] == 200
    for path in ("/v1/models", "/healthz", "/v1/chat/completions", "/nowhere"):
        status, _, body = fetch(path, host="evil.example", x_api_key=key)
        assert (status, "gateway.allowed_hosts" in body) == (403, True)


def check_pages(fetch: Fetch, key: str) -> None:
    """A page of the configured origin can ask and read; every other one is refused."""
    page = {"host": "nas.local", "origin": "https://chat.example.org"}
    status, headers, _ = fetch(
        "/v1/chat/completions",
        method="OPTIONS",
        access_control_request_method="POST",
        access_control_request_headers="authorization,content-type",
        **page,
    )
    assert (status, headers["access-control-allow-origin"]) == (204, "https://chat.example.org")
    assert headers["access-control-allow-headers"] == "authorization,content-type"
    for given, expected in ((key, 200), ("wrong", 401)):
        status, headers, _ = fetch("/v1/models", x_api_key=given, **page)
        assert (status, headers["access-control-allow-origin"]) == (expected, page["origin"])
    status, headers, _ = fetch("/v1/models", host="nas.local", x_api_key=key)
    assert not [name for name in headers if name.startswith("access-control")]
    for path in ("/v1/models", "/healthz"):
        stranger = {"host": "nas.local", "origin": "https://evil.example", "x_api_key": key}
        status, headers, _ = fetch(path, method="GET", **stranger)
        assert status == 403
        assert not [name for name in headers if name.startswith("access-control")]


def test_a_broken_key_file_stops_a_start_and_disturbs_no_running_main(tmp_path: Path) -> None:
    """It is never taken for a file without keys."""
    with FakeOpenAI() as local, FakeAnthropic() as frontier:
        service = Service(tmp_path, *tiers(local, frontier), env={"FRONTIER_KEY": "x"})
        with service:
            world = World(service, local, frontier)
            key = world.key("add", "phone")
            good = service.paths.key_file.read_bytes()
            service.paths.key_file.write_text("{")
            assert "restore it" in service.command("key", "add", "tablet", code=2).stderr
            assert world.chat(key, "local") == "local"
        assert "keys.json cannot be used" in ended(service).stderr
        assert service.command("key", "list", code=2).stdout == ""
        service.paths.key_file.write_bytes(good)
        with service:
            assert world.chat(key, "local") == "local"
