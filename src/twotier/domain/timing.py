"""What an upstream itself tells of its times; where it tells nothing there is none of these."""

from __future__ import annotations

import msgspec


class Timing(msgspec.Struct, frozen=True):
    """How long reading the prompt and writing the answer took, without any wait before them.

    `prompt_tokens` were read now, not found in a cache; `prompt_seconds` is 0 where only that is
    known, `output_tokens` is 0 where only the reading is.
    """

    prompt_tokens: int
    prompt_seconds: float
    output_tokens: int = 0
    output_seconds: float = 0.0
