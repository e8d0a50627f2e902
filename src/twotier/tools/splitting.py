"""Long reading with long writing, split: the local tier marks lines, the frontier writes from them.

The local tier reads all of the material in pieces, each line with its number, and answers with
numbers only. The lines themselves are copied here, so an extract is word for word what stands in
the material, and its citation is right however small the model is. What a citation of the written
answer leads to is told below it. Nothing here asks the frontier.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from twotier.errors import ToolError
from twotier.tools.reading import Reading, marked, read

WHOLE_CHARACTERS_MAX = 12_000  # about 3,000 tokens: shorter material is not worth two steps
EXTRACTS_CHARACTERS_MAX = 40_000
LINE_CHARACTERS_MAX = 400  # a longer line is read in parts
RANGES_MAX = 12
LINES_MAX = 40

MARK = (
    "Below is part {number} of {count} of some material, each line with its number. Somebody else"
    " does the task from the lines you pick, and sees no other line. Pick those with facts, figures"
    " or quotes the task needs. Answer with their numbers, from and to; with an empty list if there"
    " are none.\n\nThe task: {task}"
)
RANGE = {
    "type": "object",
    "properties": {"from": {"type": "integer"}, "to": {"type": "integer"}},
    "required": ["from", "to"],
    "additionalProperties": False,
}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"lines": {"type": "array", "items": RANGE, "maxItems": RANGES_MAX}},
    "required": ["lines"],
    "additionalProperties": False,
}
WRITE = (
    "{task}\n\nWork from the numbered extracts below. They were picked, word for word, by a reader"
    " of all the material. Put the number of an extract, as in [2], behind what you take from it."
    " What is in none of them you do not know from the material; say so where it matters."
)
CITATION = re.compile(r"\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\](?!\()")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the material, or a part of a very long one. `number` counts the lines of its text,
    `at` all that is read.
    """

    source: str
    number: int
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Extract:
    """Lines `first` to `last` of a text, word for word."""

    source: str
    first: int
    last: int
    text: str

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        lines = f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.source}:{lines}"


@dataclass(frozen=True, slots=True)
class Split:
    """What was picked, in the order of the material. `left_out` extracts did not fit any more."""

    extracts: tuple[Extract, ...]
    pieces: int
    left_out: int = 0

    def prompt(self, task: str) -> str:
        """What the frontier is asked."""
        items = (
            marked(f"[{number}] {one.place}", one.text)
            for number, one in enumerate(self.extracts, 1)
        )
        more = f"\n\n({self.left_out} more extracts did not fit.)" if self.left_out else ""
        return "\n\n".join((WRITE.format(task=task), *items)) + more

    def wrong(self, answer: str) -> str:
        """What is wrong with its citations; empty where nothing is."""
        unknown = sorted(number for number in cited(answer) if not self._has(number))
        if not unknown:
            return ""
        numbers = ", ".join(f"[{number}]" for number in unknown)
        return f"it cites {numbers}, and there are [1] to [{len(self.extracts)}]"

    def with_sources(self, answer: str) -> str:
        """The answer, and below it what its citations lead to."""
        lines = self.sources(answer)
        return "\n".join((answer.strip(), "", *lines)) if lines else answer.strip()

    def sources(self, answer: str) -> list[str]:
        """One line for each extract that is cited."""
        numbers = sorted(number for number in cited(answer) if self._has(number))
        return [f"[{number}] {self.extracts[number - 1].place}" for number in numbers]

    def _has(self, number: int) -> bool:
        return 1 <= number <= len(self.extracts)


def cited(answer: str) -> set[int]:
    """The numbers in square brackets, without those of links."""
    return {
        int(number) for found in CITATION.findall(answer) for number in re.split(r"[,;]", found)
    }


def worth(task: str, texts: Mapping[str, str]) -> bool:
    """Whether there is enough to read for two steps."""
    return len(task) + sum(map(len, texts.values())) > WHOLE_CHARACTERS_MAX


async def split(task: str, texts: Mapping[str, str], *, reading: Reading) -> Split:
    """Have the local tier pick from all of it. Raises `ToolError`, also where it picks nothing."""
    room = reading.limits.piece_characters - len(task)
    if room < LINE_CHARACTERS_MAX * 2:
        raise ToolError("the task is too long for the local tier; put its material in files")
    parts = list(pieces(lines_of(texts), characters_max=room))
    picked: list[list[Line]] = []
    for number, part in enumerate(parts, 1):
        picked.append(
            await pick(
                MARK.format(number=number, count=len(parts), task=task), part, reading=reading
            )
        )
    found = [one for lines in picked for one in extracts(lines)]
    if not found:
        raise ToolError(
            f"the local tier found nothing for this task in {len(parts)} parts of the material;"
            " ask without splitting"
        )
    kept = within(found, EXTRACTS_CHARACTERS_MAX)
    return Split(tuple(kept), len(parts), len(found) - len(kept))


async def pick(head: str, part: Sequence[Line], *, reading: Reading) -> list[Line]:
    """The lines of one piece that matter, in order. Raises `ToolError`."""
    shown: dict[str, list[str]] = {}
    for number, line in enumerate(part, 1):
        shown.setdefault(line.source, []).append(f"{number}| {line.text}")
    material = "\n\n".join(marked(name, "\n".join(rows)) for name, rows in shown.items())
    prompt = f"{head}\n\n{material}"
    value, wrong = read(await reading.once(prompt, SCHEMA), SCHEMA)
    if wrong:
        value, wrong = read(await reading.once(prompt, SCHEMA), SCHEMA)
    if wrong:
        raise ToolError(f"the local tier did not tell the lines: {wrong}")
    return [part[number - 1] for number in sorted(numbers(value["lines"], len(part)))]


def numbers(ranges: Iterable[Mapping[str, int]], count: int) -> set[int]:
    """The lines that are meant: no range is longer than a reader may pick, none leads out."""
    chosen: set[int] = set()
    for one in ranges:
        first, last = sorted((one["from"], one["to"]))
        first = max(1, first)
        chosen.update(range(first, min(last, count, first + LINES_MAX - 1) + 1))
    return chosen


def lines_of(texts: Mapping[str, str]) -> Iterator[Line]:
    """Every line that says something; a very long one in parts."""
    at = 0
    for source, text in texts.items():
        for number, row in enumerate(text.splitlines(), 1):
            for part in parts_of(row.rstrip()):
                yield Line(source, number, part, at)
                at += 1


def parts_of(row: str) -> Iterator[str]:
    """A line as it is read: at once, or cut at its spaces where it has some."""
    while len(row) > LINE_CHARACTERS_MAX:
        space = row.rfind(" ", LINE_CHARACTERS_MAX // 2, LINE_CHARACTERS_MAX)
        cut = space + 1 or LINE_CHARACTERS_MAX
        yield row[:cut]
        row = row[cut:]
    if row.strip():
        yield row


def pieces(lines: Iterable[Line], *, characters_max: int) -> Iterator[list[Line]]:
    """As many lines at a time as fit, with their numbers and markers."""
    piece: list[Line] = []
    size = 0
    for line in lines:
        new = not piece or piece[-1].source != line.source
        cost = len(line.text) + 6 + (len(line.source) + 20 if new else 0)
        if piece and size + cost > characters_max:
            yield piece
            piece, size = [], 0
            cost = len(line.text) + len(line.source) + 26
        piece.append(line)
        size += cost
    if piece:
        yield piece


def extracts(lines: Sequence[Line]) -> Iterator[Extract]:
    """Lines that stand together, as one."""
    run: list[Line] = []
    for line in lines:
        if run and (line.source, line.at) != (run[-1].source, run[-1].at + 1):
            yield extract(run)
            run = []
        run.append(line)
    if run:
        yield extract(run)


def extract(run: Sequence[Line]) -> Extract:
    """Lines that follow each other, put together again."""
    text = run[0].text
    for before, line in pairwise(run):
        text += line.text if line.number == before.number else f"\n{line.text}"
    return Extract(run[0].source, run[0].number, run[-1].number, text)


def within(found: Sequence[Extract], characters_max: int) -> list[Extract]:
    """As many as there is room for, the first ones first."""
    kept: list[Extract] = []
    size = 0
    for one in found:
        size += len(one.text) + len(one.place) + 30
        if size > characters_max and kept:
            break
        kept.append(one)
    return kept
