"""How an answer is verified, rung by rung, and what follows from what was seen. Pure.

The cheapest rung comes first, and the first one that is sure ends it: what fails goes to the
frontier, what is proven is kept. Whoever climbs asks `next_rung` what to look at, does that, and
hands in what was `Seen`; `verdict` says what becomes of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class End(StrEnum):
    """What becomes of an answer."""

    KEEP = "keep"
    ESCALATE = "escalate"
    UNDECIDED = "undecided"  # what was wanted could not be told: it stays, and proves nothing


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to look. `proves`: where it passes nothing more need be asked. `asks`: it needs a
    model, and `text` says what for.
    """

    name: str
    text: str
    asks: bool = False
    proves: bool = False


RUNGS: tuple[Rung, ...] = (
    Rung("checks", "free looks at the answer itself"),
    Rung("command", "the job's own command ends with 0", proves=True),
    Rung("second", "another local answer says the same", asks=True, proves=True),
    Rung("rubric", "a model finds nothing wrong with it", asks=True, proves=True),
)
ORDER = tuple(rung.name for rung in RUNGS)
_BY_NAME = {rung.name: rung for rung in RUNGS}
# What the words of a setting or a header stand for.
PLANS: dict[str, frozenset[str]] = {
    "no": frozenset(),
    "checks": frozenset({"checks"}),
    "yes": frozenset({"checks", "second"}),
    "second": frozenset({"checks", "second"}),
    "rubric": frozenset({"checks", "second", "rubric"}),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a rung found: `passed` is None where it could not tell, for the reason in `because`."""

    rung: str
    passed: bool | None
    because: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end, and the sentences of what was looked at; `by` is the rung that decided."""

    end: End
    by: str
    because: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """In one line."""
        return "; ".join(self.because)


def next_rung(wanted: frozenset[str], seen: Sequence[Seen]) -> str:
    """What to look at now; empty where nothing more is wanted, or it is clear already."""
    if decided(seen):
        return ""
    done = {one.rung for one in seen}
    return next((name for name in ORDER if name in wanted and name not in done), "")


def decided(seen: Sequence[Seen]) -> str:
    """The rung that failed, else the one that proved; empty where neither did."""
    failed = [one.rung for one in seen if one.passed is False]
    proven = [one.rung for one in seen if one.passed and _BY_NAME[one.rung].proves]
    return next(iter([*failed, *proven]), "")


def verdict(seen: Sequence[Seen]) -> Verdict:
    """What follows. Free looks alone keep an answer; what was wanted and could not be told does
    not prove it.
    """
    because = tuple(sentence(one) for one in seen)
    by = decided(seen)
    if by:
        end = End.KEEP if all(one.passed is not False for one in seen) else End.ESCALATE
        return Verdict(end, by, because)
    if any(one.passed is None for one in seen) or not seen:
        return Verdict(End.UNDECIDED, seen[-1].rung if seen else "", because)
    return Verdict(End.KEEP, seen[-1].rung, because)


def sentence(one: Seen) -> str:
    """What was seen, for people."""
    if one.passed:
        return one.because or f"{one.rung}: {_BY_NAME[one.rung].text}"
    word = "cannot tell" if one.passed is None else "fails"
    return f"{one.rung} {word}: {one.because}"


STORY_CHARACTERS_MAX = 2_000  # about 500 tokens: of what the frontier is told of a try that failed


def story(answer: str, found: Verdict) -> str:
    """What the frontier is told of the try: what was wrong, and what was said, its beginning and
    its end. It stands between markers, because it may hold text of strangers.
    """
    said = answer.strip()
    room = STORY_CHARACTERS_MAX // 2
    if len(said) > 2 * room:
        said = f"{said[:room]}\n[...]\n{said[-room:]}"
    inside = said.replace("</item>", "< /item>").replace("<item>", "< item>")
    wrong = " ".join(found.text.split())[: STORY_CHARACTERS_MAX // 4]
    return (
        f"A smaller model tried this, and its answer was not good enough ({wrong}). It said:\n"
        f"<item>\n{inside}\n</item>\nDo the task anew; use of it what is right."
    )
