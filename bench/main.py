"""`twotier`, whose llama.cpp is the bench's own upstream; everything else is the real thing.

    python -m bench.main --config PATH up

So a relayed request takes the whole way: key, decision, keeper, pooled connection, observer, row.
"""

from __future__ import annotations

import sys
from pathlib import Path

from twotier.cli import run
from twotier.domain.launch import Launch
from twotier.engines import base
from twotier.engines.llama_cpp import LlamaCpp

UPSTREAM = Path(__file__).with_name("upstream.py")


class Played(LlamaCpp):
    """llama.cpp by its traits, the bench's upstream by its command."""

    def launch(self, python: Path, model: Path, port: int, *, settings: base.Settings) -> Launch:
        """The upstream needs our own environment and no model."""
        del python, model, settings
        return Launch((sys.executable, "-I", str(UPSTREAM), str(port)))


if __name__ == "__main__":
    base.REGISTRY = {**base.REGISTRY, "llama_cpp": "bench.main:Played"}
    sys.exit(run(sys.argv[1:]))
