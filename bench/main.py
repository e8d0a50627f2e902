"""`twotier`, whose local engines are the bench's own upstream; everything else is the real thing.

    python -m bench.main --config PATH up

So a relayed request takes the whole way: key, decision, keeper, pooled connection, observer, row.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from twotier.cli import run
from twotier.domain.launch import Launch
from twotier.engines import base
from twotier.engines.llama_cpp import LlamaCpp

UPSTREAM = Path(__file__).with_name("upstream.py")


class Played(LlamaCpp):
    """llama.cpp by its traits, the bench's upstream by its command: asked as the client asks, in
    chat completions and in Messages.
    """

    def launch(self, python: Path, model: Path, *, port: int, settings: base.Settings) -> Launch:
        """The upstream needs our own environment and no model."""
        del python, model, settings
        return Launch((sys.executable, "-I", str(UPSTREAM), str(port)))


class PlayedChat(Played):
    """The same, and it speaks chat completions alone: Messages are translated for it."""

    traits = replace(LlamaCpp.traits, name="mlx_lm", provider="mlx-local", also=frozenset())


ENGINES: Mapping[str, str] = {
    "llama_cpp": "bench.main:Played",
    "mlx_lm": "bench.main:PlayedChat",
}

if __name__ == "__main__":
    base.REGISTRY = {**base.REGISTRY, **ENGINES}
    sys.exit(run(sys.argv[1:]))
