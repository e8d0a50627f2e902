"""The settings of what savings are compared with, and of what the own machine costs."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field, field_validator

from twotier.config.section import Section
from twotier.config.values import Usd


class SavingsConfig(Section):
    """What `twotier savings` compares with, and what the local machine costs beside it."""

    against: str = Field(
        "",
        description="The model that would have done everything, as provider/model; default: that of"
        " your first tier with a price, else anthropic/claude-opus-4-6.",
    )
    cheap: str = Field(
        "anthropic/claude-haiku-4-5",
        description="A cheap model of a provider, for column C, as provider/model; empty for none.",
    )
    watts: float = Field(0.0, ge=0, description="Power of the local machine while it works.")
    price_per_kwh: Usd = Field(Decimal(0), description="Price of a kilowatt-hour in USD.")
    machine_price: Usd = Field(Decimal(0), description="What the local machine cost, in USD.")
    years: float = Field(
        0.0, ge=0, le=100, description="Over how many years its price is spread; 0 leaves it out."
    )

    @field_validator("against", "cheap")
    @classmethod
    def is_a_full_name(cls, value: str) -> str:
        """A vendor and a model."""
        if value and not all(value.partition("/")):
            raise ValueError("must be provider/model, such as anthropic/claude-opus-4-6")
        return value
