"""What a provider says of a day: tokens it counted, dollars it charges."""

from __future__ import annotations

import msgspec

USAGE, COST = "usage", "cost"
WEB_SEARCH = "web_search"


class BillRow(msgspec.Struct, frozen=True):
    """One line of a provider's report. `kind`: `usage` counts tokens, `cost` counts dollars.

    `day` is one of UTC, as YYYY-MM-DD. `model` is as the provider writes it; what is no model's has
    the name of its kind (`web_search`). `item` tells rows of one day and model apart: of a usage
    how it was served, as `mode|place|long`; of a cost what it is for.
    """

    provider: str
    kind: str
    day: str
    model: str
    item: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    web_searches: int = 0
    cost_microusd: int = 0

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What is there once."""
        return self.provider, self.kind, self.day, self.model, self.item

    @property
    def sums(self) -> tuple[int, ...]:
        """Everything that adds up, tokens first."""
        return (
            self.input_tokens,
            self.output_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens,
            self.cache_write_1h_tokens,
            self.web_searches,
            self.cost_microusd,
        )
