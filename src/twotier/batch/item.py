"""One request that waits in a batch, and what its row in the ledger says of it.

An item is found by who asks (job, run and step) and by what is asked, both as digests: the same
question of the same step is the same item in every life of the process, another question never is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import msgspec

from twotier.domain.message import Request, Usage
from twotier.domain.money import Attempt
from twotier.domain.task import Caller
from twotier.errors import TierUnavailableError, TwotierError, UpstreamError
from twotier.ledger.batches import ENDED, UNSURE, BatchRow

_ATTEMPT = msgspec.json.Decoder(Attempt)
_USAGE = msgspec.json.Decoder(Usage)
# An upstream that says one of these is busy: whether it took the batch is looked up.
_BUSY = frozenset({408, 409, 425, 429})


@dataclass(slots=True, eq=False)
class Item:
    """`due` is when it is looked at next, on a monotonic clock; None: whoever begins it has it.

    `foreign` are batches that turned out to be somebody else's. `cancelled`: it was asked to end.
    `heard`: those who listen were told of its end.
    """

    row: BatchRow
    attempt: Attempt
    expected: Usage
    due: float | None
    since: float
    cancelled: bool = False
    heard: bool = False
    foreign: set[str] = field(default_factory=set)

    @property
    def ended(self) -> bool:
        """Whether it is known what became of it."""
        return self.row.state == ENDED

    @property
    def unsure(self) -> bool:
        """Whether it may have been sent or not."""
        return self.row.state == UNSURE

    def change(self, **changes: object) -> None:
        """Another row in place of this one."""
        self.row = msgspec.structs.replace(self.row, **changes)

    def told(self) -> dict[str, object]:
        """For people and scripts."""
        attempt, row = self.attempt, self.row
        return {
            "job": attempt.job,
            "run": attempt.run,
            "step": attempt.step,
            "tier": attempt.tier,
            "model": attempt.model,
            "batch": row.batch_id,
            "state": row.state,
            "sent_ms": row.sent_ms,
            "until_ms": row.until_ms,
        }


def begun(
    attempt: Attempt, request: Request, *, expected: Usage, now_ms: int, deadline_seconds: float
) -> BatchRow:
    """The row of a request that is about to be sent."""
    return BatchRow(
        attempt_id=attempt.id,
        slot=slot_of(job=attempt.job, run=attempt.run, step=attempt.step),
        request=digest_of(request),
        attempt=msgspec.json.encode(attempt).decode(),
        expected=msgspec.json.encode(expected).decode(),
        sent_ms=now_ms,
        until_ms=now_ms + int(deadline_seconds * 1000),
    )


def known(row: BatchRow, *, now: float) -> Item:
    """The item of a row that an earlier life left."""
    attempt, expected = _ATTEMPT.decode(row.attempt), _USAGE.decode(row.expected)
    return Item(row, attempt, expected, due=now, since=now)


def slot_of(*, job: str, run: str, step: str) -> str:
    """The name of a step."""
    return hashlib.sha256(f"{job}\n{run}\n{step}".encode()).hexdigest()


def slot_for(caller: Caller) -> str:
    """The name of the step that asks."""
    return slot_of(job=caller.job, run=caller.run, step=caller.step)


def digest_of(request: Request) -> str:
    """What is asked; it cannot be read from this."""
    return hashlib.sha256(request.body).hexdigest()


def kept_under(item: Item) -> bytes:
    """The name of its answer."""
    return hashlib.sha256(item.attempt.id.encode()).digest()


def refused(error: TwotierError) -> bool:
    """Whether a batch was certainly not taken, and would not be if it were sent again."""
    if isinstance(error, UpstreamError):
        status = error.upstream_status
        return 400 <= status < 500 and status not in _BUSY
    return isinstance(error, TierUnavailableError)
