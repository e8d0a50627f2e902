"""How fast a tier is, learned from what it did, and how long it will take.

    seconds = wait + uncached prompt / prefill(depth) + expected output / decode(depth)

Both rates fall as the conversation grows, so they are kept by depth, which is the length of the
whole prompt. A rate is a mean that forgets slowly and that no single observation can move far: one
answer that waited behind another, or one fresh start, is not what the next one will see.

Pure: what was seen comes in, figures go out. A note costs a few steps, whatever was noted before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

# Where a depth ends, in prompt tokens; the last one has no end. Powers of four: see `depth_of`.
DEPTH_TOKENS = (1_024, 4_096, 16_384, 65_536)
DEPTHS = ("under 1K", "1K to 4K", "4K to 16K", "16K to 64K", "64K and more")
SHARE_NEW_MIN = 0.1  # what a new observation counts for, once there are ten
SURE = 4  # from so many observations on, one can no longer move the mean far
FAR = 4.0  # how far off it is taken to be at most, as a factor
READ_TOKENS_MIN = 32  # fewer say more about overhead than about speed
OUTPUT_TOKENS_MIN = 8
MEASURES = ("prefill", "decode", "cached", "load", "queue")


def depth_of(prompt_tokens: int) -> int:
    """The number of the depth of a prompt, by its binary digits."""
    return min(len(DEPTH_TOKENS), max(0, (prompt_tokens.bit_length() - 9) // 2))


@dataclass(slots=True)
class Mean:
    """A value and how often it was seen; 0 observations mean that nothing is known."""

    value: float = 0.0
    count: int = 0

    def note(self, seen: float) -> None:
        """Take one observation into account."""
        self.count += 1
        self.value += (seen - self.value) * max(1.0 / self.count, SHARE_NEW_MIN)

    def note_rate(self, seen: float) -> None:
        """The same for what is never near zero: one that is far off is not taken at its word."""
        if self.count >= SURE:
            seen = min(max(seen, self.value / FAR), self.value * FAR)
        self.note(seen)


def _by_depth() -> list[Mean]:
    return [Mean() for _ in DEPTHS]


class Did(msgspec.Struct, frozen=True):
    """One answer, as far as speed is concerned. Seconds are 0 where they are not known.

    Of the prompt `cached_tokens` were found in a cache; `read_seconds` went into reading
    `read_tokens`, `output_seconds` into writing `output_tokens`. `queue_seconds` is what came
    before, None where nobody can tell.
    """

    prompt_tokens: int
    cached_tokens: int
    read_tokens: int
    read_seconds: float
    output_tokens: int
    output_seconds: float
    queue_seconds: float | None = None


class Prediction(msgspec.Struct, frozen=True):
    """How long an answer will take, and of what that is made. All in seconds."""

    wait_seconds: float
    prompt_seconds: float
    output_seconds: float

    @property
    def first_token_seconds(self) -> float:
        """Until its first token."""
        return self.wait_seconds + self.prompt_seconds

    @property
    def seconds(self) -> float:
        """Until its end."""
        return self.first_token_seconds + self.output_seconds


@dataclass(slots=True)
class Speed:
    """What is known of one model on one version of its server. Rates are tokens a second.

    `cached` is the share of a prompt that was found in a cache; `load` the seconds from the start
    of its server to its first token; `queue` the seconds a request waited for its turn.
    """

    prefill: list[Mean] = field(default_factory=_by_depth)
    decode: list[Mean] = field(default_factory=_by_depth)
    cached: Mean = field(default_factory=Mean)
    load: Mean = field(default_factory=Mean)
    queue: Mean = field(default_factory=Mean)

    def note(self, did: Did) -> None:
        """Learn from one answer."""
        if not did.prompt_tokens:
            return
        depth = depth_of(did.prompt_tokens)
        if did.read_tokens >= READ_TOKENS_MIN and did.read_seconds > 0.0:
            self.prefill[depth].note_rate(did.read_tokens / did.read_seconds)
        if did.output_tokens >= OUTPUT_TOKENS_MIN and did.output_seconds > 0.0:
            self.decode[depth].note_rate(did.output_tokens / did.output_seconds)
        self.cached.note(did.cached_tokens / did.prompt_tokens)
        if did.queue_seconds is not None:
            self.queue.note(did.queue_seconds)

    def predict(
        self, prompt_tokens: int, output_tokens: int, *, cached: float, wait_seconds: float
    ) -> Prediction | None:
        """How long it will take, or None while a rate is unknown.

        `cached` is the share of the prompt that need not be read, `wait_seconds` what comes before.
        """
        depth = depth_of(prompt_tokens)
        prefill, decode = nearest(self.prefill, depth), nearest(self.decode, depth)
        if not prefill or not decode:
            return None
        fresh = prompt_tokens * (1.0 - cached)
        return Prediction(wait_seconds, fresh / prefill, output_tokens / decode)

    def means(self) -> Iterator[tuple[str, int, Mean]]:
        """Everything that is known: the measure, the depth (0 where there is none), the mean."""
        for measure in MEASURES:
            found = getattr(self, measure)
            rows = enumerate(found) if isinstance(found, list) else [(0, found)]
            yield from ((measure, depth, mean) for depth, mean in rows if mean.count)

    def put(self, measure: str, depth: int, *, mean: Mean) -> None:
        """What was known in an earlier life. A measure or depth of another version is nothing."""
        if measure not in MEASURES or not 0 <= depth < len(DEPTHS):
            return
        found = getattr(self, measure)
        if isinstance(found, list):
            found[depth] = mean
        else:
            setattr(self, measure, mean)


def nearest(rates: list[Mean], depth: int) -> float:
    """The rate at a depth, else at the nearest one that is known, the deeper of two (it is the
    slower one, and a wait that is shorter than was said annoys nobody); 0 if none is.
    """
    if rates[depth].count:
        return rates[depth].value
    known = [(abs(at - depth), -at, mean.value) for at, mean in enumerate(rates) if mean.count]
    return min(known)[2] if known else 0.0
