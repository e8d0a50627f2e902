"""llama.cpp's own server, from the xllamacpp wheel: one GGUF file, no compiler, no GPU needed.

Measured with xllamacpp 2026.10.11549 on two x86 cores: a token about 1 s after the start; speaks
`/health` (503 while loading), `/v1/models`, `/metrics`; tools and JSON schemas work.

It stops generating within 1 s when its caller leaves, streamed or not, so it is relayed as asked.
For a caller without a stream it looks once in a second in which nothing else was answered: as long
as other answers (tokens of another request, `/slots`) come more often, it goes on to `max_tokens`.
"""

from __future__ import annotations

from pathlib import Path

from twotier.domain.launch import Launch
from twotier.engines.base import CHAT_FIELDS, Ownership, Settings, Traits

_SCRIPT = Path(__file__).with_name("launch_llama.py")
_VERSION = "import importlib.metadata as m; print('xllamacpp', m.version('xllamacpp'))"


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
        fields=CHAT_FIELDS
        | {"tool_choice", "parallel_tool_calls", "response_format", "top_k", "min_p", "n"},
    )

    def launch(self, python: Path, model: Path, *, port: int, settings: Settings) -> Launch:
        """Our own small script, because the wheel has no command of its own."""
        return Launch(
            argv=(
                str(python),
                # Isolated: nothing but the engine's own environment can be imported.
                "-I",
                str(_SCRIPT),
                str(model),
                f"--port={port}",
                f"--window={settings.window_tokens}",
                f"--parallel={settings.parallel}",
            )
        )

    def model_upstream(self, model: str) -> str:
        """The server has one model and takes any name."""
        return model

    def version_command(self, python: Path) -> tuple[str, ...]:
        """Prints `xllamacpp VERSION`."""
        return (str(python), "-I", "-c", _VERSION)
