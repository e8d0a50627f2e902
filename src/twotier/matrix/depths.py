"""How deep a probe goes: three lengths of a prompt, with a word at both ends. Pure.

The longest is the tier's window, less room for the answer, but no more than the tier reads in
`READ_SECONDS_MAX`: M2.5 on the article's machine needs five minutes for its whole window. `--full`
takes all of it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.matrix.filler import filler
from twotier.matrix.heard import Heard, broken

SHALLOW_TOKENS = 600
SHALLOW_TOKENS_MIN = 64
DEEP_TOKENS_MIN = 1_024
READ_SECONDS_MAX = 10.0
ANSWER_TOKENS = 512  # left free in the window for question and answer
STORY_TOKENS = 48
FIRST, LAST = "walnut", "lantern"  # no words of the filler
QUESTIONS = (
    "What are the first word and the last word to remember? Answer with both.",
    "What is the first word to remember? Answer with that word.",
    "What is the last word to remember? Answer with that word.",
)
WANTED = ((FIRST, LAST), (FIRST,), (LAST,))


class Depths(msgspec.Struct, frozen=True):
    """The two longer prompts, in tokens."""

    middle: int
    deep: int


def shallow_tokens(window_tokens: int) -> int:
    """The first prompt: long enough to tell a rate, short enough for any window."""
    return max(SHALLOW_TOKENS_MIN, min(SHALLOW_TOKENS, window_tokens // 4))


def depths(window_tokens: int, prefill: float, *, full: bool) -> Depths:
    """What follows the first prompt, by the rate at which that was read (0 where not known)."""
    shallow = shallow_tokens(window_tokens)
    room = max(shallow, window_tokens - ANSWER_TOKENS)
    deep = room if full else min(room, max(DEEP_TOKENS_MIN, int(prefill * READ_SECONDS_MAX)))
    return Depths(int((shallow * deep) ** 0.5), deep)


def between(size_bytes: int, *, seed: int) -> str:
    """A prompt of about this size with a word to remember at each end."""
    words = filler(size_bytes, seed=seed)
    return (
        f"The first word to remember is {FIRST}.\n{words}\nThe last word to remember is {LAST}.\n"
    )


def story(prompt: str) -> dict[str, Any]:
    """A question whose answer is long enough to tell how fast it is written."""
    text = f"{prompt}\nTell a long story about all of this."
    message = {"role": "user", "content": text}
    return {"messages": [message], "max_tokens": STORY_TOKENS, "temperature": 0}


def remember(prompt: str, number: int) -> dict[str, Any]:
    """What stood at the ends."""
    text = f"{prompt}\n{QUESTIONS[number % len(QUESTIONS)]}"
    message = {"role": "user", "content": text}
    return {"messages": [message], "max_tokens": ANSWER_TOKENS // 2, "temperature": 0}


def judge_memory(heard: Heard, number: int) -> str:
    """A server that cuts a prompt in silence forgets its beginning."""
    if why := broken(heard):
        return why
    said = heard.text.lower()
    missing = [word for word in WANTED[number % len(WANTED)] if word not in said]
    if not missing:
        return ""
    ends = " and ".join("beginning" if word == FIRST else "end" for word in missing)
    return f"the {ends} of the prompt was lost"
