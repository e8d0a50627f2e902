"""Makes `src/twotier/router/kind_weights.py` from the texts in `tools/kinds`.

    python -m tools.train_kinds           the weights
    python -m tools.train_kinds judge     how well texts are judged by who never saw their file

Logistic regression over five kinds, by stochastic gradients with a step for each weight (AdaGrad,
Duchi et al. 2011), in plain Python with a fixed seed, so that it gives the same anywhere. A row of
the texts is `kind period | text`: p polling, r read and report, b bulk write, t thinking, c talk or
too little to tell; `15m` for a job that comes so often, `job` for one that nobody knows the period
of, nothing for what somebody asks at a keyboard. Each scheduled text is shown without its schedule
too: words have to be enough.
"""

from __future__ import annotations

import hashlib
import random
import sys
import zlib
from base64 import b85encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from math import exp, sqrt
from pathlib import Path

from twotier.router import kinds

TEXTS = Path(__file__).parent / "kinds"
TARGET = Path(__file__).parent.parent / "src" / "twotier" / "router" / "kind_weights.py"
LETTERS = "prbtc"  # in the order of `kinds.KINDS`
UNITS = {"m": 60.0, "h": 3_600.0, "d": 86_400.0}
EPOCHS = 12
STEP = 0.5
SHRINK = 0.02  # of each weight after each epoch
SEED = 1
WIDTH = len(kinds.KINDS)
# Who is left out together to see how strangers are judged: each style of English, and languages
# with their relatives.
GROUPS: tuple[tuple[str, ...], ...] = (
    *((path.stem,) for path in sorted(TEXTS.glob("en-*.txt"))),
    ("de", "nl", "sv"),
    ("es", "fr", "it", "pt"),
    ("pl", "ru", "uk"),
    ("ja", "ko", "zh"),
    ("ar", "hi", "others", "tr"),
    ("mixed-tricky",),
)
LEVELS = 31  # of a weight, on either side: finer ones judge no better and take more room
LINE = 96


@dataclass(frozen=True, slots=True)
class Text:
    """One of them: the number of its kind, how it comes, and from which file."""

    file: str
    kind: int
    trigger: int
    text: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What the learner sees of it."""

    kind: int
    trigger: int
    features: Sequence[int]


def texts(folder: Path = TEXTS) -> list[Text]:
    """All of them, file by file."""
    return [one for path in sorted(folder.glob("*.txt")) for one in texts_of(path)]


def texts_of(path: Path) -> Iterator[Text]:
    """Those of one file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        head, _, text = line.partition("|")
        letter, _, period = head.strip().partition(" ")
        yield Text(path.stem, LETTERS.index(letter), trigger(period.strip()), text.strip())


def trigger(period: str) -> int:
    """Of `15m`, `job` or nothing."""
    if period in ("", "job"):
        return kinds.trigger_of(None, job=bool(period))
    return kinds.trigger_of(float(period[:-1]) * UNITS[period[-1]], job=True)


def checksum(folder: Path = TEXTS) -> str:
    """Of everything that the weights depend on beside this code."""
    digest = hashlib.sha256(repr((EPOCHS, STEP, SHRINK, SEED, kinds.BUCKETS)).encode())
    for path in sorted(folder.glob("*.txt")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Learner:
    """Weights on their way."""

    def __init__(self) -> None:
        size = kinds.BUCKETS * WIDTH
        self.rows, self.rows_seen = [0.0] * size, [1.0] * size
        self.triggers = [[0.0] * WIDTH for _ in range(kinds.TRIGGERS)]
        self.triggers_seen = [[1.0] * WIDTH for _ in range(kinds.TRIGGERS)]

    def likely(self, one: Seen, part: float) -> list[float]:
        """What is thought of it now."""
        scores = list(self.triggers[one.trigger])
        rows = self.rows
        for number in one.features:
            at = number * WIDTH
            for kind in range(WIDTH):
                scores[kind] += rows[at + kind] * part
        top = max(scores)
        parts = [exp(score - top) for score in scores]
        total = sum(parts)
        return [each / total for each in parts]

    def show(self, one: Seen) -> None:
        """Learn from one text."""
        part = kinds.share(one.features)
        likely = self.likely(one, part)
        likely[one.kind] -= 1.0
        rows, seen = self.rows, self.rows_seen
        for kind, wrong in enumerate(likely):
            slope = wrong * part
            square = slope * slope
            for number in one.features:
                at = number * WIDTH + kind
                seen[at] += square * 25.0
                rows[at] -= STEP * 5.0 * slope / sqrt(seen[at])
            self.triggers_seen[one.trigger][kind] += wrong * wrong
            pace = STEP / sqrt(self.triggers_seen[one.trigger][kind])
            self.triggers[one.trigger][kind] -= pace * wrong

    def shrink(self) -> None:
        """What is not said again fades."""
        self.rows = [weight * (1.0 - SHRINK) for weight in self.rows]


def learned(among: Sequence[Text]) -> Learner:
    """From these texts."""
    shown = [Seen(one.kind, one.trigger, kinds.features(one.text)) for one in among]
    shown += [Seen(one.kind, 0, one.features) for one in shown if one.trigger]
    chance, learner = random.Random(SEED), Learner()  # noqa: S311 - an order, no secret
    for _ in range(EPOCHS):
        chance.shuffle(shown)
        for one in shown:
            learner.show(one)
        learner.shrink()
    return learner


def packed(learner: Learner) -> tuple[bytes, float]:
    """A byte for each weight, and how much one of them is."""
    unit = max(map(abs, learner.rows)) / LEVELS
    return bytes(round(weight / unit) & 0xFF for weight in learner.rows), unit


def ready(learner: Learner) -> kinds.Kinds:
    """As they will judge: with what is lost in packing."""
    rows, unit = packed(learner)
    triggers = [[round(one, 3) for one in row] for row in learner.triggers]
    return kinds.Kinds(rows, unit=unit, triggers=triggers)


def written(learner: Learner) -> str:
    """The module."""
    rows, unit = packed(learner)
    text = b85encode(zlib.compress(rows, 9)).decode()
    lines = "\n".join(text[at : at + LINE] for at in range(0, len(text), LINE))
    triggers = "".join(
        f"    ({', '.join(f'{one:.3f}' for one in row)}),\n" for row in learner.triggers
    )
    return (
        '"""The weights of `router.kinds`: `python -m tools.train_kinds` made them, no hand."""\n\n'
        f'TEXTS_SHA256 = "{checksum()}"\n'
        f"UNIT = {unit!r}\n"
        f"TRIGGERS = (\n{triggers})\n"
        "# One byte for each bucket and kind, compressed, in base 85.\n"
        f'ROWS = """\n{lines}\n"""\n'
    )


def judged(left_out: Sequence[str]) -> list[tuple[Text, list[float]]]:
    """What is thought of the texts of some files by who learned from all the others."""
    everything = texts()
    judge = ready(learned([one for one in everything if one.file not in left_out]))
    mine = [one for one in everything if one.file in left_out]
    return [(one, judge.likely(one.text, one.trigger)) for one in mine]


def main() -> None:
    """Write, or judge."""
    if sys.argv[1:] != ["judge"]:
        TARGET.write_text(written(learned(texts())), encoding="utf-8")
        return
    with ProcessPoolExecutor(2) as pool:
        for group, found in zip(GROUPS, pool.map(judged, GROUPS), strict=True):
            print(*group, summary(found))


def summary(found: Sequence[tuple[Text, list[float]]]) -> str:
    """How many went to the right side, for some bars."""
    told = []
    for bar in (0.4, 0.5, 0.6, 0.7, 0.8):
        local = [sum(likely[: kinds.LOCAL]) >= bar for _, likely in found]
        truth = [one.kind < kinds.LOCAL for one, _ in found]
        right = sum(a == b for a, b in zip(local, truth, strict=True)) / len(found)
        far = [not a for a, b in zip(local, truth, strict=True) if not b]
        told.append(f"{bar}: {right:.2f}/{sum(far) / len(far):.2f}")
    same = sum(max(range(WIDTH), key=likely.__getitem__) == one.kind for one, likely in found)
    return f"n={len(found)} kinds {same / len(found):.2f}; right/frontier found: {', '.join(told)}"


if __name__ == "__main__":
    main()
