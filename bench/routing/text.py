"""What the text of a task alone can say: the baseline that verification has to beat.

Words are weighed by how much more often they stand in tasks the local model failed (naive Bayes
with add-one counts), beside the kind that the router itself reads from a task. Measured
elsewhere, a sentence encoder does no better at this.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from bench.routing.stats import Split
from twotier.domain.task import Caller
from twotier.router.estimate import said

WORD = re.compile(r"[a-z]{3,}|\d")
WORDS_MAX = 400  # of one text
LOCAL = ("polling", "read-report")


def by_kind(prompts: Iterable[str]) -> list[float]:
    """1 where the kind of work that the router reads from a task's words goes to the frontier, as
    does what nobody can tell.
    """
    return [float(said(prompt, Caller())[0] not in LOCAL) for prompt in prompts]


def by_words(
    prompts: Sequence[str], failed: Sequence[float], *, splits: Iterable[Split]
) -> list[float]:
    """How much the words of each task speak for a failure, learned from other tasks."""
    texts = [words_of(prompt) for prompt in prompts]
    needs = [0.0] * len(prompts)
    for split in splits:
        weights = weights_of(texts, failed, rows=split.learn)
        for row in split.ask:
            needs[row] = sum(weights.get(word, 0.0) for word in texts[row])
    return needs


def words_of(prompt: str) -> frozenset[str]:
    """The different words at the beginning of a text."""
    return frozenset(WORD.findall(prompt.lower())[:WORDS_MAX])


def weights_of(
    texts: Sequence[frozenset[str]], failed: Sequence[float], *, rows: Sequence[int]
) -> dict[str, float]:
    """Log odds of each word that stands in a few of these rows."""
    bad, good = Counter[str](), Counter[str]()
    for row in rows:
        (bad if failed[row] > 0.5 else good).update(texts[row])
    bads = sum(1 for row in rows if failed[row] > 0.5)
    goods = len(rows) - bads
    return {
        word: math.log((bad[word] + 1) / (bads + 2)) - math.log((good[word] + 1) / (goods + 2))
        for word in bad.keys() | good.keys()
        if bad[word] + good[word] >= 4
    }
