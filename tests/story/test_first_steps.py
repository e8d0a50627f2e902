"""From nothing to an answer: an empty home, `init`, `up`, `ask`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.story.service import Service

pytestmark = pytest.mark.slow


def test_an_empty_home_answers_after_three_commands(tmp_path: Path) -> None:
    """With the real llama.cpp and the starter model; what a person changes stays."""
    starter_engine_environment()
    starter_model()
    service = Service(tmp_path, env={"HOME": str(tmp_path)})
    service.config.unlink()
    words = ("init", "--yes", "--mode", "local", "--local", "starter")
    told = service.command(*words)
    assert "mode local: everything on this machine" in told.stdout
    assert "ok  tier local  " in told.stdout
    text = service.config.read_text() + "\n[gateway]\nport = 0  # mine\n"
    service.config.write_text(text)
    assert "nothing was changed" in service.command(*words).stdout
    assert service.config.read_text() == text
    with service:
        assert service.command("ask", "Say hello in five words.").stdout.strip()
        assert "nothing was changed" in service.command("init", "--yes").stdout
