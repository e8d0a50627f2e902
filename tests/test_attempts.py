"""What a tier is expected to answer: never more than its window has room for now."""

from __future__ import annotations

import pytest

from tests.router.test_tree import LOCAL
from twotier.attempts import Attempts
from twotier.clock import SystemClock
from twotier.domain.message import Request
from twotier.domain.task import Caller
from twotier.domain.tier import TierFacts, TierState
from twotier.router.caching import Caches
from twotier.router.estimate import estimate


@pytest.mark.parametrize(
    ("text_bytes", "in_force", "output_tokens", "looks"),
    [
        (4_000, 0, 4_096, 0),
        (600_000, 0, 4_096, 1),
        (600_000, 150_500, 500, 1),
        (600_000, 1_000, 64, 1),
    ],
)
def test_the_answer_has_room_in_the_window_in_force(
    text_bytes: int, in_force: int, output_tokens: int, looks: int
) -> None:
    """A small request does not ask how large it is; a row of one that is too large is made all the
    same, because it was decided before.
    """
    asked: list[str] = []

    def facts(name: str) -> TierFacts:
        asked.append(name)
        return TierFacts(name, TierState.READY, window_tokens=in_force)

    attempts = Attempts({"local": LOCAL}, lambda *_: None, SystemClock(), facts, Caches())
    request = Request("openai_chat", b"{}", "auto", text_bytes=text_bytes)
    task = estimate(request, Caller())
    assert attempts.expected("local", task).output_tokens == output_tokens
    assert len(asked) == looks
