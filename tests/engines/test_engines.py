"""The real servers, started and kept by the product's own keeper."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.engines.fixtures import (
    mlx_environment,
    starter_engine_environment,
    starter_model,
    tiny_minimax,
)
from tests.supervisor.kept import runs
from tests.toys.client import chat, one_token
from tests.toys.tiny_minimax import ARGUMENTS, FINAL, TOOLS, after_the_call, says
from twotier.clock import SystemClock
from twotier.domain.endpoint import Endpoint
from twotier.engines import asked
from twotier.engines.base import REGISTRY, Settings, engine, identity, lock_path
from twotier.errors import ConfigError, EngineError
from twotier.supervisor.keeper import Keeper
from twotier.supervisor.process import Processes
from twotier.supervisor.spec import Change, KeptSpec

NOWHERE = Path("/nowhere")


def keeper_of(name: str, folder: Path, *, python: Path, model: Path) -> Keeper:
    """The product's keeper round the product's description of an engine."""
    kind = engine(name)
    settings = Settings(window_tokens=2048, parallel=2)
    spec = KeptSpec(
        name=name,
        launch=lambda port: kind.launch(python, model, port=port, settings=settings),
        ready=one_token(kind.model_upstream("any/model")),
        log_path=folder / f"{name}.log",
        record_path=folder / f"{name}.json",
        identity=identity(model),
        load_seconds_max=240.0,
        stop_grace_seconds=240.0,  # it goes when it is asked to: nobody is killed for being slow
    )

    def note(change: Change) -> None:
        print(change)  # noqa: T201 - pytest shows it when the test fails

    return Keeper(spec, Processes(), clock=SystemClock(), random=random.random, on_change=note)


@contextlib.asynccontextmanager
async def kept(keeper: Keeper) -> AsyncIterator[Keeper]:
    """Run it, and leave nothing behind."""
    async with asyncio.TaskGroup() as group:
        owner = group.create_task(keeper.run())
        try:
            yield keeper
        finally:
            await keeper.stop()
            owner.cancel()


def body(messages: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "model": "default_model",
        "messages": messages,
        "max_tokens": 200,
        "temperature": 0,
    } | more


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_an_engine_says_what_is_fixed_about_it(name: str) -> None:
    """The table names the engine as it names itself; a managed one has its lock, with hashes."""
    traits = engine(name).traits
    assert traits.name == name
    assert traits.base_path == "/v1"
    assert {"messages", "max_tokens", "tools"} <= traits.fields["openai_chat"]
    if traits.lock:
        text = lock_path(traits).read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"llama_cpp, .*mlx_lm, ollama, openai"):
        engine("lama")


def test_a_managed_engine_listens_on_loopback_only_and_gets_no_foreign_pages() -> None:
    """Nobody but this machine may ask it, and no page of a browser."""
    launch = engine("mlx_lm").launch(NOWHERE, NOWHERE, port=4711, settings=Settings(4096))
    assert "127.0.0.1" in launch.argv
    assert "http://127.0.0.1:4711" in launch.argv
    assert launch.env == {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def test_a_limit_of_the_prompt_cache_reaches_the_engine() -> None:
    """Each in its own unit; without one nothing is said."""
    limited = Settings(4096, prompt_cache_bytes=3 * 1024**3)
    mlx = engine("mlx_lm").launch(NOWHERE, NOWHERE, port=1, settings=limited).argv
    llama = engine("llama_cpp").launch(NOWHERE, NOWHERE, port=1, settings=limited).argv
    assert mlx[-2:] == ("--prompt-cache-bytes", "3221225472")
    assert llama[-1] == "--cache-mib=3072"
    for name in ("mlx_lm", "llama_cpp"):
        plain = engine(name).launch(NOWHERE, NOWHERE, port=1, settings=Settings(4096))
        assert not any("cache" in word for word in plain.argv)


def test_an_older_server_is_started_without_the_options_it_does_not_know(tmp_path: Path) -> None:
    """One that is not known ends its start; what it knows stands in its own source."""
    source = tmp_path / "lib" / "python3.11" / "site-packages" / "mlx_lm" / "server.py"
    source.parent.mkdir(parents=True)
    limited = Settings(4096, prompt_cache_bytes=1024)
    python = tmp_path / "bin" / "python"
    source.write_text('parser.add_argument("--decode-concurrency")')
    older = engine("mlx_lm").launch(python, NOWHERE, port=1, settings=limited).argv
    source.write_text('("--decode-concurrency") ("--allowed-origins") ("--prompt-cache-bytes")')
    newer = engine("mlx_lm").launch(python, NOWHERE, port=1, settings=limited).argv
    gone = set(newer) - set(older)
    assert gone == {"--allowed-origins", "http://127.0.0.1:1", "--prompt-cache-bytes", "1024"}


def test_somebody_elses_server_is_not_ours_to_start() -> None:
    with pytest.raises(EngineError, match="base_url"):
        engine("openai").launch(NOWHERE, NOWHERE, port=1, settings=Settings(4096))
    assert engine("openai").version_command(NOWHERE) == ()


def test_another_file_under_the_same_path_has_another_identity(tmp_path: Path) -> None:
    """So that a living engine with the old weights is not adopted."""
    model = tmp_path / "model.gguf"
    assert identity(model) == ""
    model.write_bytes(b"one")
    before = identity(model)
    model.write_bytes(b"two and more")
    assert identity(model) != before
    assert "model.gguf" in identity(tmp_path)


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["llama_cpp", "mlx_lm"])
def test_the_environment_has_the_locked_version(name: str) -> None:
    """The version command prints what the lock says."""
    python = {"llama_cpp": starter_engine_environment, "mlx_lm": mlx_environment}[name]()
    said = subprocess.run(
        engine(name).version_command(python), capture_output=True, text=True, check=True
    ).stdout.split()
    lock = lock_path(engine(name).traits).read_text()
    for package, version in zip(said[::2], said[1::2], strict=True):
        assert f"{package}=={version}" in lock


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(600)
def test_the_starter_engine_answers_in_words_and_leaves_at_once(tmp_path: Path) -> None:
    """The real xllamacpp with the real starter model: ready, asked, asked to end."""

    async def scenario() -> None:
        keeper = keeper_of(
            "llama_cpp", tmp_path, python=starter_engine_environment(), model=starter_model()
        )
        async with kept(keeper):
            endpoint = await keeper.ensure_ready(within_seconds=240)
            asked = says("Name the capital of France.")
            answer = await chat(endpoint, body(asked, max_tokens=24))
            assert "Paris" in answer["choices"][0]["message"]["content"]
            assert answer["usage"]["completion_tokens"] > 0
            pid = keeper.facts().pid
            assert pid
            if sys.platform == "linux":  # its threads must not spin away the time of others
                assert b"GOMP_SPINCOUNT=3000" in environment_of(pid)
            await keeper.stop()
            assert not runs(pid)

    asyncio.run(scenario())


def environment_of(pid: int) -> bytes:
    """What a process was started with."""
    return Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(600)
def test_the_starter_engine_stops_generating_when_its_caller_leaves(tmp_path: Path) -> None:
    """What `stream_always=False` claims: nobody pays for an answer that nobody reads. And while it
    writes in silence it tells how far it is.
    """

    async def scenario() -> None:
        keeper = keeper_of(
            "llama_cpp", tmp_path, python=starter_engine_environment(), model=starter_model()
        )
        async with kept(keeper):
            endpoint = await keeper.ensure_ready(within_seconds=240)
            long = body(says("Tell a story"), max_tokens=1900, ignore_eos=True)
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                asking = group.create_task(chat(endpoint, long))
                await gets_on(endpoint)
                asking.cancel()
            async with asyncio.timeout(60):
                # It looks for its caller after a second without any answer; looking at it more
                # often than that would keep it from looking.
                while await processing(endpoint):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(1.5)

    asyncio.run(scenario())


async def gets_on(endpoint: Endpoint) -> None:
    """Wait until llama.cpp has told three times that it is somewhere else."""
    traits, seen = engine("llama_cpp").traits, set[object]()
    while len(seen) < 4:
        seen.add(await asyncio.to_thread(asked.progress, traits, endpoint.base_url))
        await asyncio.sleep(0.05)


async def processing(endpoint: Endpoint) -> bool:
    """Is any of llama.cpp's slots at work?"""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{endpoint.base_url}/slots") as response,
    ):
        return any(slot["is_processing"] for slot in await response.json())


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(600)
def test_the_mlx_server_calls_a_tool_dies_and_comes_back(tmp_path: Path) -> None:
    """The article's own server with a model of the article's architecture, kept by us."""

    async def scenario() -> None:
        keeper = keeper_of("mlx_lm", tmp_path, python=mlx_environment(), model=tiny_minimax())
        async with kept(keeper):
            first = await keeper.ensure_ready(within_seconds=240)
            await check_probe(first)
            await check_origins(first)
            pid = keeper.facts().pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(60):
                while keeper.facts().pid == pid:  # noqa: ASYNC110 - as a client sees it
                    await asyncio.sleep(0.01)
            second = await keeper.ensure_ready(within_seconds=240)
            assert second.generation == first.generation + 1
            await check_probe(second)

    asyncio.run(scenario())


async def check_origins(endpoint: Endpoint) -> None:
    """A page of another site is not let in: its browser asks first, and hears nothing that allows.

    (What a page sends without asking the server still takes, as it takes anything on its port; the
    page cannot read the answer, and the port is another one at each start.)
    """
    url = f"{endpoint.base_url}/v1/chat/completions"
    async with aiohttp.ClientSession() as session:
        for origin, allowed in (("https://evil.example", None), (endpoint.base_url,) * 2):
            asking = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            async with session.options(url, headers=asking) as answer:
                assert answer.headers.get("Access-Control-Allow-Origin") == allowed


async def check_probe(endpoint: Endpoint) -> None:
    """One correct call, and the final answer after its result."""
    answer = await chat(endpoint, body(says("probe"), tools=TOOLS))
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "read_file"
    assert json.loads(call["function"]["arguments"]) == ARGUMENTS
    messages = after_the_call()
    messages[1]["tool_calls"][0]["function"]["arguments"] = json.dumps(ARGUMENTS)
    final = await chat(endpoint, body(messages, tools=TOOLS))
    assert final["choices"][0]["message"]["content"].strip() == FINAL


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(600)
def test_the_tiny_model_says_its_script(tmp_path: Path) -> None:
    """What other tests rely on: two calls for `two`, plain words for `hello` and `news`."""

    async def scenario() -> None:
        keeper = keeper_of("mlx_lm", tmp_path, python=mlx_environment(), model=tiny_minimax())
        async with kept(keeper):
            endpoint = await keeper.ensure_ready(within_seconds=240)
            two = await chat(endpoint, body(says("two"), tools=TOOLS))
            assert len(two["choices"][0]["message"]["tool_calls"]) == 2
            hello = await chat(endpoint, body(says("hello")))
            assert hello["choices"][0]["message"]["content"].strip() == "Hello from the local tier."
            news = await chat(endpoint, body(says("news")))
            assert news["choices"][0]["message"]["content"].strip() == "no new comments"

    asyncio.run(scenario())
