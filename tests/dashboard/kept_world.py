"""A world whose local tier is a real llama.cpp that twotier keeps; beside it a server that is only
asked, and the scripted frontier.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.dashboard.world import HOSTILE, Home
from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import FRONTIER, STARTER, Service, eventually
from twotier.cli.engine import GRACE_SECONDS

ASKED = """
[tiers.asked]
engine = "openai"
model = "toy"
base_url = "{base_url}"
"""
MORE = """
[[budgets]]
period = "day"
limit_usd = 0.30
at_limit = "local-only"

[alerts.channels.hook]
to = "webhook:{hook}/s3cret-path"
"""


@contextlib.contextmanager
def kept_world(folder: Path) -> Iterator[Home]:
    """Started, and each tier asked once."""
    starter_engine_environment(), starter_model()
    with FakeOpenAI() as local, FakeAnthropic() as frontier:
        text = STARTER + FRONTIER.format(base_url=frontier.base_url)
        text += ASKED.format(base_url=f"{local.base_url}/v1") + MORE.format(hook=local.base_url)
        env = {"FRONTIER_KEY": frontier.key, "HOME": str(folder)}
        with Service(folder, text, env=env) as service:
            home = Home(service, local, frontier)
            client = service.client()
            for model in ("local", "asked", "frontier"):
                message = {"role": "user", "content": f"say: {HOSTILE}"}
                client.chat.completions.create(model=model, messages=[message], max_tokens=20)  # type: ignore[list-item]
            yield home


def stopped(home: Home) -> None:
    """The local server is down and stays so."""
    home.service.main.post("/control/engine/local/stop", seconds=GRACE_SECONDS)
    eventually(lambda: home.service.tier("local")["state"] == "down")
