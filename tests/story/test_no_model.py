"""A machine without a model: watchers and digests work, the rest waits and says why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.anthropic_api import FakeAnthropic
from tests.story.service import FRONTIER, Service, eventually
from twotier.config.starter import Mode, starter_toml

pytestmark = pytest.mark.slow

NONE = starter_toml(mode=Mode.NONE)
WAITS = """
[[jobs]]
name = "needs-a-model"
watch = { kind = "files", path = "notes", settle_seconds = 0.01 }
every = "1d"
prompt = "Summarise this."
deliver = "file:out/{stem}.txt"
"""


@contextmanager
def running(service: Service) -> Iterator[Service]:
    """Up, with a worker that works; there is no tier to wait for."""
    service.up(ready="")
    try:
        eventually(lambda: service.status()["worker"]["state"] == "ready", what="worker ready")
        yield service
    finally:
        service.__exit__(None, None, None)


def test_without_a_tier_digests_work_and_the_rest_is_parked_until_one_is_there(
    tmp_path: Path,
) -> None:
    """What was found meanwhile is worked on as soon as a tier has its key, not a day later."""
    (tmp_path / "notes").mkdir()
    service = Service(tmp_path, NONE.replace('every = "10s"', 'every = "1s"'), WAITS)
    with running(service):
        (tmp_path / "inbox" / "a.txt").write_text("A headline\n\nand the rest of it")
        (tmp_path / "notes" / "b.txt").write_text("Text for a model.")
        digest = tmp_path / "outbox" / "a.digest.txt"
        eventually(digest.is_file, what="a digest")
        assert " ".join(digest.read_text().split()) == "a.txt A headline and the rest of it"
        (done,) = eventually(lambda: service.runs("inbox", "done"))
        assert (done["state"], done["model_calls"], done["tokens"]) == ("done", 0, 0)
        told = service.command("job", "run", "needs-a-model")
        assert "skipped" in told.stdout
        assert "parked until there is a model: no tier is configured" in told.stdout
        assert service.status()["alerts"] == []
        refused = service.command("ask", "Hello", code=1)
        assert "`twotier config path`" in refused.stderr
    with FakeAnthropic() as fake:
        key = tmp_path / "frontier.key"
        tier = FRONTIER.partition("[aliases]")[0].replace("env:FRONTIER_KEY", f"file:{key}")
        text = service.config.read_text() + tier.format(base_url=fake.base_url)
        service.config.write_text(text)
        with running(service):
            assert service.status()["tiers"][0]["state"] == "no-key"
            key.touch(0o600)
            key.write_text(fake.key)
            eventually((tmp_path / "out" / "b.txt").is_file, what="the parked job's answer")
            (newest,) = eventually(lambda: service.runs("needs-a-model", "done"))
            assert (newest["trigger"], newest["items"]) == ("parked", 1)
