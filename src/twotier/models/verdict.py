"""Three answers about a model and a machine, and the setting that would make it fit. Pure.

Can it ever fit, with everything else unloaded? Does it fit now, beside what others hold? Does it
fit and leave the headroom free? The first no has the remedy: a setting where one is enough, the
name of what to unload where the memory is only taken, and otherwise a smaller model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from twotier.domain.memory import HEADROOM_BYTES_MIN, Footprint, headroom_bytes
from twotier.models.choice import Room, Wishes, choose
from twotier.models.estimate import Costs, Model, Plan, footprint

GIGABYTE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Other:
    """Somebody else's loaded model."""

    name: str
    total_bytes: int

    def text(self) -> str:
        """`qwen3-coder-next in ollama (51.0 GB)`."""
        return f"{self.name} ({gigabytes(self.total_bytes)})"


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the three: yes, no, or nobody knows (None), with its sum in words."""

    yes: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All of it. `advice` is empty where all three are yes."""

    ever: Answer
    now: Answer
    headroom: Answer
    headroom_bytes: int
    advice: tuple[str, ...]


def gigabytes(count: int) -> str:
    """For people: `128.9 GB`, `98 MB` where that says more, in powers of ten."""
    if abs(count) < GIGABYTE:
        return f"{count / 1e6:.0f} MB"
    return f"{count / GIGABYTE:.1f} GB"


def judge(
    model: Model,
    costs: Costs,
    *,
    plan: Plan,
    room: Room,
    free_bytes: int | None,
    others: Sequence[Other] = (),
) -> Verdict:
    """The answers for these settings. `free_bytes` None: another machine, nobody knows."""
    need = footprint(model, costs, plan=plan).corrected(room.correction_bytes)
    beside = headroom_bytes(room.memory_bytes, need, percent=room.percent)
    ever = _ever(need, room)
    now = _now(need, free_bytes)
    left = room.limit_bytes if free_bytes is None else free_bytes
    fits = bool(ever.yes) and need.total_bytes + beside <= left
    of = "of the machine's memory" if free_bytes is None else "free"
    headroom = Answer(
        fits,
        f"{gigabytes(need.total_bytes)} and {gigabytes(beside)} beside it, {gigabytes(left)} {of}",
    )
    advice = () if fits else tuple(_advice(model, costs, plan=plan, room=room))
    if not fits and free_bytes is not None and ever.yes:
        missing = need.total_bytes + beside - free_bytes
        advice = (*advice, _make_room(missing, others))
    return Verdict(ever, now, headroom, beside, advice)


def _ever(need: Footprint, room: Room) -> Answer:
    total = gigabytes(need.total_bytes)
    if room.gpu_bytes is not None and need.total_bytes > room.gpu_bytes:
        return Answer(False, f"{total}, the GPU may hold {gigabytes(room.gpu_bytes)}")
    beside = (
        f" less {gigabytes(room.reserved_bytes)} for other tiers" if room.reserved_bytes else ""
    )
    return Answer(room.holds(need), f"{total} of {gigabytes(room.memory_bytes)}{beside}")


def _now(need: Footprint, free_bytes: int | None) -> Answer:
    if free_bytes is None:
        return Answer(None, "nobody knows what is free on another machine")
    said = f"{gigabytes(need.total_bytes)}, {gigabytes(free_bytes)} free"
    return Answer(need.total_bytes <= free_bytes, said)


def _make_room(missing: int, others: Sequence[Other]) -> str:
    """What to unload; the largest first."""
    if not others:
        return f"to make it fit now, free {gigabytes(missing)}: end a large program"
    named = ", ".join(one.text() for one in sorted(others, key=lambda one: -one.total_bytes))
    return f"to make it fit now, free {gigabytes(missing)}: unload {named}"


def _advice(model: Model, costs: Costs, *, plan: Plan, room: Room) -> Iterator[str]:
    """The first single setting that is enough for the headroom, else several, else none."""
    if room.takes(model, costs, plan=plan):
        return  # the settings are right; the memory is only taken
    for wishes in _remedies(plan):
        tried = choose(model, costs, room=room, wishes=wishes)
        if room.takes(model, costs, plan=tried):
            yield f"to make it fit, set {_settings(plan, tried)}"
            return
    smallest = choose(model, costs, room=room, wishes=Wishes())
    need = footprint(model, costs, plan=smallest).corrected(room.correction_bytes)
    if room.holds(need):
        left = room.limit_bytes - need.total_bytes
        # Any percentage but none asks for a gigabyte.
        percent = left * 100 // room.memory_bytes if left >= HEADROOM_BYTES_MIN else 0
        yield (
            f"no setting leaves {room.percent} % free; with {smallest.window_tokens:,} tokens x"
            f" {smallest.parallel} it starts at headroom_percent = {percent}, and what is free"
            " then is all the rest of the machine has"
        )
        return
    most = room.limit_bytes if room.gpu_bytes is None else min(room.limit_bytes, room.gpu_bytes)
    yield (
        f"no setting makes it fit: with the smallest it is {gigabytes(need.total_bytes)} of"
        f" {gigabytes(most)}; take a smaller quantisation or a smaller model"
    )


def _remedies(plan: Plan) -> Iterator[Wishes]:
    """From the least that is given up to the most."""
    window, parallel, cache = plan.window_tokens, plan.parallel, plan.prompt_cache_bytes
    yield Wishes(window, parallel)
    yield Wishes(window, 1, cache)
    yield Wishes(None, parallel, cache)
    yield Wishes(None, parallel)
    yield Wishes()


def _settings(before: Plan, after: Plan) -> str:
    """What is different, as it is written in the configuration."""
    names = ("window_tokens", "parallel", "prompt_cache_bytes")
    changed = [
        f"{name} = {getattr(after, name):_}"
        for name in names
        if getattr(after, name) != getattr(before, name)
    ]
    return ", ".join(changed)
