"""OpenClaw with what `twotier connect openclaw` writes. It is 860 MB and takes minutes, so it runs
where somebody asks for it (`OPENCLAW=1`); what it sends is kept in `recorded/openclaw.json`, which
`test_recorded.py` has read and said to every tier each time.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.clients.openclaw.__main__ import connected
from tests.clients.world import World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get("OPENCLAW"), reason="OpenClaw is 860 MB; OPENCLAW=1 installs and runs it"
    ),
]


@pytest.mark.parametrize("words", [(), ("--all",)], ids=["a provider", "its primary model"])
def test_openclaw(world: World, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Beside settings of its owner's, which are back byte for byte after `--undo`."""
    assert connected(world, world.sandbox(tmp_path), *words)
