"""`docs/json.md`, its second table: what a twotier that runs prints with `--json`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_json_shapes import shapes
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import FRONTIER, INBOX, LOCAL_SERVER, Service

pytestmark = pytest.mark.slow


def test_a_running_one_prints_the_fields_of_the_page(tmp_path: Path) -> None:
    """All of them, one command after the other; `down` comes last."""
    wanted = shapes(running=True)
    assert list(wanted)[-1] == "down"
    with FakeOpenAI() as local, FakeAnthropic() as frontier:
        tiers = (
            LOCAL_SERVER.format(base_url=f"{local.base_url}/v1"),
            FRONTIER.format(base_url=frontier.base_url),
            INBOX.format(every="1h", tier="local-only"),
        )
        env = {"FRONTIER_KEY": frontier.key, "HOME": str(tmp_path)}
        with Service(tmp_path, *tiers, env=env) as service:
            service.command("ask", "--model", "frontier", "Hello")
            for command, fields in wanted.items():
                document = json.loads(service.command(*command.split(), "--json").stdout)
                assert document["schema_version"] == 1
                assert fields <= set(document), command
