"""Which settings fit, and what to say about those that do not. Pure.

Chosen where a tier sets nothing, always by what the machine has in all and never by what happens
to be free, so that the same configuration gives the same server each time. Two requests at a time
come first, as long as each has a window of at least 65,536 tokens or the model's own; then one with
the larger window. What is left goes to the prompt cache, up to four long conversations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from twotier.domain.memory import HEADROOM_PERCENT, Footprint, headroom_bytes
from twotier.models.estimate import Costs, Model, Plan, footprint, window_bytes

T = TypeVar("T")
PARALLEL = (2, 1)
WINDOW_STEP_TOKENS = 1024
WINDOW_TOKENS_MIN = 4096
WINDOW_TOKENS_ENOUGH = 65_536
WINDOW_TOKENS_UNKNOWN = 32_768  # of a model that does not say
CONVERSATIONS = 4
CONVERSATION_TOKENS = 32_768


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person has set; None is ours to choose."""

    window_tokens: int | None = None
    parallel: int | None = None
    prompt_cache_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """What a machine has for one model.

    `reserved_bytes` belong to other models of ours. `gpu_bytes`: the most a model may have pinned
    for the GPU, where the system has such a limit. `correction_bytes`: what was seen before.
    """

    memory_bytes: int
    reserved_bytes: int = 0
    gpu_bytes: int | None = None
    percent: int = HEADROOM_PERCENT
    correction_bytes: int = 0

    def takes(self, model: Model, costs: Costs, *, plan: Plan) -> bool:
        """Whether it fits with the headroom."""
        need = footprint(model, costs, plan=plan).corrected(self.correction_bytes)
        beside = headroom_bytes(self.memory_bytes, need, percent=self.percent)
        return self.holds(need) and need.total_bytes + beside <= self.limit_bytes

    def holds(self, need: Footprint) -> bool:
        """Whether it can ever fit, with nothing beside it."""
        pinned = self.gpu_bytes is None or need.total_bytes <= self.gpu_bytes
        return pinned and need.total_bytes <= self.limit_bytes

    @property
    def limit_bytes(self) -> int:
        """What other models of ours leave."""
        return self.memory_bytes - self.reserved_bytes


def choose(model: Model, costs: Costs, *, room: Room, wishes: Wishes) -> Plan:
    """The settings: wishes as they are, the rest as large as it fits.

    Where nothing fits it is the smallest there is, and whoever looks at it has to say so.
    """
    own = model.shape.window_tokens or WINDOW_TOKENS_UNKNOWN
    enough = min(own, WINDOW_TOKENS_ENOUGH)
    best: Plan | None = None
    for parallel in PARALLEL if wishes.parallel is None else (wishes.parallel,):
        plan = _largest(model, costs, room=room, wishes=replace(wishes, parallel=parallel))
        if plan and plan.window_tokens >= enough:
            return plan
        if plan and (best is None or plan.window_tokens > best.window_tokens):
            best = plan
    if best:
        return best
    return Plan(
        wishes.window_tokens or min(own, WINDOW_TOKENS_MIN),
        wishes.parallel or PARALLEL[-1],
        wishes.prompt_cache_bytes or 0,
    )


def _largest(model: Model, costs: Costs, *, room: Room, wishes: Wishes) -> Plan | None:
    """The largest window for so many requests, then the largest prompt cache; None if none fits."""
    parallel = wishes.parallel or 1
    own = wishes.window_tokens or model.shape.window_tokens or WINDOW_TOKENS_UNKNOWN
    low = wishes.window_tokens or min(own, WINDOW_TOKENS_MIN)

    def plan(tokens: int) -> Plan:
        window = min(tokens, own)  # the last step may go past it
        cache = wishes.prompt_cache_bytes
        kept = conversation_bytes(model, costs, window_tokens=window) if cache is None else cache
        return Plan(window, parallel, kept)

    # No list: a file may claim a window of any size.
    steps = range(low, own + WINDOW_STEP_TOKENS, WINDOW_STEP_TOKENS)
    found = _last(steps, lambda tokens: room.takes(model, costs, plan=plan(tokens)))
    if found is None:
        return None
    if wishes.prompt_cache_bytes is not None:
        return plan(found)
    return _with_cache(model, costs, room=room, plan=plan(found))


def _with_cache(model: Model, costs: Costs, *, room: Room, plan: Plan) -> Plan:
    """Room for more conversations, one at a time."""
    one = conversation_bytes(model, costs, window_tokens=plan.window_tokens)
    plans = [replace(plan, prompt_cache_bytes=one * count) for count in range(1, CONVERSATIONS + 1)]
    return _last(plans, lambda each: room.takes(model, costs, plan=each)) or plan


def conversation_bytes(model: Model, costs: Costs, *, window_tokens: int) -> int:
    """What one long conversation keeps in the prompt cache."""
    return window_bytes(model, costs, tokens=min(window_tokens, CONVERSATION_TOKENS))


def _last(rows: Sequence[T], fits: Callable[[T], bool]) -> T | None:
    """The last that fits, where all before one that fits do too."""
    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) // 2
        if fits(rows[middle]):
            low = middle + 1
        else:
            high = middle
    return rows[low - 1] if low else None
