"""mlx-lm of another time behind the whole program: 0.30.7, and the pair of it that dies alive.

What 0.30.7 does worse than the version twotier ships is repaired, or seen as an error, or said to
be out of reach (docs/engines.md). Of the pair 0.30.7 + mlx 0.32.4 no client ever waits for long.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.engines.fixtures import (
    CACHE,
    OLDER_MLX,
    ZOMBIE,
    mlx_environment,
    older_mlx_environment,
    tiny_minimax,
    zombie_environment,
)
from tests.fakes.anthropic_api import FakeAnthropic
from tests.story.service import FRONTIER, Service, eventually, mlx
from tests.toys.tiny_minimax import ARGUMENTS, FINAL, TOOLS, after_the_call
from twotier.engines import environment, pinned
from twotier.engines.base import engine, lock_path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.engine,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="the older pairs are pinned for Linux"),
]

SHIPPED = lock_path(engine("mlx_lm").traits)
OLDER = "mlx-lm 0.30.7 mlx 0.30.6"
# Two minutes by itself, and 30 s without a sign of life; see tests/engines/test_hang.py.
IMPATIENT = "load_seconds = 15\n"
VERY_IMPATIENT = "load_seconds = 12\n"


def cache_of_its_own(folder: Path) -> Path:
    """All three environments, as if this cache had them made; what is pinned stays here."""
    cache = folder / "cache"
    engines = cache / "engines"
    engines.mkdir(parents=True)
    (cache / "models").symlink_to(CACHE / "models")
    made = {
        SHIPPED: mlx_environment(),
        OLDER_MLX: older_mlx_environment(),
        ZOMBIE: zombie_environment(),
    }
    for lock, python in made.items():
        copy = pinned.Pinned(SHIPPED, engines).keep(lock)
        environment.place(copy, engines).symlink_to(python.parent.parent)
    return cache


@pytest.fixture(scope="module")
def frontier() -> Iterator[FakeAnthropic]:
    """The tier that takes over."""
    with FakeAnthropic() as fake:
        yield fake


@dataclass(frozen=True)
class Zombie:
    """A service that has one, and what a client meets who came while it loaded."""

    service: Service
    waiting: Future[Any]


@pytest.fixture(scope="module")
def zombie(tmp_path_factory: pytest.TempPathFactory, frontier: FakeAnthropic) -> Iterator[Zombie]:
    """Its local tier was moved to the pair while it was down; it loads while others are tested."""
    folder = tmp_path_factory.mktemp("zombie")
    cache = cache_of_its_own(folder)
    pins = pinned.Pinned(SHIPPED, cache / "engines")
    pins.hold()
    pins.switch(ZOMBIE)
    env = {"FRONTIER_KEY": frontier.key, "TWOTIER_CACHE": str(cache)}
    local = mlx(tiny_minimax()) + IMPATIENT
    service = Service(folder, local, FRONTIER.format(base_url=frontier.base_url), env=env)
    with contextlib.ExitStack() as stack:
        stack.push(service)
        service.up(ready="frontier")
        log = service.paths.logs / "engine-local.log"
        eventually(lambda: "There is no Stream" in log.read_text(), what="its thread dies")
        assert health(service) == 200
        assert service.tier("local")["state"] == "coming-up"
        clients = stack.enter_context(ThreadPoolExecutor(1))
        yield Zombie(service, clients.submit(asked, service, "hello", streamed=True))


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, frontier: FakeAnthropic, zombie: Zombie
) -> Iterator[Service]:
    """Begun with the version that is shipped, and moved to 0.30.7 by the command for it."""
    assert zombie.waiting
    folder = tmp_path_factory.mktemp("older")
    env = {"FRONTIER_KEY": frontier.key, "TWOTIER_CACHE": str(cache_of_its_own(folder))}
    parts = (mlx(tiny_minimax()), FRONTIER.format(base_url=frontier.base_url))
    with Service(folder, *parts, env=env) as service:
        done = service.command("engine", "upgrade", "mlx_lm", "--lock", str(OLDER_MLX))
        assert f"mlx_lm: upgraded: {OLDER}" in done.stdout
        yield service


@pytest.fixture(scope="module")
def refused(service: Service) -> Iterator[subprocess.Popen[str]]:
    """An upgrade to the pair, under way while others are tested; its own limit is short."""
    config = service.config.with_name("impatient.toml")
    config.write_text(mlx(tiny_minimax()) + VERY_IMPATIENT, encoding="utf-8")
    words = (*service.program, "engine", "upgrade", "mlx_lm", "--lock", str(ZOMBIE))
    with subprocess.Popen(
        words,
        env={**service.env, "TWOTIER_CONFIG": str(config)},
        cwd=service.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        yield command


def health(service: Service) -> int:
    """What the server itself says of its health."""
    (known,) = json.loads(service.command("engine", "why", "--json").stdout)["engines"]
    with urllib.request.urlopen(f"{known['address']}/health", timeout=30) as answer:
        return int(answer.status)


def asked(service: Service, text: str, *, streamed: bool, **more: Any) -> Any:
    """What the SDK makes of it."""
    messages: Any = [{"role": "user", "content": text}]
    ask: Any = {"model": "local", "messages": messages, "tools": TOOLS, **more}
    with service.client() as client:
        if not streamed:
            return client.chat.completions.create(**ask)
        with client.chat.completions.stream(**ask) as stream:
            return stream.get_final_completion()


@pytest.mark.usefixtures("refused")
def test_it_is_started_with_what_it_knows_and_named(service: Service) -> None:
    """Options that came later are left out, so it starts; its version is shown with its figures."""
    tier = service.tier("local")
    assert (tier["state"], tier["speed"]["version"]) == ("ready", OLDER)
    command = Path(f"/proc/{tier['pid']}/cmdline").read_text()
    assert "--decode-concurrency" in command
    assert "--allowed-origins" not in command
    assert "--prompt-cache-bytes" not in command
    assert health(service) == 200


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("text", ["probe", "thinking", "bare", "other"])
def test_calls_it_leaves_as_text_are_calls(service: Service, text: str, streamed: bool) -> None:
    """The block inside the thinking is one more than today's version leaves."""
    (choice,) = asked(service, text, streamed=streamed).choices
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("read_file", ARGUMENTS)
    assert "<" not in (choice.message.content or "")
    assert choice.message.reasoning_content.strip() == "Read it."


@pytest.mark.parametrize("streamed", [False, True])
def test_of_two_calls_in_a_block_it_gives_the_first(service: Service, streamed: bool) -> None:
    """The second is in none of its words, so nobody behind it can know: one call, and whole."""
    (choice,) = asked(service, "two", streamed=streamed).choices
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert json.loads(call.function.arguments) == ARGUMENTS


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("text", "limit"), [("broken", 200), ("probe", 24)])
def test_a_block_without_its_end_is_an_error_or_the_next_tiers(
    service: Service, text: str, limit: int, streamed: bool
) -> None:
    """It closes the connection in mid-answer, by the model's fault or by the limit of tokens."""
    pid = service.tier("local")["pid"]
    with pytest.raises(openai.APIError, match="without finish_reason"):
        asked(service, text, streamed=streamed, max_tokens=limit)
    other = asked(service, text, streamed=streamed, max_tokens=limit, model="auto")
    assert other.choices[0].message.content == f"You said: {text}"
    tier = service.tier("local")
    assert (tier["state"], tier["pid"]) == ("ready", pid)


@pytest.mark.parametrize("streamed", [False, True])
def test_what_it_says_of_usage_is_kept_and_a_cache_is_not_made_up(
    service: Service, streamed: bool
) -> None:
    """It counts tokens, and does not tell how many of them it had read before."""
    more: Any = {"stream_options": {"include_usage": True}} if streamed else {}
    for _ in range(2):
        done = asked(service, "", streamed=streamed, messages=after_the_call(), **more)
        assert done.choices[0].message.content.strip() == FINAL
        assert done.usage.prompt_tokens > 100
        assert done.usage.completion_tokens > 10
        assert done.usage.prompt_tokens_details.cached_tokens == 0
    # It does tell how many it reads now, so what is learned is its speed and not its cache's.
    eventually(lambda: service.tier("local")["speed"]["cached_share"])


def test_a_history_it_would_refuse_is_mended(service: Service) -> None:
    """It answers 404 to arguments that are an object, or no JSON at all."""
    messages = after_the_call()
    (call,) = messages[1]["tool_calls"]
    for arguments in (ARGUMENTS, '{"path": "no'):
        function = {"name": "read_file", "arguments": arguments}
        messages[1] = {**messages[1], "tool_calls": [{**call, "function": function}]}
        assert asked(service, "", streamed=False, messages=messages).choices[0].finish_reason


def test_an_upgrade_to_a_pair_that_does_not_fit_changes_nothing(
    service: Service, refused: subprocess.Popen[str]
) -> None:
    """It is asked for a token beside the one that serves, gives none, and its log says why."""
    said = refused.communicate(timeout=90)[1]
    assert refused.returncode == 1
    assert f"{OLDER} -> mlx-lm 0.30.7 mlx 0.32.4" in said
    assert "do not fit each other" in said
    assert "nothing changed" in said
    assert service.tier("local")["speed"]["version"] == OLDER


def test_a_pair_that_dies_alive_is_never_ready_and_named(zombie: Zombie) -> None:
    """It was alive and its health 200 (see the fixture). Found, it is not started again; clients
    get the reason or the frontier, also one that came before, and going back is one command.
    """
    service = zombie.service
    eventually(lambda: service.tier("local")["state"] == "quarantined", what="it is found")
    with pytest.raises(openai.APIStatusError, match="do not fit each other") as waited:
        zombie.waiting.result(30)
    assert waited.value.status_code == 503
    tier = service.tier("local")
    assert "do not fit each other" in tier["because"]
    assert tier["speed"]["loads"] == 0
    why = service.command("engine", "why").stdout
    assert why.count("  died ") == 1
    assert "There is no Stream" in why
    assert "do not fit each other" in service.command("status").stdout
    assert [one["about"] for one in service.status()["alerts"]] == ["local"]
    found = json.loads(service.command("doctor", "--json").stdout)["findings"]
    assert "twotier engine upgrade mlx_lm" in [one["mend"] for one in found]
    with pytest.raises(openai.APIStatusError, match="do not fit each other"):
        asked(service, "hello", streamed=False)
    other = asked(service, "hello", streamed=True, model="auto")
    assert other.choices[0].message.content == "You said: hello"
    assert "rolled back: mlx-lm 0.32" in service.command("engine", "rollback").stdout
    assert len(asked(service, "two", streamed=False).choices[0].message.tool_calls) == 2
