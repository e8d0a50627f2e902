"""The price file that comes with the package; apart from `prices`, because it reads a file."""

from __future__ import annotations

from importlib.resources import files

from twotier.ledger.prices import PriceBook, load_prices


def shipped_prices() -> PriceBook:
    """The prices twotier was released with; the owner's configuration may override them."""
    text = files("twotier.ledger").joinpath("prices.toml").read_text(encoding="utf-8")
    return load_prices(text)
