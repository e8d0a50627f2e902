"""`twotier models fit`: what a model needs, what there is, three answers, and what would help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from twotier.build.machine import now
from twotier.cli.others import others
from twotier.cli.output import emit
from twotier.cli.subject import Subject, configuration, find, memory_of
from twotier.domain.memory import Footprint
from twotier.models.choice import Room, Wishes, choose
from twotier.models.estimate import Costs, Plan, footprint
from twotier.models.verdict import Answer, Other, Verdict, gigabytes, judge

WORDS = {True: "yes", False: "no", None: "?"}


def fit(
    config: Path,
    name: str,
    *,
    context: int | None,
    parallel: int | None,
    memory: str,
    as_json: bool,
) -> int:
    """Look it up, count, print."""
    subject, asked = find(name, config), Wishes(context, parallel)
    sight = look(subject, asked, memory=memory_of(memory) if memory else None)
    if not memory:
        sight.others = others(configuration(config))
    if as_json:
        emit(sight.document())
        return 0
    for line in sight.lines():
        print(line)
    return 0


class Sight:
    """Everything that is shown, as values."""

    def __init__(self, subject: Subject, plan: Plan, *, costs: Costs, room: Room) -> None:
        self.subject = subject
        self.plan = plan
        self.costs = costs
        self.room = room
        need = footprint(subject.model, costs, plan=plan)
        self.need = need.corrected(room.correction_bytes)
        self.free_bytes: int | None = None
        self.others: Sequence[Other] = ()

    @property
    def verdict(self) -> Verdict:
        """The three answers."""
        return judge(
            self.subject.model,
            self.costs,
            plan=self.plan,
            room=self.room,
            free_bytes=self.free_bytes,
            others=self.others,
        )

    def lines(self) -> Iterator[str]:
        """For people."""
        model, verdict = self.subject.model, self.verdict
        yield f"{model.name} on {self.subject.engine}, from {model.origin}"
        if model.shape.layers:
            each = model.shape.token_bytes(element_bytes=self.width)
            yield f"{model.shape.text()} layers; {each:,} bytes for each token"
        for doubt in (self.subject.note, *model.doubts):
            if doubt:
                yield f"note: {doubt}"
        yield ""
        yield from aligned(self.parts())
        yield ""
        yield from aligned(self.surroundings(verdict))
        yield ""
        yield from aligned(answers(verdict))
        yield from verdict.advice

    @property
    def width(self) -> float:
        """Bytes of one element of the cache."""
        return self.costs.kv_element_bytes or self.subject.model.element_bytes

    def parts(self) -> Iterator[tuple[str, str, str]]:
        """What it needs, one line each."""
        need, plan = self.need, self.plan
        window = f"{plan.window_tokens:,} tokens x {plan.parallel}"
        step = f"one step of {self.costs.step_tokens:,} tokens"
        yield "weights", gigabytes(need.weights_bytes), ""
        yield "KV cache", gigabytes(need.kv_bytes), window
        yield "prompt cache", gigabytes(need.prompt_cache_bytes), "earlier prompts, at most"
        yield "work space", gigabytes(need.work_bytes), step
        yield "server", gigabytes(need.server_bytes), ""
        if self.subject.seen.loaded_seen:
            yield "correction", signed(need.correction_bytes), self.seen_text()
        yield "in all", gigabytes(need.total_bytes), ""
        if not need.kv_reserved or need.total_bytes != need.loaded_bytes:
            yield "after loading", gigabytes(need.loaded_bytes), ""

    def seen_text(self) -> str:
        """Predicted against seen."""
        seen = self.subject.seen
        return (
            f"loaded: {gigabytes(seen.loaded_predicted)} predicted, {gigabytes(seen.loaded_seen)}"
            f" seen; highest {gigabytes(seen.peak_seen)}; {seen.at[:10]}"
        )

    def surroundings(self, verdict: Verdict) -> Iterator[tuple[str, str, str]]:
        """The machine."""
        yield "memory", gigabytes(self.room.memory_bytes), ""
        if self.free_bytes is not None:
            own = self.subject.held_bytes
            beside = f"with the {gigabytes(own)} its running server holds" if own else ""
            yield "free", gigabytes(self.free_bytes), beside
        for other in self.others:
            yield "held", gigabytes(other.total_bytes), f"by {other.name}"
        limit = f"the smaller of {self.room.percent} % of memory and half of what it needs"
        yield "headroom", gigabytes(verdict.headroom_bytes), limit

    def document(self) -> dict[str, Any]:
        """For scripts."""
        model, verdict, need = self.subject.model, self.verdict, self.need
        return {
            "name": model.name,
            "tier": self.subject.tier,
            "engine": self.subject.engine,
            "origin": model.origin,
            "licence": model.licence,
            "layers": [asdict(row) for row in model.shape.layers],
            "kv_bytes_per_token": model.shape.token_bytes(element_bytes=self.width),
            "doubts": [doubt for doubt in (self.subject.note, *model.doubts) if doubt],
            "settings": asdict(self.plan),
            "needs": sums(need),
            "seen": asdict(self.subject.seen),
            "memory_bytes": self.room.memory_bytes,
            "free_bytes": self.free_bytes,
            "headroom_bytes": verdict.headroom_bytes,
            "held_by_others": [asdict(other) for other in self.others],
            "ever": asdict(verdict.ever),
            "now": asdict(verdict.now),
            "with_headroom": asdict(verdict.headroom),
            "advice": list(verdict.advice),
        }


def look(subject: Subject, asked: Wishes, *, memory: int | None = None) -> Sight:
    """Choose what is not asked for, and look at this machine unless another one is meant."""
    room, costs = subject.room(memory), subject.costs(elsewhere=memory is not None)
    changed = asked != Wishes()
    wishes = Wishes(
        asked.window_tokens or subject.wishes.window_tokens,
        asked.parallel or subject.wishes.parallel,
        None if changed or memory else subject.wishes.prompt_cache_bytes,
    )
    if memory and not changed:
        wishes = Wishes()
    plan = choose(subject.model, costs, room=room, wishes=wishes)
    sight = Sight(subject, plan, costs=costs, room=room)
    if memory is None:
        sight.free_bytes = now().free_bytes + subject.held_bytes
    return sight


def sums(need: Footprint) -> dict[str, int | bool]:
    """The parts and the whole."""
    return {
        **asdict(need),
        "predicted_bytes": need.predicted_bytes,
        "loaded_bytes": need.loaded_bytes,
        "total_bytes": need.total_bytes,
    }


def answers(verdict: Verdict) -> Iterator[tuple[str, str, str]]:
    """The three."""
    named: tuple[tuple[str, Answer], ...] = (
        ("can it ever fit", verdict.ever),
        ("does it fit now", verdict.now),
        ("with the headroom", verdict.headroom),
    )
    for question, answer in named:
        yield question, WORDS[answer.yes], answer.text


def signed(count: int) -> str:
    """`+12 MB`, `-3 MB`."""
    return f"{'-' if count < 0 else '+'}{gigabytes(abs(count))}"


def aligned(rows: Iterator[tuple[str, str, str]]) -> Iterator[str]:
    """Names on the left, amounts on the right edge of theirs."""
    for name, amount, text in rows:
        yield f"{name:<18}{amount:>10}  {text}".rstrip()
