"""`twotier`, whose mlx-lm is the upstream that breaks to order; everything else is the real thing.

python -m bench.faults.main --config PATH up
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bench.service import ROOT
from twotier.cli import run
from twotier.domain.launch import Launch
from twotier.engines import base
from twotier.engines.llama_cpp import LlamaCpp

START = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import uvloop
from bench.faults.upstream import serve
uvloop.run(serve(int(sys.argv[1])))
"""


class Played(LlamaCpp):
    """A server of ours by its command; it speaks chat completions, as mlx-lm does."""

    traits = replace(LlamaCpp.traits, name="mlx_lm", provider="mlx-local", also=frozenset())

    def launch(self, python: Path, model: Path, *, port: int, settings: base.Settings) -> Launch:
        """The upstream needs our own environment and no model."""
        del python, model, settings
        return Launch((sys.executable, "-I", "-c", START, str(ROOT), str(port)))


ENGINES: Mapping[str, str] = {"mlx_lm": "bench.faults.main:Played"}

if __name__ == "__main__":
    base.REGISTRY = {**base.REGISTRY, **ENGINES}
    sys.exit(run(sys.argv[1:]))
