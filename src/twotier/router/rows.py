"""The rules as data: which rows there are, and in which order they are asked.

The preset `article` is the tree of "Two-Tier AI" (2026-02-14): polling and monitoring stays local,
what writes more than 500 lines and what needs frontier reasoning goes to the frontier, reading and
reporting stays local, and what nobody can tell goes to the frontier, because quality matters more
than cost. The preset `default` asks first what is known: how long it would take, the conversation,
the job's own record. Then it asks the same tree, but of a job it believes no words: what its
trigger does not tell stays on the frontier until the record proves the local tier.

An order (a name, a policy) stands before all rows, and the constraints before that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from twotier.domain.known import NOTHING, Known
from twotier.domain.task import Task
from twotier.domain.tier import TierPolicy, TierSpec
from twotier.router import gain, record, seconds, session
from twotier.router.own import Guard, Own, guard_of, row_of
from twotier.router.row import Choice, Look, Row
from twotier.router.rules import BULK_OUTPUT_TOKENS

OWN = "rules"  # where the owner's own rows stand in an order
LAST = "default"


def of_kind(kind: str) -> Callable[[Task, Known], bool]:
    """Whether work is of this kind."""
    return lambda task, _: task.kind == kind


def writes_much(task: Task, known: Known) -> bool:
    """Whether more than 500 lines are written: by its kind, or as half of such answers were."""
    long = known.output is not None and known.output.p50 > BULK_OUTPUT_TOKENS
    return long or task.kind == "bulk-write"


def unproven(task: Task, _: Known) -> bool:
    """Whether it is a job of which only words tell what kind of work it is."""
    return bool(task.job) and task.kind_from != "trigger"


ROWS: Mapping[str, Row] = {
    row.name: row
    for row in (
        Row("time", look=seconds.decide),
        Row("session", look=session.decide),
        Row("record", look=record.decide),
        Row(
            "unproven",
            "frontier",
            unproven,
            "nobody said what kind of work this job is; its record has to prove the local tier",
            saw="job {job}, kind {kind} from {kind_from}",
        ),
        Row("polling", "local", of_kind("polling"), "polling and monitoring costs nothing locally"),
        Row(
            "bulk-write",
            "frontier",
            writes_much,
            "writes more than 500 lines",
            saw="kind {kind}: {kind_because}; about {output_tokens} tokens, {output_lines} lines",
        ),
        Row(
            "frontier-reasoning",
            "frontier",
            of_kind("frontier-reasoning"),
            "needs frontier reasoning",
        ),
        Row("read-report", "local", of_kind("read-report"), "reads more than it writes"),
        Row("gain", look=gain.decide),
        Row(LAST, "frontier", text="nothing decided; quality matters more than cost"),
    )
}

TREE = ("polling", "bulk-write", "frontier-reasoning", "read-report")
PRESETS: Mapping[str, tuple[str, ...]] = {
    "default": (OWN, "time", "session", "record", "unproven", *TREE, "gain", LAST),
    "article": (OWN, *TREE, LAST),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The rows in the order in which they are asked; of the owner's, `guards` restrict and
    `meanings` say what a model's name stands for, both before all rows. `headers` are looked at by
    some of them, the time by some if `timed`. `patience_seconds`: the time of what has no deadline.
    """

    rows: tuple[Row, ...]
    guards: tuple[Guard, ...] = ()
    meanings: tuple[Row, ...] = ()
    headers: frozenset[str] = frozenset()
    timed: bool = False
    patience_seconds: float = seconds.PATIENCE_SECONDS

    def restricting(self, task: Task) -> Guard | None:
        """The first of the owner's rules that makes this local-only; None where none has to."""
        if task.policy is TierPolicy.LOCAL_ONLY:
            return None
        return next((guard for guard in self.guards if guard.holds(task)), None)

    def meaning(self, task: Task, tiers: Sequence[TierSpec]) -> tuple[str, Choice] | None:
        """What the owner says that the model asked for stands for here, and by which rule."""
        for row in self.meanings:
            said = row.decide(task, NOTHING, tiers=tiers)
            if type(said) is Choice:
                return row.name, said
        return None


def rules_of(
    preset: str = "default",
    *,
    order: Sequence[str] = (),
    off: Sequence[str] = (),
    own: Sequence[Own] = (),
    value_microusd: int = gain.VALUE_MICROUSD,
    patience_seconds: float = seconds.PATIENCE_SECONDS,
) -> Rules:
    """The rules of a preset: those named in `order` first, in that order, the others as the preset
    has them, the last one last; without those that are `off`. The owner's stand where `order` names
    them, the others of them where `rules` stands. `value_microusd` is what `gain` takes a right
    answer to be worth, `patience_seconds` the time that `time` takes work without a deadline to
    have.
    """
    choosing = {one.name: row_of(one) for one in own if not one.local_only and not one.models}
    names = [*order, *(name for name in PRESETS[preset] if name not in order and name != LAST)]
    others = [name for name in choosing if name not in order]
    at = names.index(OWN)
    names[at : at + 1] = others
    looks: dict[str, Look] = {
        "gain": gain.Gain(value_microusd),
        "time": seconds.Time(patience_seconds),
    }
    rows = {**ROWS, **{name: Row(name, look=look) for name, look in looks.items()}, **choosing}
    return Rules(
        tuple(rows[name] for name in (*names, LAST) if name not in off),
        guards=tuple(guard_of(one) for one in own if one.local_only),
        meanings=tuple(row_of(one) for one in own if one.models and not one.local_only),
        headers=frozenset(name for one in own for name in one.headers),
        timed=any(one.span is not None for one in own),
        patience_seconds=patience_seconds,
    )


DEFAULT = rules_of()
