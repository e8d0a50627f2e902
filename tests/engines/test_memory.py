"""Predicted against seen, with the real servers on Linux: within 5 % of what the system counts.

On a Mac the parts differ (weights live on the GPU's side) and nobody has measured them for us.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engines.fixtures import (
    mlx_environment,
    starter_engine_environment,
    starter_model,
    tiny_minimax,
)
from twotier.build.machine import held_bytes, peak_bytes
from twotier.domain.memory import Footprint
from twotier.engines.base import Settings, engine
from twotier.models.describe import describe
from twotier.models.estimate import Plan, costs_of, footprint

ENGINES = {
    "llama_cpp": (starter_engine_environment, starter_model),
    "mlx_lm": (mlx_environment, tiny_minimax),
}
TRIES_MAX = 600


@contextmanager
def served(name: str, plan: Plan, *, log: Path) -> Iterator[tuple[int, str]]:
    """Its pid and address, once the first token came."""
    python, model = (make() for make in ENGINES[name])
    port = free_port()
    settings = Settings(plan.window_tokens, plan.parallel, plan.prompt_cache_bytes)
    launch = engine(name).launch(python, model, port=port, settings=settings)
    with log.open("wb") as out:
        child = subprocess.Popen(launch.argv, stdout=out, stderr=out, env=dict(launch.env))
    try:
        address = f"http://127.0.0.1:{port}/v1/chat/completions"
        for _ in range(TRIES_MAX):
            assert child.poll() is None, log.read_text()
            if ask(address, "hello") is not None:
                break
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(0.1)
        yield child.pid, address
    finally:
        child.kill()
        child.wait()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def ask(address: str, prompt: str) -> int | None:
    """One token; the tokens of the prompt, or None while nobody answers."""
    body = {
        "model": "default_model",
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": 1,
    }
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=240) as answer:
            return int(json.load(answer)["usage"]["prompt_tokens"])
    except (OSError, urllib.error.URLError):
        return None


def predicted(name: str, plan: Plan) -> Footprint:
    _, model = (make() for make in ENGINES[name])
    return footprint(describe(model), costs_of(name, metal=False), plan=plan)


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.skipif(sys.platform != "linux", reason="measured on Linux")
@pytest.mark.parametrize(
    ("name", "plan", "words"),
    [
        ("llama_cpp", Plan(1024, 1, 0), 440),
        ("llama_cpp", Plan(8192, 2, 0), 0),
        ("mlx_lm", Plan(6144, 1, 0), 2000),
    ],
)
def test_a_server_holds_what_was_predicted(
    name: str, plan: Plan, words: int, tmp_path: Path
) -> None:
    """After its first token; and at its highest, with a prompt that fills the window."""
    need = predicted(name, plan)
    with served(name, plan, log=tmp_path / "log") as (pid, address):
        held = held_bytes(pid)
        tokens = ask(address, " ".join(f"w{n % 7}" for n in range(words))) if words else None
        peak = peak_bytes(pid)
    print(name, plan, need.loaded_bytes, held, need.total_bytes, peak)  # noqa: T201 - with -s
    assert need.loaded_bytes == pytest.approx(held, rel=0.05)
    if words:
        assert tokens
        assert tokens > 0.85 * plan.window_tokens
        assert need.total_bytes == pytest.approx(peak, rel=0.05)
