"""Any server that speaks OpenAI's chat dialect and is not ours to start: Ollama, LM Studio, vLLM,
llama-server, or one on another machine. It is asked and watched, never started or ended.
"""

from __future__ import annotations

from pathlib import Path

from twotier.domain.launch import Launch
from twotier.engines.base import CHAT_FIELDS, Ownership, Settings, Traits
from twotier.errors import EngineError


class OpenAi:
    """`engines.base.Engine` for a server somebody else runs.

    It is always asked for a stream: nobody knows whether it stops when its caller leaves.
    """

    traits = Traits(
        name="openai",
        provider="openai-local",
        ownership=Ownership.REMOTE,
        lock="",
        base_path="/v1",
        stream_always=True,
        not_found_is_outage=False,
        window_tokens_default=32_768,
        fields=CHAT_FIELDS
        | {"tool_choice", "parallel_tool_calls", "response_format", "top_k", "min_p", "n"},
    )

    def launch(self, python: Path, model: Path, *, port: int, settings: Settings) -> Launch:  # noqa: ARG002 - the seam's
        """There is nothing to start."""
        raise EngineError("the engine `openai` is run by somebody else; set the tier's `base_url`")

    def model_upstream(self, model: str) -> str:
        """The configured name, unchanged."""
        return model

    def version_command(self, python: Path) -> tuple[str, ...]:  # noqa: ARG002 - the seam's
        """It does not run here."""
        return ()
