"""Bodies that nobody should send, at every path of a real main process, behind it only agreement.

A few thousand each time, 100,000 with `make soak`.
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fakes.agreeable import AGREEING, Agreeable
from tests.hostile import TEMPLATES, Hostile, written
from tests.story.service import FRONTIER, Service
from twotier.domain.message import PATHS, Dialect

pytestmark = pytest.mark.slow

SOAK = bool(os.environ.get("SOAK"))
SEED = os.environ.get("SEED", "1")
COUNT = 100_000 if SOAK else 2_400
LINES = 3  # connections at a time, each with its own row of bodies

LOG = """
[log]
level = "warning"
"""


@dataclass
class World:
    """What runs while these tests do."""

    service: Service
    upstream: Agreeable
    key: str
    port: int

    def line(self) -> http.client.HTTPConnection:
        """A connection of its own."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(
        self, line: http.client.HTTPConnection, path: str, body: bytes
    ) -> tuple[int, str, bytes]:
        """Status, kind of content and body of one answer."""
        line.request("POST", path, body, {"x-api-key": self.key})
        response = line.getresponse()
        kind = response.getheader("content-type") or ""
        return response.status, kind, response.read()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three tiers that agree to everything: by translation, by relay, and for money."""
    folder = tmp_path_factory.mktemp("fuzz")
    with Agreeable() as upstream:
        parts = (
            AGREEING.format(base_url=upstream.base_url),
            LOG,
            FRONTIER.format(base_url=upstream.base_url),
        )
        service = Service(folder, *parts, env={"FRONTIER_KEY": "sk-test"})
        try:
            service.up(ready="")
            key = service.paths.client_key.read_text(encoding="ascii").strip()
            yield World(service, upstream, key, urlsplit(service.status()["address"]).port or 0)
        finally:
            service.__exit__(None, None, None)


def check(dialect: Dialect, status: int, kind: str, body: bytes) -> None:
    """An answer in one piece, a stream that ends well, or an error of the dialect that says why."""
    assert b"Traceback" not in body
    if status != 200:
        assert 400 <= status < 500
        found = json.loads(body)
        assert found["error"]["message"].strip()
        assert found["error"]["type"]
        assert (found.get("type") == "error") == dialect.startswith("anthropic")
    elif kind.startswith("text/event-stream"):
        assert b"Yes." in body
        assert b'"error":' not in body.replace(b'"error":null', b"")
    else:
        assert isinstance(json.loads(body), dict)


def row(world: World, dialect: Dialect, *, seed: str, count: int) -> int:
    """Send so many bodies on one connection; how many of them were answered with 200."""
    answered = 0
    with closing(world.line()) as line:
        for body in islice(Hostile(dialect, seed=seed), count):
            status, kind, answer = world.ask(line, f"/v1{PATHS[dialect]}", body)
            answered += status == 200
            try:
                check(dialect, status, kind, answer)
            except Exception as exc:
                exc.add_note(f"{dialect}: {body[:3_000]!r} -> {status} {answer[:1_000]!r}")
                raise
    return answered


@pytest.mark.parametrize("dialect", sorted(TEMPLATES))
@pytest.mark.parametrize("model", ["local", "wide", "frontier", "auto"])
def test_the_bodies_that_are_bent_are_good_ones(world: World, dialect: Dialect, model: str) -> None:
    """Unbent they are answered, by each tier that has the path."""
    body: dict[str, Any] = {**TEMPLATES[dialect], "model": model}
    with closing(world.line()) as line:
        for stream in [False, True] if "stream" in body else [None]:
            if stream is not None:
                body["stream"] = stream
            status, kind, answer = world.ask(line, f"/v1{PATHS[dialect]}", written(body))
            check(dialect, status, kind, answer)
            spoken = model in ("wide", "auto") or dialect not in (
                "openai_completions",
                "openai_embeddings",
            )
            assert (status == 200) == spoken, answer


@pytest.mark.timeout(7200 if SOAK else 120)
def test_no_body_is_a_defect(world: World) -> None:
    """Whatever it is: answered, or refused in the dialect of its path."""
    dialects = sorted(TEMPLATES)
    each = COUNT // len(dialects) // LINES
    with ThreadPoolExecutor(LINES) as pool:
        rows = [
            pool.submit(row, world, dialect, seed=f"{SEED} {number}", count=each)
            for dialect in dialects
            for number in range(LINES)
        ]
        answered = sum(one.result() for one in rows)
    assert COUNT // 20 < answered < COUNT  # some bends change nothing, most do
    log = (world.service.paths.logs / "main.log").read_text(encoding="utf-8")
    assert '"event":"defect"' not in log
    assert "Traceback" not in world.service.said() + log
