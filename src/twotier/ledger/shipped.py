"""The price files that come with the package; apart from `prices`, because it reads files."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from twotier.errors import ConfigError
from twotier.ledger.prices import PriceBook, load_prices
from twotier.ledger.seed import Seed, read


def shipped_prices() -> PriceBook:
    """The prices twotier was released with; the owner's configuration may override them."""
    text = files("twotier.ledger").joinpath("prices.toml").read_text(encoding="utf-8")
    return replace(load_prices(text), seed=shipped_seed())


def shipped_seed() -> Seed:
    """The public list as it was at the release."""
    return read(files("twotier.ledger").joinpath("seed.json").read_bytes())


def fetched_seed(path: Path) -> Seed | None:
    """The public list as it was fetched last, None if it never was. Raises `ConfigError`."""
    try:
        return read(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigError(f"the price list {path} cannot be read: {exc}") from exc
