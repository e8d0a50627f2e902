"""What work costs: rates by context and mode, fees per use, and what a request may run up. Pure.

Money is integer micro-dollars. A `Price` is everything that was known of one model on one day; what
it comes to is `ledger.cost`'s business. `Asked` is what a request says of its own cost beside its
tokens: server tools with their limits, cache lives, the mode and the place it is served in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

# How a request may be served; a provider that says nothing serves it as standard.
STANDARD = "standard"
PERCENT = 100


@dataclass(frozen=True, slots=True)
class Rates:
    """Micro-dollars per million tokens, one for each way a token is counted."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int


# Rates by how long the prompt is, ascending: a prompt of more than so many tokens costs these, all
# of it. The first step is for every prompt, `(0, rates)`.
Ladder = tuple[tuple[int, Rates], ...]


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in micro-dollars per million tokens, from `since` on, by `source`.

    `steps` are dearer rates of long prompts. `modes` are the rates of other ways to be served, by
    name (`batch`, `flex`, `priority`, `fast`). `fees` are micro-dollars for each use of a server
    tool, by its name, and for each `request`. `places` are per cent of the token price, by the
    place of inference (`us`: 110). `free`: nothing this model does can cost money.
    """

    input_microusd_per_mtok: int
    output_microusd_per_mtok: int
    cache_read_microusd_per_mtok: int
    cache_write_microusd_per_mtok: int
    cache_write_1h_microusd_per_mtok: int
    since: str
    source: str
    steps: Ladder = ()
    modes: tuple[tuple[str, Ladder], ...] = ()
    fees: tuple[tuple[str, int], ...] = ()
    places: tuple[tuple[str, int], ...] = ()
    free: bool = field(init=False, repr=False, compare=False)  # asked many times a request

    def __post_init__(self) -> None:
        """Say whether it is free, once."""
        rates = [one for _, ladder in (("", self.ladder), *self.modes) for _, one in ladder]
        paid = any(rate != Rates(0, 0, 0, 0, 0) for rate in rates)
        object.__setattr__(self, "free", not paid and not any(fee for _, fee in self.fees))

    @property
    def ladder(self) -> Ladder:
        """The standard rates, by context."""
        return ((0, self.base), *self.steps)

    @property
    def base(self) -> Rates:
        """The standard rates of a short prompt."""
        return Rates(
            self.input_microusd_per_mtok,
            self.output_microusd_per_mtok,
            self.cache_read_microusd_per_mtok,
            self.cache_write_microusd_per_mtok,
            self.cache_write_1h_microusd_per_mtok,
        )

    def of_mode(self, mode: str) -> Ladder | None:
        """The rates of a mode, None where it has no price of its own."""
        if mode in ("", STANDARD):
            return self.ladder
        return next((ladder for name, ladder in self.modes if name == mode), None)

    @property
    def plain(self) -> bool:
        """Whether the five rates say all of it."""
        return not (self.steps or self.modes or self.fees or self.places)


FREE = Price(0, 0, 0, 0, 0, since="", source="own machine")


class Asked(msgspec.Struct, frozen=True):
    """What a request says of its cost beside its tokens.

    `mode` is how it asks to be served, `maybe` are the modes it may be served in without having
    asked. `place` is where (`us`, `global`), empty for the account's default. `uses` are the most
    uses of server tools by name; `always` are uses that no answer counts, charged each time.
    `turns` is how often the server may read the prompt for one answer, `brought_tokens` what each
    of those may add to it. `endless` names a server tool that costs and has no limit.
    """

    mode: str = ""
    maybe: tuple[str, ...] = ()
    place: str = ""
    cache_1h: bool = False
    uses: tuple[tuple[str, int], ...] = ()
    always: tuple[tuple[str, int], ...] = ()
    turns: int = 1
    brought_tokens: int = 0
    endless: str = ""


PLAIN = Asked()
