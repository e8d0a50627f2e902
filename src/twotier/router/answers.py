"""How long an answer will be: never one number, and always with where it is from.

The job's own record knows best. Else what answers to such work were before, of the model that gave
most of them; else what is built in, which is a guess and says so, or all answers together where
those are longer than that. For an agent one step counts, by whether it reads or writes: its record
is of whole runs. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twotier.domain.known import Spread
from twotier.domain.work import Work
from twotier.router.sketch import Sketch, merged

RECORD_MIN = 3  # runs of a job before its record counts
STEP = "step "
SEEN_MIN = 8  # answers before they say more than what is built in
# Half and nine tenths of answers, in tokens. Of steps: 500 public runs of an agent on bug fixes
# wrote 9,400 tokens in 36 calls at the median, the largest of a run 1,600. Of single answers: half
# of a chat model's are under 500. The others are guesses.
USUAL: Mapping[str, tuple[float, float]] = {
    "polling": (60.0, 400.0),
    "read-report": (250.0, 900.0),
    "bulk-write": (4_000.0, 12_000.0),
    "frontier-reasoning": (1_200.0, 4_000.0),
    "unknown": (500.0, 2_000.0),
    "step read": (150.0, 600.0),
    "step write": (500.0, 2_500.0),
    "step unknown": (260.0, 1_600.0),
}


@dataclass(slots=True)
class Answers:
    """The lengths of answers, by model and kind of work."""

    sketches: dict[tuple[str, str], Sketch] = field(default_factory=dict)

    def note(self, model: str, work: Work, *, tokens: int) -> None:
        """Learn from one answer."""
        self.sketches.setdefault((model, work.answers), Sketch()).note(tokens)

    def spread(self, work: Work, *, limit: int | None, record: Spread | None = None) -> Spread:
        """How long the answer to such work will be; no longer than the limit of its client."""
        found = self._seen(work.answers)
        if record is not None and record.count >= RECORD_MIN and not work.tools:
            found = record
        if limit is None or found.p90 <= limit:
            return found
        return Spread(
            min(found.p50, limit), limit, found.count, f"{found.source}, cut by its limit"
        )

    def _seen(self, about: str) -> Spread:
        seen = [(one.seen, model) for (model, kind), one in self.sketches.items() if kind == about]
        count, model = max(seen, default=(0, ""))
        if count >= SEEN_MIN:
            return self.sketches[model, about].spread(f"{about} answers of {model}")
        built_in = Spread(*USUAL[about], 0, f"built in for {about}")
        any_kind = self._of_any_kind(step=about.startswith(STEP))
        # Words may have named the kind wrongly: what is longer is believed.
        return any_kind if any_kind is not None and any_kind.p90 > built_in.p90 else built_in

    def _of_any_kind(self, *, step: bool) -> Spread | None:
        """Answers to whatever was asked, or steps of any agent, of the model that gave most."""
        sums: dict[str, list[Sketch]] = {}
        for (model, kind), one in self.sketches.items():
            if kind.startswith(STEP) is step:
                sums.setdefault(model, []).append(one)
        together = {model: merged(found) for model, found in sums.items()}
        model = max(together, key=lambda one: together[one].seen, default="")
        if not model or together[model].seen < SEEN_MIN:
            return None
        return together[model].spread(f"{'steps' if step else 'answers'} of any kind of {model}")
