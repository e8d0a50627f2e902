"""How long a busy server may be silent, generate nothing for a question, and still be well.

Pure. A long prompt is read in silence, and a call may be written in silence; how long that takes is
known from the prompts inside and from how fast this server was seen to read. Beyond that a server
that works for nobody to see is one that spins. Where it tells how far it is, no silence is longer
than one of its steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from twotier.domain.endpoint import Work

SLOWER = 4.0  # than it was seen to be, before we no longer believe that it reads
TOKENS_PER_SECOND_MIN = 1.0  # of a server that nobody has seen reading: slower ones serve nobody
Pace = Callable[[int], float]


def unlearned(_: int) -> float:
    """Nobody has seen it reading."""
    return 0.0


def silent_seconds(requests: Iterable[Work], *, pace: Pace, step_tokens: int, tells: bool) -> float:
    """How long these explain a silence; infinite where only their own limits end it.

    `pace` gives the tokens a second it reads at that length of a prompt, 0 where that is not known.
    `step_tokens`: after so many of a prompt it gives a sign, 0 for never. `tells`: what it tells of
    its progress would be seen, in answers without a stream too.
    """
    inside = list(requests)
    if tells:
        return reading(sum(one.prompt_tokens for one in inside), pace, most=step_tokens)
    return sum((explained(one, pace, step_tokens=step_tokens) for one in inside), 0.0)


def explained(one: Work, pace: Pace, *, step_tokens: int) -> float:
    """What one request explains."""
    if (one.whole and not one.began) or (one.began and one.holds):
        return math.inf
    # A sign of life may have come while it still reads.
    return reading(one.prompt_tokens, pace, most=step_tokens if one.began else one.prompt_tokens)


def reading(prompt_tokens: int, pace: Pace, *, most: int) -> float:
    """The longest time that `most` tokens of a prompt of that length may take."""
    tokens, learned = min(prompt_tokens, most), pace(prompt_tokens)
    return SLOWER * tokens / learned if learned else tokens / TOKENS_PER_SECOND_MIN
