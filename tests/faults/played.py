"""`twotier` whose managed local server is a fake that can be killed; all else is the real thing.

    python -m tests.faults.played --config PATH up

The keeper starts the fake as a child, on a port of its own choice, as it would start llama.cpp.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # the child starts isolated
    sys.path.insert(0, str(ROOT))

from tests.fakes.openai_server import FakeOpenAI  # noqa: E402
from twotier.cli import run  # noqa: E402
from twotier.domain.launch import Launch  # noqa: E402
from twotier.engines import base  # noqa: E402
from twotier.engines.base import engine, lock_path  # noqa: E402
from twotier.engines.environment import place  # noqa: E402
from twotier.engines.llama_cpp import LlamaCpp  # noqa: E402

CHILD = "--child"
PACE_SECONDS = 0.004


class Played(LlamaCpp):
    """llama.cpp by its traits, spoken to in chat completions alone."""

    traits = replace(LlamaCpp.traits, also=frozenset(), progress=None)

    def launch(self, python: Path, model: Path, *, port: int, settings: base.Settings) -> Launch:
        """This file, as the server."""
        del python, model, settings
        return Launch((sys.executable, "-I", str(Path(__file__).resolve()), CHILD, str(port)))


ENGINES: Mapping[str, str] = {"llama_cpp": "tests.faults.played:Played"}


def played_cache(folder: Path) -> Path:
    """A cache in which the environment of llama.cpp seems to be made: the fake needs none."""
    lock = lock_path(engine("llama_cpp").traits)
    target = place(lock, folder / "engines")
    if target.exists():
        return folder
    (target / "bin").mkdir(parents=True)
    (target / "bin" / "python").symlink_to(sys.executable)
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    (target / ".complete").write_text(digest, encoding="ascii")
    return folder


async def serve(port: int) -> None:
    """The fake, until it is ended. It keeps nothing of what it was asked."""
    fake = FakeOpenAI(pace_seconds=PACE_SECONDS)
    fake.port = port
    with fake:
        while True:
            await asyncio.sleep(10)
            fake.bodies.clear()
            fake.headers.clear()
            fake.peers.clear()


if __name__ == "__main__":
    if sys.argv[1] == CHILD:
        asyncio.run(serve(int(sys.argv[2])))
    base.REGISTRY = {**base.REGISTRY, **ENGINES}
    sys.exit(run(sys.argv[1:]))
