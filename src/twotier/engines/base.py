"""The seam to a local engine, and the table of engines.

An engine is a description: values and pure functions. It starts nothing and asks nothing; the
keeper runs the command it describes, the provider asks the server under the name it tells. A new
engine is one new file and one line in `REGISTRY`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, cast

from twotier.domain.launch import Launch
from twotier.errors import ConfigError

REGISTRY: Mapping[str, str] = {
    "llama_cpp": "twotier.engines.llama_cpp:LlamaCpp",
    "mlx_lm": "twotier.engines.mlx_lm:MlxLm",
    "openai": "twotier.engines.openai:OpenAi",
}

# What every OpenAI-shaped server understands; an engine adds its own.
CHAT_FIELDS = frozenset(
    {
        "messages",
        "max_tokens",
        "temperature",
        "top_p",
        "stop",
        "stream",
        "stream_options",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "tools",
    }
)


class Ownership(StrEnum):
    """Whose process the server is. Never two supervisors on one process."""

    MANAGED = "managed"  # ours: started, kept, ended by us
    REMOTE = "remote"  # somebody else's, on this machine or another: only asked


@dataclass(frozen=True, slots=True)
class Traits:
    """What is fixed about an engine.

    `provider` is the first part of a full model ref (`mlx-local/...`). `lock` names the file in
    `engines/locks` its environment is made from, empty for none. `stream_always`: it goes on
    generating when a caller without a stream leaves, so it is always asked for a stream.
    `not_found_is_outage`: it answers 404 for every failure before the first byte, so a 404 is no
    word about the request. `fields` are the request fields it may receive; others are dropped.
    """

    name: str
    provider: str
    ownership: Ownership
    lock: str
    base_path: str
    stream_always: bool
    not_found_is_outage: bool
    window_tokens_default: int
    fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a managed engine is started. `window_tokens` is for one request, `parallel` requests."""

    window_tokens: int
    parallel: int = 1


class Engine(Protocol):
    """One local engine."""

    traits: Traits

    def launch(self, python: Path, model: Path, *, port: int, settings: Settings) -> Launch:
        """The command that serves `model` on a loopback port, run by its environment's python.

        Raises `EngineError` for an engine that is not ours to start.
        """
        ...

    def model_upstream(self, model: str) -> str:
        """The name its server wants to hear for the configured model."""
        ...

    def version_command(self, python: Path) -> tuple[str, ...]:
        """A command that prints the versions that matter, one line; empty if there is none."""
        ...


def engine(name: str) -> Engine:
    """The engine of that name, loaded when first used.

    Raises `ConfigError` for a name that is not in the table.
    """
    if name not in REGISTRY:
        raise ConfigError(f"there is no engine `{name}`; there are: {', '.join(sorted(REGISTRY))}")
    module, _, attribute = REGISTRY[name].partition(":")
    return cast("Engine", getattr(importlib.import_module(module), attribute)())


def readiness_body(model_upstream: str) -> dict[str, Any]:
    """The chat request that proves life: one token, with the smallest prompt there is."""
    return {
        "model": model_upstream,
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 1,
        "temperature": 0,
        "stream": False,
    }


def lock_path(traits: Traits) -> Path:
    """The lock file an engine's environment is made from."""
    return Path(__file__).parent / "locks" / f"{traits.lock}.txt"


def identity(model: Path) -> str:
    """What tells a model apart from another under the same path: sizes and dates of its files.

    A missing path has an identity too, so that the engine itself may say what is wrong with it.
    """
    files = sorted(model.iterdir()) if model.is_dir() else [model]
    parts = []
    for file in files:
        if file.exists():
            stat = file.stat()
            parts.append(f"{file.name}:{stat.st_size}:{stat.st_mtime_ns}")
    return ";".join(parts)
