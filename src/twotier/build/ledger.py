"""The ledger as the configuration says: opened, told to the alerts, looked after."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from twotier.build.household import Household
from twotier.config.load import Loaded
from twotier.dispatch import Dispatch
from twotier.ledger.book import Book
from twotier.ledger.held import held_runs
from twotier.ledger.upkeep import Keeping, Upkeep

HELD_DAYS = 30  # a run may wait so long for its owner


async def hold_again(dispatch: Dispatch, book: Book) -> None:
    """Runs that a rule of the owner's kept here before stay here. Raises `LedgerError`."""
    deciding = dispatch.deciding
    if not deciding.router.rules.guards:
        return
    since_ms = int((deciding.clock.now() - timedelta(days=HELD_DAYS)).timestamp() * 1_000)
    for run, why in (await book.read(partial(held_runs, since_ms=since_ms))).items():
        deciding.hold(run, why)


async def open_book(loaded: Loaded, house: Household) -> Book:
    """Open it; whoever does closes it. What it needs meanwhile is a task of the household."""
    book = await Book.open(loaded.paths.ledger, clock=house.clock)
    await house.alerts.open(book)
    config = loaded.config.ledger
    keeping = Keeping(config.keep_days, config.backup_every / 3600, config.backups_kept)
    house.upkeep = Upkeep(book, keeping, clock=house.clock)
    return book
