"""What OpenClaw was told a model costs and holds, beside what we know. Pure.

OpenClaw counts a model without a price as free (early 2026) or leaves it out of its sums (later),
so neither a missing price nor four zeros is one. Ours win; a price that only its owner knows is
taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from twotier.config.openclaw.notes import Note
from twotier.config.openclaw.settings import COSTS, Model

OURS = {"input": "input_usd", "output": "output_usd", "cacheRead": "cache_read_usd"}
OURS |= {"cacheWrite": "cache_write_usd"}
SAME = 0.005  # of a price; what is nearer was rounded


@dataclass(frozen=True, slots=True)
class Known:
    """What we know of models. `price`: provider and model to the rates by OpenClaw's names, USD per
    million tokens; None where nobody knows. `window`: a model to the tokens it was made for.
    """

    price: Callable[[str, str], Mapping[str, float] | None]
    window: Callable[[str], int | None]


def cost_notes(model: Model, *, known: Known, vendor: str, local: bool) -> Iterator[Note]:
    """What is wrong with the price of a model that is asked for money, or is said to cost some."""
    where, ours = str(model.ref), known.price(vendor, model.ref.model)
    said = model.cost or {}
    if local:
        if any(said.values()):
            yield Note("changed", where, f"{usd(said)} is kept as this local model's own price")
        return
    if ours is None and not any(said.values()):
        yield Note(
            "warning",
            where,
            "nobody knows its price, so it is not asked until you say it: `twotier prices set"
            f" {vendor}/{model.ref.model} input=USD output=USD`",
        )
    elif ours is None:
        yield Note("changed", where, f"its price {usd(said)} is yours: we know none")
    elif model.cost is not None and not any(said.values()):
        yield Note("warning", where, f"OpenClaw counts it as free; it costs {usd(ours)}")
    elif wrong := [key for key in COSTS if key in said and differ(said[key], ours.get(key))]:
        named = {key: said[key] for key in wrong}
        ours_named = {key: ours.get(key, 0.0) for key in wrong}
        yield Note(
            "warning",
            where,
            f"OpenClaw's price is wrong: {usd(named)} where it is {usd(ours_named)}",
        )


def own_price(model: Model, *, known: Known, vendor: str) -> dict[str, float]:
    """The price that only its owner knows, by our names; empty where we know one."""
    said = model.cost or {}
    if known.price(vendor, model.ref.model) is not None or not any(said.values()):
        return {}
    full = {OURS[key]: value for key, value in said.items() if value or key in ("input", "output")}
    return {"input_usd": 0.0, "output_usd": 0.0} | full


def differ(one: float, other: float | None) -> bool:
    """Whether two prices are more apart than by rounding."""
    return other is not None and abs(one - other) > SAME * max(abs(one), abs(other))


def usd(rates: Mapping[str, float]) -> str:
    """Rates in words: `$5 in, $25 out per million tokens`."""
    words = {"input": "in", "output": "out", "cacheRead": "cache read", "cacheWrite": "cache write"}
    said = ", ".join(f"${rates[key]:g} {words[key]}" for key in COSTS if key in rates)
    return f"{said} per million tokens"


def window_of(model: Model, *, known: Known) -> tuple[int | None, Note | None]:
    """The window to set, and what is to be told of it."""
    made_for, said = known.window(model.ref.model), model.window_tokens
    if said is None or made_for is None or said <= made_for:
        return said, None
    text = f"its window of {said:,} tokens became {made_for:,}: it was made for no more"
    return made_for, Note("warning", str(model.ref), text)
