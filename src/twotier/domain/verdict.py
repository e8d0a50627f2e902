"""What is said of how a piece of work ended at a tier, and what is kept of it.

Only a verdict that somebody or something came to counts as success or failure. Work that ended well
and that nothing looked at says what it took, and nothing about how good it was. A piece is known by
its `id`: said twice it counts once, and who knows better overrules. No text is ever part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

GOOD, BAD, UNSAID = 1, 0, -1
OWNER = "owner"
# Who overrules whom: what a person says counts most, then two answers compared, then a check.
RANKS = {OWNER: 3, "trial": 2, "judge": 2}
CHECKED, UNCHECKED = 1, 0
PROMPT_BYTES = 8


class Took(msgspec.Struct, frozen=True):
    """What a piece of work took, all its calls together; 0 where nobody counted."""

    output_tokens: int = 0
    seconds: float = 0.0
    steps: int = 0
    cost_microusd: int = 0


class Verdict(msgspec.Struct, frozen=True):
    """One verdict on a `part` of a `run` at a tier; a request that is no run's has its own name for
    one. `key` is the job's name, or the name of a prompt's template; `by` is what came to it:
    `form`, `schema`, `citations`, `loop`, `stuck`, `escalated`, `trial`, `owner`. `good` is None
    for a good end that nothing has verified. `prompt` names the prompt as it was, empty where
    nobody knows; another one is an edit. `took` is None where main knows better. `redone`: what
    fails of such work here is done again by another tier before anybody has it, as this was if it
    is no success.
    """

    key: str
    tier: str
    good: bool | None
    by: str
    run: str
    part: str = ""
    prompt: str = ""
    took: Took | None = None
    redone: bool = False

    @property
    def id(self) -> str:
        """The piece of work: the same whoever speaks of it, however often."""
        return f"{self.run}:{self.part}:{self.tier}"


class Judgement(msgspec.Struct, frozen=True):
    """A verdict as it is kept: with the model and the version of its server, and when. `good` is
    `GOOD`, `BAD` or `UNSAID`.
    """

    id: str
    key: str
    tier: str
    model: str
    version: str
    prompt: str
    at_ms: int
    good: int
    by: str
    output_tokens: int = 0
    seconds: float = 0.0
    steps: int = 0
    cost_microusd: int = 0
    redone: bool = False

    @property
    def verified(self) -> bool:
        """Whether it says anything about success."""
        return self.good != UNSAID

    @property
    def rank(self) -> int:
        """How much whoever came to it knows."""
        return RANKS.get(self.by, CHECKED) if self.verified else UNCHECKED


def overrules(one: Judgement, other: Judgement) -> bool:
    """Whether what is said now replaces what was said before of the same piece. Of two checks the
    one that found something counts; an owner may think again.
    """
    if one.rank != other.rank:
        return one.rank > other.rank
    return one.by == OWNER or (one.good == BAD and other.good == GOOD)


def prompt_name(texts: Iterable[str]) -> str:
    """A short name of a prompt's unchanging texts and its tools, from which none can be read."""
    digest = hashlib.blake2b(digest_size=PROMPT_BYTES)
    for text in texts:
        digest.update(text.encode("utf-8", "replace"))
        digest.update(b"\0")
    return digest.hexdigest()
