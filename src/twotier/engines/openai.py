"""Any server that speaks OpenAI's chat dialect and has no engine of its own here, or is on another
machine. It is asked and watched, never started or ended, and nothing is taken for granted: its
requests are sent as the client's own.
"""

from __future__ import annotations

from twotier.engines.base import CHAT_FIELDS, COMPLETIONS_FIELDS, FIELDS, Ownership, Traits
from twotier.engines.elsewhere import Elsewhere


class OpenAi(Elsewhere):
    """It is always asked for a stream: nobody knows whether it stops when its caller leaves."""

    traits = Traits(
        name="openai",
        provider="openai-local",
        ownership=Ownership.REMOTE,
        lock="",
        base_path="/v1",
        stream_always=True,
        not_found_is_outage=False,
        window_tokens_default=32_768,
        fields={
            **FIELDS,
            "openai_chat": CHAT_FIELDS
            | {"tool_choice", "parallel_tool_calls", "response_format", "top_k", "min_p", "n"},
            "openai_completions": COMPLETIONS_FIELDS | {"top_k", "min_p", "n"},
        },
    )
