"""Usage and reasons to stop as this dialect writes them, and what stands in where nobody counted.

Clients of this dialect take a usage for granted: their SDKs fail without one. So where an upstream
counts nothing, the lengths speak, four bytes to a token, as the router estimates.
"""

from __future__ import annotations

from typing import Any

from twotier.domain.message import Finish, Request, Usage
from twotier.protocols.anthropic_messages.message import FINISH_WRITTEN

# English and code.
_BYTES_PER_TOKEN = 4
_IMAGE_TOKENS = 1_600
_PAGE_TOKENS = 3_000


def estimated_input_tokens(request: Request) -> int:
    """About how many tokens a request has."""
    pictures = request.images * _IMAGE_TOKENS + request.document_pages * _PAGE_TOKENS
    return -(-request.text_bytes // _BYTES_PER_TOKEN) + pictures


def estimated_output_tokens(output_bytes: int) -> int:
    """About how many tokens were written."""
    return -(-output_bytes // _BYTES_PER_TOKEN)


def usage_object(usage: Usage) -> dict[str, Any]:
    """The figures stand alone here, as they do in `Usage`, but for the sum of the cache writes."""
    tools = {f"{name}_requests": count for name, count in usage.uses}
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        **({"server_tool_use": tools} if tools else {}),
    }


def stop_fields(finish: Finish, stop_sequence: str) -> dict[str, str | None]:
    """Why it stopped. Only this dialect tells a stop sequence from the model's own end."""
    if stop_sequence and finish == "stop":
        return {"stop_reason": "stop_sequence", "stop_sequence": stop_sequence}
    return {"stop_reason": FINISH_WRITTEN[finish], "stop_sequence": None}
