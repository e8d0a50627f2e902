r"""How many tokens a prompt is at a tier, learned from what the tier itself counted.

    tokens = text bytes * rate(script, size) + images and documents

The rate is that of a tier, because each model has its own tokenizer and template, and of a script:
English and code take about four bytes for a token, text with other letters fewer, and the escapes
that some clients write for them (`\u0434`) many more. Short prompts are apart, for in them the
frame of JSON is most of it. How far off the estimates were is remembered, and told with them.

Estimates stay estimates: money is reserved by bytes, which are a bound. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from twotier.domain.work import Work
from twotier.router.sketch import Sketch
from twotier.router.speed import Mean

SCRIPTS = ("ascii", "other", "escaped")
# Tokens for a byte before anything was learned.
USUAL: Mapping[str, float] = {"ascii": 1 / 4, "other": 1 / 3.5, "escaped": 1 / 6}
SIZES_BYTES = (2_048, 16_384)  # where a size ends; the last one has no end
BYTES_MAX, TEMPLATE_TOKENS = 16, 1_000
ERROR_UNIT = 1_000.0  # an error is noted in thousandths: the sketch has no room below 1


def script_of(text: str, body: bytes) -> str:
    """The script of a request by what its user wrote last: nearly always a look at one bit."""
    if text.isascii():
        return "ascii"
    return "escaped" if body.isascii() else "other"


def size_of(text_bytes: int) -> int:
    """The number of the size of a prompt."""
    return bisect_right(SIZES_BYTES, text_bytes)


def usual(work: Work) -> int:
    """The tokens of a prompt at a tier that nobody knows."""
    return int(work.text_bytes * USUAL[work.script]) + work.beside_tokens


def is_likely(text_bytes: int, tokens: int) -> bool:
    """Whether a text may have so many tokens: none is longer than 16 bytes on average, and beside
    one for each byte there is a template.
    """
    return text_bytes > 0 and text_bytes / BYTES_MAX <= tokens <= text_bytes + TEMPLATE_TOKENS


@dataclass(slots=True)
class Scale:
    """The rates of one tier, and how far off estimates with them were."""

    rates: dict[tuple[str, int], Mean] = field(default_factory=dict)
    errors: Sketch = field(default_factory=Sketch)

    def tokens(self, work: Work) -> int:
        """The tokens of this prompt here."""
        return int(work.text_bytes * self.rate(work)) + work.beside_tokens

    def rate(self, work: Work) -> float:
        """Tokens for a byte: of this script and size, else of the next larger or smaller size."""
        size = size_of(work.text_bytes)
        for near in (size, size + 1, size + 2, size - 1, size - 2):
            if found := self.rates.get((work.script, near)):
                return found.value
        return USUAL[work.script]

    def note(self, work: Work, tokens: int) -> None:
        """Learn from what was counted. Of a prompt with images nobody knows what the text was, and
        what cannot be is not believed.
        """
        if work.beside_tokens or not is_likely(work.text_bytes, tokens):
            return
        self.errors.note(abs(self.tokens(work) / tokens - 1.0) * ERROR_UNIT)
        mean = self.rates.setdefault((work.script, size_of(work.text_bytes)), Mean())
        mean.note_rate(tokens / work.text_bytes)

    def error(self, share: float) -> float | None:
        """This share of estimates was off by no more than so much of the truth; None before any."""
        return self.errors.at(share) / ERROR_UNIT if self.errors.seen else None

    def known(self) -> Iterator[tuple[str, int, Mean]]:
        """Every rate that was learned."""
        yield from ((script, size, mean) for (script, size), mean in self.rates.items())


class Scales(dict[str, Scale]):
    """Those of all tiers, by name."""

    def tokens(self, work: Work, tier: str) -> int:
        """The tokens of a prompt at a tier."""
        scale = self.get(tier)
        return usual(work) if scale is None else scale.tokens(work)
