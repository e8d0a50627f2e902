"""The real program with a real local server: settings chosen, shown, predicted, seen and kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.story.service import Service

pytestmark = [pytest.mark.slow, pytest.mark.engine]

TIER = """
[tiers.local]
engine = "llama_cpp"
model = "starter"
"""


@pytest.mark.timeout(300)
def test_a_tier_without_settings_is_sized_and_its_server_is_seen(tmp_path: Path) -> None:
    """The model's own window, two requests, a limit of the prompt cache; on Linux the prediction is
    within 5 % of what the server holds, and both are shown.
    """
    starter_engine_environment()
    starter_model()
    with Service(tmp_path, TIER) as service:
        said = service.command("status").stdout
        assert "local: 8,192 tokens x 2, prompt cache 755 MB; 1.3 GB predicted" in said
        told = json.loads(service.command("models", "fit", "local", "--json").stdout)
        log = (tmp_path / ".twotier" / "logs" / "engine-local.log").read_text(errors="replace")
    assert told["settings"] == {
        "window_tokens": 8192,
        "parallel": 2,
        "prompt_cache_bytes": 754_974_720,
    }
    assert "n_ctx_slot = 8192" in log
    seen = told["seen"]
    assert told["needs"]["loaded_bytes"] == seen["loaded_seen"]
    if sys.platform == "linux":
        assert seen["loaded_predicted"] == pytest.approx(seen["loaded_seen"], rel=0.05)
