"""What a model needs in memory, and what a machine has: values and sums, no reading.

A prediction is kept in its parts, so that people see what to change. The headroom is what has to
stay free beside the model for everything else on the machine: 30 % of its memory, and for a small
model no more than half of what the model itself needs, but never less than 1 GB.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

HEADROOM_PERCENT = 30
HEADROOM_BYTES_MIN = 1_000_000_000
OWN_SHARE = 2  # a model needs beside it at most one part in two of its own size


@dataclass(frozen=True, slots=True)
class Footprint:
    """The bytes of a model server that is as full as its settings let it become.

    `kv_bytes` are the caches of requests being answered, `prompt_cache_bytes` those kept for later
    ones, `work_bytes` what one step of reading a prompt needs, `server_bytes` the program itself.
    `correction_bytes` is what was seen beyond the prediction the last time, less than zero where
    it was too high. `kv_reserved`: the engine takes all of `kv_bytes` when it starts.
    """

    weights_bytes: int
    kv_bytes: int
    prompt_cache_bytes: int
    work_bytes: int
    server_bytes: int
    correction_bytes: int = 0
    kv_reserved: bool = False

    @property
    def predicted_bytes(self) -> int:
        """All of it, before anything was seen."""
        own = self.weights_bytes + self.server_bytes + self.work_bytes
        return own + self.kv_bytes + self.prompt_cache_bytes

    @property
    def total_bytes(self) -> int:
        """All of it, corrected by what was seen."""
        return max(self.predicted_bytes + self.correction_bytes, self.weights_bytes)

    @property
    def loaded_bytes(self) -> int:
        """What is there once the first token came, corrected."""
        taken = self.kv_bytes if self.kv_reserved else 0
        return self.weights_bytes + self.server_bytes + taken + self.correction_bytes

    def corrected(self, by_bytes: int) -> Footprint:
        """The same, with what was seen beyond it."""
        return replace(self, correction_bytes=by_bytes)


def headroom_bytes(
    memory_bytes: int, footprint: Footprint, *, percent: int = HEADROOM_PERCENT
) -> int:
    """What has to stay free beside this model on a machine with that memory."""
    if not percent:
        return 0
    share = memory_bytes * percent // 100
    return max(min(share, footprint.total_bytes // OWN_SHARE), HEADROOM_BYTES_MIN)
