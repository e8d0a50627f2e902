"""Which answers in a log came through twotier, and so are in the ledger already. Pure.

Whoever speaks through us gets our request id, and Claude Code writes it down: an id that the ledger
has is ours, any other one is not. Where a log has no request id, an attempt of ours with the same
tokens at the same time is the same answer; each attempt stands for one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from twotier.outside.lines import Seen

# A log is written when the answer has ended, on the same machine or one whose clock is near.
EARLY_MS, LATE_MS = 5_000, 120_000


@dataclass(frozen=True, slots=True)
class Ours:
    """An attempt of the ledger: when it began and ended."""

    attempt_id: str
    began_ms: int
    ended_ms: int


def through(
    seen: Iterable[Seen],
    *,
    known: Collection[str],
    near: Mapping[tuple[str, str], Sequence[Ours]],
    taken: Collection[str] = (),
) -> dict[tuple[str, str], str]:
    """What each answer is in the ledger, by source and id; one that is not there is left out.

    `known` are the request ids that the ledger has, `near` the attempts with the same tokens about
    that time, and `taken` those that stand for another answer already.
    """
    found: dict[tuple[str, str], str] = {}
    used = set(taken)
    for one in sorted(seen, key=lambda one: (one.at_ms, one.source, one.id)):
        key = (one.source, one.id)
        if one.request_id:
            if one.request_id in known:
                found[key] = one.request_id
            continue
        for ours in near.get(key, ()):
            fits = ours.began_ms - EARLY_MS <= one.at_ms <= ours.ended_ms + LATE_MS
            if fits and ours.attempt_id not in used:
                found[key] = ours.attempt_id
                used.add(ours.attempt_id)
                break
    return found
