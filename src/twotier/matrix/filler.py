"""Text to fill a window with: plain words that say nothing, different for each probe, so that no
server has read it before. Pure.
"""

from __future__ import annotations

WORDS = (
    *("river", "stone", "lamp", "field", "paper", "horse", "window", "garden", "street", "winter"),
    *(
        "bread",
        "music",
        "table",
        "cloud",
        "letter",
        "bridge",
        "summer",
        "market",
        "forest",
        "chair",
    ),
    *("water", "silver", "engine", "harbour", "morning", "orange", "village", "pencil", "mountain"),
)
LINE_WORDS = 12


def filler(bytes_wanted: int, *, seed: int) -> str:
    """About so many bytes, the same for the same seed."""
    lines: list[str] = []
    size, state = 0, seed % 2**31
    while size < bytes_wanted:
        words = []
        for _ in range(LINE_WORDS):
            state = (1_103_515_245 * state + 12_345) % 2**31
            words.append(WORDS[(state >> 16) % len(WORDS)])
        line = " ".join(words) + "."
        lines.append(line)
        size += len(line) + 1
    return "\n".join(lines)
