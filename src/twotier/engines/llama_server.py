"""llama.cpp's `llama-server` from this machine, in place of the wheel: for a build with the GPU
support you need. Found on PATH, or named by the tier's `program`.

It answers as the wheel's server does (see `llama_cpp`), so the traits are the same. Builds differ
in their options, and one that is not known ends the start: so only old ones are options here, and
newer ones are set by environment variables, which a build that does not know them never reads.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from twotier.domain.launch import Launch
from twotier.engines.base import Settings
from twotier.engines.launch_llama import CACHE_MIB
from twotier.engines.llama_cpp import BATCH_TOKENS, MIB, LlamaCpp


class LlamaServer:
    """`engines.base.Engine` for GGUF models and a program of the owner's."""

    traits = replace(LlamaCpp.traits, name="llama_server", lock="", program="llama-server")

    def launch(self, program: Path, model: Path, *, port: int, settings: Settings) -> Launch:
        """Its own command; the server divides the context among its slots."""
        limit = settings.prompt_cache_bytes
        cache = CACHE_MIB if limit is None else max(1, limit // MIB)
        return Launch(
            argv=(
                *(str(program), "--model", str(model), "--alias", model.stem),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--ctx-size", str(settings.window_tokens * settings.parallel)),
                *("--parallel", str(settings.parallel)),
                *("--batch-size", str(BATCH_TOKENS)),
                "--metrics",
            ),
            env={
                "LLAMA_ARG_CACHE_RAM": str(cache),
                # Its default is any page in a browser.
                "LLAMA_ARG_CORS_ORIGINS": f"http://127.0.0.1:{port}",
                "LLAMA_ARG_ENDPOINT_SLOTS": "1",  # older builds do not tell of them by themselves
                "LLAMA_ARG_JINJA": "1",
                "LLAMA_ARG_OFFLINE": "1",
            },
        )

    def model_upstream(self, model: str) -> str:
        """The server has one model and takes any name."""
        return model

    def version_command(self, program: Path) -> tuple[str, ...]:
        """Prints `version: BUILD (COMMIT)` and its compiler."""
        return (str(program), "--version")
