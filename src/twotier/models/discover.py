"""What is on this machine already: servers that answer, and folders that hold a model.

Only looks: a server is asked for its list of models and nothing else, a folder is listed and its
small headers read. What it finds is a suggestion for the first configuration; nothing is taken
over. Where folders are looked for: `shelf`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from twotier.errors import NOT_READABLE, EngineError
from twotier.models import describe
from twotier.models.safetensors import FILES

ANSWER_SECONDS_MAX = 0.3
ANSWER_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A loopback port where a server of this kind is usually found, and the engine that knows it:
    one that takes nothing for granted where another program may use the port too.
    """

    kind: str
    port: int
    engine: str = "openai"


PLACES = (
    Place("ollama", 11434, "ollama"),
    Place("lmstudio", 1234, "lmstudio"),
    Place("llama-server or mlx-lm", 8080),
    Place("mlx-lm", 8899),
    Place("vllm", 8000),
)


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A server that answered with its list of models (which may be empty)."""

    kind: str
    base_url: str
    models: tuple[str, ...]
    engine: str = "openai"

    def text(self) -> str:
        """For people."""
        names = ", ".join(self.models[:3]) + (", ..." if len(self.models) > 3 else "")
        return f"{self.kind} answers at {self.base_url} ({names or 'no model listed'})"


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model on disk, and the engine that can serve it.

    `place` is whose folder it lies in; `home` is what goes when it is deleted, None where that is
    not for us to do.
    """

    name: str
    path: Path
    engine: str
    size_bytes: int
    place: str = "ours"
    home: Path | None = None

    def text(self) -> str:
        """For people."""
        return f"{self.name} ({self.size_bytes / 1e9:.1f} GB, {self.engine}) in {self.path}"


async def servers(places: Sequence[Place] = PLACES) -> tuple[FoundServer, ...]:
    """Every place that answers, looked at in parallel: 0.3 s in all, also when nothing is there."""
    limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
    # trust_env stays off: a proxy has no business with loopback.
    async with aiohttp.ClientSession(timeout=limit) as session, asyncio.TaskGroup() as group:
        looks = [group.create_task(_look(session, place)) for place in places]
    return tuple(found for look in looks if (found := look.result()))


async def server_at(
    base_url: str, *, seconds: float = ANSWER_SECONDS_MAX
) -> tuple[str, ...] | None:
    """The models of the server at this address (without `/v1`); None where nothing answers."""
    limit = aiohttp.ClientTimeout(total=seconds)
    async with aiohttp.ClientSession(timeout=limit) as session:
        return await _ask(session, base_url)


async def _look(session: aiohttp.ClientSession, place: Place) -> FoundServer | None:
    base_url = f"http://127.0.0.1:{place.port}"
    names = await _ask(session, base_url)
    return None if names is None else FoundServer(place.kind, base_url, names, place.engine)


async def _ask(session: aiohttp.ClientSession, base_url: str) -> tuple[str, ...] | None:
    """Not listening, not HTTP, not JSON, asking for a key: all of it means nothing to use here."""
    try:
        # What is sent on to another place is not a server of this port.
        async with session.get(f"{base_url}/v1/models", allow_redirects=False) as response:
            if response.status != 200:
                return None
            body = b""
            while len(body) < ANSWER_BYTES_MAX and (part := await response.content.readany()):
                body += part
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None
    return _names(body)


def _names(body: bytes) -> tuple[str, ...] | None:
    """The ids of an OpenAI list of models; None if it is not one.

    mlx-lm answers with an empty body on a machine without a model cache: it is there all the same.
    """
    if not body.strip():
        return ()
    try:
        rows = json.loads(body)["data"]
        return tuple(str(row["id"]) for row in rows or ())
    except (*NOT_READABLE, KeyError, TypeError):
        return None


def mlx(folder: Path, name: str, *, place: str, home: Path | None) -> Iterator[FoundModel]:
    """A complete folder mlx-lm can serve: quantised by MLX, or said to be MLX by its name."""
    config = _config(folder / "config.json")
    weights = list(folder.glob(FILES))
    is_mlx = "mlx" in name.lower() or "quantization" in config
    # A link to a file that was never fetched does not exist.
    whole = weights and all(path.exists() for path in weights)
    if config.get("model_type") and is_mlx and whole:
        size = sum(path.stat().st_size for path in weights)
        yield FoundModel(name, folder, "mlx_lm", size, place, home)


def _config(path: Path) -> dict[str, Any]:
    """Empty where there is none to read: then it is not a model we know how to serve."""
    try:
        return describe.config(path)
    except (OSError, EngineError):
        return {}
