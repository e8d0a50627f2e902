"""llama.cpp's own server, from the xllamacpp wheel: one GGUF file, no compiler, no GPU needed.

Measured with xllamacpp 2026.10.11549 on two x86 cores: a token about 1 s after the start; speaks
`/health` (503 while loading), `/v1/models`, `/metrics`; tools and JSON schemas work.

It stops generating within 1 s when its caller leaves, streamed or not, so it is relayed as asked.
For a caller without a stream it looks once in a second in which nothing else was answered: as long
as other answers (tokens of another request, `/slots`) come more often, it goes on to `max_tokens`.
It refuses an answer's schema that refers to itself, or that holds `true` or an unknown type, so
schemas are said plainly.

A prompt is read in silence. `/slots` tells meanwhile how far it is, once for each batch of
`BATCH_TOKENS`, which is therefore smaller than its own default of 2,048 (the work is done by 512 in
any case); it answers from another thread, so that it answers says nothing, only that it changes.

Its threads wait for one another some hundred times for each token, and OpenMP has them spin for
300,000 rounds before they sleep. Beside other work that is a whole time slice each time, because
the one that is waited for does not run. With `SPIN_ROUNDS` 60 tokens of the starter take 6 s beside
eight busy processes, not 84 s; on a quiet machine, 0.6 s either way.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from twotier.domain.launch import Launch
from twotier.engines.base import (
    CHAT_FIELDS,
    COMPLETIONS_FIELDS,
    FIELDS,
    Ownership,
    Settings,
    Traits,
)
from twotier.engines.questions import Question
from twotier.protocols.normal import Manners

MIB = 1024 * 1024
BATCH_TOKENS = 512
SPIN_ROUNDS = 3000
_SCRIPT = Path(__file__).with_name("launch_llama.py")
_VERSION = "import importlib.metadata as m; print('xllamacpp', m.version('xllamacpp'))"


class _Next(msgspec.Struct):
    n_decoded: int = 0


class _Slot(msgspec.Struct):
    is_processing: bool = False
    id_task: int = -1
    n_prompt_tokens_processed: int | None = None
    next_token: list[_Next] = msgspec.field(default_factory=list)


_SLOTS = msgspec.json.Decoder(list[_Slot])


def read_progress(body: bytes) -> object:
    """The answer of `/slots`: what each slot at work has read and written.

    Raises `ValueError` for a build that does not tell what was read.
    """
    working = [slot for slot in _SLOTS.decode(body) if slot.is_processing]
    if any(slot.n_prompt_tokens_processed is None for slot in working):
        raise ValueError("it does not tell how much of a prompt it has read")
    return tuple(
        (slot.id_task, slot.n_prompt_tokens_processed, *(one.n_decoded for one in slot.next_token))
        for slot in working
    )


class LlamaCpp:
    """`engines.base.Engine` for GGUF models."""

    traits = Traits(
        name="llama_cpp",
        provider="llama-local",
        ownership=Ownership.MANAGED,
        lock="llama_cpp",
        base_path="/v1",
        stream_always=False,
        not_found_is_outage=False,
        window_tokens_default=8192,
        fields={
            **FIELDS,
            "openai_chat": CHAT_FIELDS
            | {"tool_choice", "parallel_tool_calls", "response_format", "top_k", "min_p", "n"},
            "openai_completions": COMPLETIONS_FIELDS | {"top_k", "min_p", "n"},
        },
        also=frozenset({"anthropic_messages", "anthropic_count", "openai_completions"}),
        progress=Question("/slots", read_progress),
        step_tokens=BATCH_TOKENS,
        manners=Manners(turns_strict=True, thinking="reasoning_content", schemas_plain=True),
    )

    def launch(self, program: Path, model: Path, *, port: int, settings: Settings) -> Launch:
        """Our own small script, because the wheel has no command of its own."""
        limit = settings.prompt_cache_bytes
        caches = () if limit is None else (f"--cache-mib={limit // MIB}",)
        return Launch(
            argv=(
                str(program),
                # Isolated: nothing but the engine's own environment can be imported.
                "-I",
                str(_SCRIPT),
                str(model),
                f"--port={port}",
                f"--window={settings.window_tokens}",
                f"--parallel={settings.parallel}",
                f"--batch={BATCH_TOKENS}",
                *caches,
            ),
            env={"GOMP_SPINCOUNT": str(SPIN_ROUNDS)},
        )

    def model_upstream(self, model: str) -> str:
        """The server has one model and takes any name."""
        return model

    def version_command(self, program: Path) -> tuple[str, ...]:
        """Prints `xllamacpp VERSION`."""
        return (str(program), "-I", "-c", _VERSION)
