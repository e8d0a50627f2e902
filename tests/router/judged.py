"""Judgements for tests: short to write, the oldest first."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from twotier.domain.verdict import BAD, GOOD, UNSAID, Judgement
from twotier.router.weighing import Present

WORDS = {"+": GOOD, "-": BAD, "~": BAD, "*": GOOD, "?": UNSAID}
DAY_MS = 86_400_000
PRESENT = Present("local", "mlx_lm/small", "1", "p", 1_000 * DAY_MS)


def judged(
    words: str,
    *,
    key: str = "brief",
    tier: str = "local",
    model: str = "mlx_lm/small",
    version: str = "1",
    prompt: str = "p",
    days_ago: float = 0.0,
    tokens: int = 100,
) -> list[Judgement]:
    """One for each sign: `+` good, `-` bad, `~` bad and done again by another tier, `*` good where
    such would be, `?` unverified. The last one is that many days old.
    """
    return list(
        _each(
            words,
            Judgement(
                "", key, tier, model, version, prompt,
                int(PRESENT.now_ms - days_ago * DAY_MS), UNSAID, "form", tokens, 2.0, 1, 0,
            ),
        )
    )  # fmt: skip


def _each(words: str, like: Judgement) -> Iterator[Judgement]:
    for number, word in enumerate(words):
        at_ms = like.at_ms - (len(words) - 1 - number)
        name = f"{like.key}-{like.tier}-{like.model}-{like.version}-{like.prompt}-{at_ms}"
        yield replace(like, id=name, at_ms=at_ms, good=WORDS[word], redone=word in "~*")
