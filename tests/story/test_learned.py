"""Speeds of real local servers, learned by the real program from requests as clients send them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model, tiny_minimax
from tests.story.service import STARTER, Service, eventually, mlx

pytestmark = [pytest.mark.slow, pytest.mark.engine]


def ask(service: Service, text: str, *, stream: bool) -> None:
    """One request of a client, to its end."""
    reply = service.client().chat.completions.create(
        model="local",
        messages=[{"role": "user", "content": text}],
        max_tokens=24,
        stream=stream,
    )
    if stream:
        list(reply)


def speed(service: Service) -> dict[str, Any]:
    """As `twotier models speed --json`."""
    found: dict[str, Any] = service.tier("local")["speed"]
    return found


@pytest.mark.timeout(300)
def test_llama_cpps_own_times_are_learned_kept_and_used(tmp_path: Path) -> None:
    """Streamed or not; with the version of its server; again there after a restart; and a question
    that asks nobody says how long it would take.
    """
    starter_engine_environment()
    starter_model()
    service = Service(tmp_path, STARTER)
    with service:
        ask(service, "Tell me about rivers. " * 60, stream=False)
        ask(service, "Tell me about lakes. " * 60, stream=True)
        eventually(lambda: speed(service)["answers"] == 2, what="both answers learned from")
        learned = speed(service)
        assert learned["version"].startswith("xllamacpp ")
        (depth,) = learned["depths"]
        assert depth["prefill_count"] == depth["decode_count"] == 2
        assert 0.0 < learned["load_seconds"] < 60.0
        assert "loads in" in service.command("models", "speed").stdout
        assert "not probed" in service.command("status").stdout
        said = service.command("route", "Summarise this").stdout
        assert "takes  about" in said
    service.process = None
    with service:
        again = speed(service)
        assert again["depths"] == learned["depths"]
        assert (learned["loads"], again["loads"]) == (1, 2)


@pytest.mark.timeout(300)
def test_mlx_lms_signs_of_life_tell_how_fast_it_reads(tmp_path: Path) -> None:
    """Its keep-alive comments count the prompt; both versions stand beside what was learned."""
    with Service(tmp_path, mlx(tiny_minimax())) as service:
        ask(service, "abc " * 700, stream=True)
        eventually(lambda: speed(service)["answers"], what="the answer learned from")
        learned = speed(service)
        assert learned["version"].startswith("mlx-lm ")
        assert " mlx " in learned["version"]
        (depth,) = learned["depths"]
        assert depth["depth"] == "1K to 4K"
        assert depth["prefill_tokens_per_second"] > 0
        assert learned["queue_seconds"] is not None  # only the signs of life can tell
