"""A client that leaves: its upstream is closed at once, and its money is settled."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fakes.anthropic_api import FakeAnthropic
from tests.story.service import FRONTIER, Service, eventually

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, FakeAnthropic]]:
    """The frontier alone, a slow one."""
    folder = tmp_path_factory.mktemp("cancel")
    with FakeAnthropic(pace_seconds=0.2) as fake:
        tiers = FRONTIER.format(base_url=fake.base_url).replace('m25 = "local"', "")
        program = Service(folder, tiers, env={"FRONTIER_KEY": fake.key})
        try:
            program.up(ready="")
            yield program, fake
        finally:
            program.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("streamed", "text"),
    [
        (True, "say: one two three four five six seven eight"),
        (False, "say: one two three four five six seven eight"),
        (True, "fake:stall say: one two three four"),
        (False, "fake:silent"),
    ],
)
def test_a_client_that_leaves_takes_its_upstream_along(
    service: tuple[Service, FakeAnthropic], streamed: bool, text: str
) -> None:
    """Streamed or not, in mid-answer or before the first token; nothing stays reserved."""
    program, fake = service
    asked, cut = len(fake.bill), sum(row.outcome == "cut" for row in fake.bill)
    connection = http.client.HTTPConnection(urlsplit(program.status()["address"]).netloc)
    body = {
        "model": "frontier",
        "stream": streamed,
        "messages": [{"role": "user", "content": text}],
    }
    key = program.paths.client_key.read_text(encoding="ascii").strip()
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(body), {"authorization": f"Bearer {key}"}
    )
    fake.wait_for(lambda: len(fake.bill) > asked or text == "fake:silent")
    if streamed:
        connection.getresponse().read1()
    held = eventually(lambda: Decimal(program.spend()["frontier"]["reserved_usd"]))
    assert held > 0
    connection.close()
    if text != "fake:silent":  # what never answered has no row to cut
        fake.wait_for(lambda: sum(row.outcome == "cut" for row in fake.bill) > cut)
    eventually(lambda: not Decimal(program.spend()["frontier"]["reserved_usd"]))
    assert Decimal(program.spend()["frontier"]["cost_usd"]) >= (
        Decimal(fake.billed_microusd) / 1_000_000
    )


def test_the_folder_is_the_owners_alone(service: tuple[Service, FakeAnthropic]) -> None:
    """State, databases, sockets and logs."""
    program, _ = service
    root: Path = program.paths.state
    assert root.stat().st_mode & 0o077 == 0
    for path in (program.paths.ledger, program.paths.client_key, program.paths.main_socket):
        assert path.stat().st_mode & 0o077 == 0, path
