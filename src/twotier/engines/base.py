"""The seam to a local engine, and the table of engines.

An engine is a description: values and pure functions. It starts nothing and asks nothing; the
keeper runs the command it describes, the provider asks the server under the name it tells. A new
engine is one new file and one line in `REGISTRY`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, cast

from twotier.domain.launch import Launch
from twotier.domain.message import Dialect
from twotier.engines.questions import Held, Question, Release
from twotier.errors import ConfigError
from twotier.protocols.normal import Manners

REGISTRY: Mapping[str, str] = {
    "llama_cpp": "twotier.engines.llama_cpp:LlamaCpp",
    "llama_server": "twotier.engines.llama_server:LlamaServer",
    "lmstudio": "twotier.engines.lmstudio:LmStudio",
    "mlx_lm": "twotier.engines.mlx_lm:MlxLm",
    "ollama": "twotier.engines.ollama:Ollama",
    "openai": "twotier.engines.openai:OpenAi",
    "vllm": "twotier.engines.vllm:Vllm",
    "vllm_serve": "twotier.engines.vllm:VllmServe",
}

PROMPT_CACHE_BYTES = 4_000_000_000
WINDOW_TOKENS_MIN = 2_048

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


MESSAGES_FIELDS = frozenset(
    {
        "messages",
        "system",
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "stream",
        "tools",
        "tool_choice",
        "thinking",
    }
)
RESPONSES_FIELDS = frozenset(
    {
        "input",
        "instructions",
        "max_output_tokens",
        "temperature",
        "top_p",
        "stream",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning",
        "text",
    }
)
COMPLETIONS_FIELDS = CHAT_FIELDS - {"messages", "tools"} | {"prompt", "suffix", "echo", "logprobs"}
FIELDS: Mapping[Dialect, frozenset[str]] = {
    "openai_chat": CHAT_FIELDS,
    "openai_responses": RESPONSES_FIELDS,
    "openai_completions": COMPLETIONS_FIELDS,
    "openai_embeddings": frozenset({"input", "encoding_format", "dimensions"}),
    "anthropic_messages": MESSAGES_FIELDS,
    "anthropic_count": MESSAGES_FIELDS,
}


class Ownership(StrEnum):
    """Whose process the server is. Never two supervisors on one process."""

    MANAGED = "managed"  # ours: started, kept, ended by us
    OBSERVED = (
        "observed"  # launchd's, systemd's or a person's, here: watched, restarted if it hangs
    )
    REMOTE = "remote"  # somebody else's, on this machine or another: only asked


@dataclass(frozen=True, slots=True)
class Traits:
    """What is fixed about an engine.

    `provider` is the first part of a full model ref (`mlx-local/...`). `lock` names the file in
    `engines/locks` its environment is made from, empty for none. `stream_always`: it goes on
    generating when a caller without a stream leaves, so it is always asked for a stream.
    `stream_bent`: its chat streams are not what client libraries can read, so they are said anew.
    `not_found_is_outage`: it answers 404 for every failure before the first byte, so a 404 is no
    word about the request. `also` are the dialects its server speaks beside chat completions;
    `fields` are the request fields it may receive in each dialect; others are dropped. `manners`
    say what of a chat body its server cannot take. `program` is the command of this machine that
    serves in place of an environment. `base_url` is where it usually listens, empty for nowhere.
    `held` asks which models it holds in memory, the first question it can answer counts; `version`
    asks which it is. `samples_by_file`: it reads a model's own sampling settings.
    `progress` asks how far it is with what it has in hand: an answer that changes while it gets on.
    `step_tokens`: so many tokens of a prompt it reads without a sign of life, in its stream or in
    that answer; 0: it gives none.
    `release` has it drop a model that it holds and loads again when it is asked.
    `sizes_itself`: it takes a share of memory that no setting of ours decides.
    """

    name: str
    provider: str
    ownership: Ownership
    lock: str
    base_path: str
    stream_always: bool
    not_found_is_outage: bool
    window_tokens_default: int
    fields: Mapping[Dialect, frozenset[str]]
    also: frozenset[Dialect] = frozenset()
    stream_bent: bool = False
    manners: Manners = field(default_factory=Manners)
    program: str = ""
    base_url: str = ""
    held: tuple[Question[tuple[Held, ...]], ...] = ()
    version: Question[str] | None = None
    progress: Question[object] | None = None
    release: Release | None = None
    step_tokens: int = 0
    samples_by_file: bool = True
    sizes_itself: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """How a managed engine is started. `window_tokens` is for one request, `parallel` requests.

    `prompt_cache_bytes`: the most its caches of earlier prompts may hold; None leaves it to the
    engine. `sampling`: what its makers say, where the engine does not read that itself.
    """

    window_tokens: int
    parallel: int = 1
    prompt_cache_bytes: int | None = None
    sampling: Mapping[str, float] = field(default_factory=dict)

    def smaller(self, level: int) -> Settings:
        """After deaths by memory: half the cache of prompts and three quarters of the window for
        each level; a cache that nobody had limited begins at `PROMPT_CACHE_BYTES`.
        """
        if not level:
            return self
        cache = self.prompt_cache_bytes
        return replace(
            self,
            window_tokens=max(WINDOW_TOKENS_MIN, self.window_tokens * 3**level // 4**level),
            prompt_cache_bytes=(PROMPT_CACHE_BYTES if cache is None else cache) // 2**level,
        )


class Engine(Protocol):
    """One local engine."""

    traits: Traits

    def launch(self, program: Path, model: Path, *, port: int, settings: Settings) -> Launch:
        """The command that serves `model` on a loopback port. `program` is the python of its
        environment, or what `traits.program` names.

        Raises `EngineError` for an engine that is not ours to start.
        """
        ...

    def model_upstream(self, model: str) -> str:
        """The name its server wants to hear for the configured model."""
        ...

    def version_command(self, program: Path) -> tuple[str, ...]:
        """A command that prints the versions that matter; empty if there is none."""
        ...


def engine(name: str) -> Engine:
    """The engine of that name, loaded when first used.

    Raises `ConfigError` for a name that is not in the table.
    """
    if name not in REGISTRY:
        raise ConfigError(f"there is no engine `{name}`; there are: {', '.join(sorted(REGISTRY))}")
    module, _, attribute = REGISTRY[name].partition(":")
    return cast("Engine", getattr(importlib.import_module(module), attribute)())


def engine_of(name: str, *, program: str | None = None, base_url: str | None = None) -> Engine:
    """The engine of a tier: another description where a program of the owner's serves it."""
    if name == "llama_cpp" and program:
        return engine("llama_server")
    return engine("vllm_serve" if name == "vllm" and not base_url else name)


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
