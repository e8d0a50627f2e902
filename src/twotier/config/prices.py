"""The settings of prices. Nothing here knows what they mean to the ledger but their names."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field, StringConstraints

from twotier.config.section import Section
from twotier.config.values import Usd

PriceName = Annotated[str, StringConstraints(pattern=r"^[^/\s]+/\S+$", max_length=200)]


class PriceConfig(Section):
    """Your own price for a model, in USD per million tokens; replaces the shipped one."""

    input_usd: Usd = Field(description="Fresh input tokens.")
    output_usd: Usd = Field(description="Output tokens.")
    cache_read_usd: Usd | None = Field(
        None, description="Input read from the provider's cache; default: the input price."
    )
    cache_write_usd: Usd | None = Field(
        None, description="Input written to the cache for 5 minutes; default: 1.25 x input."
    )
    cache_write_1h_usd: Usd | None = Field(
        None, description="Input written to the cache for an hour; default: 2 x input."
    )
    web_search_usd: Usd | None = Field(
        None, description="Each search of the provider's own web tool; default: nothing."
    )
    file_search_usd: Usd | None = Field(
        None, description="Each search of the provider's own file tool; default: nothing."
    )
    code_interpreter_usd: Usd | None = Field(
        None, description="Each container of the provider's own code tool; default: nothing."
    )
    request_usd: Usd | None = Field(
        None, description="Each request, whatever its length; default: nothing."
    )
    batch_percent: int | None = Field(
        None, ge=0, description="What a batch costs, in per cent of these prices; default: 100."
    )
    flex_percent: int | None = Field(
        None, ge=0, description="What service tier flex costs, in per cent; default: 100."
    )
    priority_percent: int | None = Field(
        None, ge=0, description="What service tier priority costs, in per cent; default: 100."
    )
    fast_percent: int | None = Field(
        None, ge=0, description="What fast mode costs, in per cent; without it, it is refused."
    )
    us_percent: int | None = Field(
        None, ge=0, description="What inference held in the US costs, in per cent; default: 100."
    )
    long_above_tokens: int | None = Field(
        None, ge=1, description="A prompt of more tokens than this is dearer, all of it."
    )
    long_input_percent: int | None = Field(
        None, ge=0, description="Its input, in per cent of the prices above."
    )
    long_output_percent: int | None = Field(
        None, ge=0, description="Its output, in per cent of the price above."
    )

    def terms(self) -> dict[str, Decimal | int]:
        """What is said, as the price book names it."""
        said = self.model_dump(exclude_none=True)
        return {name.removesuffix("_usd"): value for name, value in said.items()}
