"""The ledger as the configuration says: opened, told to the alerts, looked after."""

from __future__ import annotations

from twotier.build.household import Household
from twotier.config.load import Loaded
from twotier.ledger.book import Book
from twotier.ledger.upkeep import Keeping, Upkeep


async def open_book(loaded: Loaded, house: Household) -> Book:
    """Open it; whoever does closes it. What it needs meanwhile is a task of the household."""
    book = await Book.open(loaded.paths.ledger, clock=house.clock)
    await house.alerts.open(book)
    config = loaded.config.ledger
    keeping = Keeping(config.keep_days, config.backup_every / 3600, config.backups_kept)
    house.upkeep = Upkeep(book, keeping, clock=house.clock)
    return book
