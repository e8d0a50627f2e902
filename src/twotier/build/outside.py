"""From the configuration to the auditor: whose logs are read, and the provider's Admin API."""

from __future__ import annotations

from pathlib import Path

from twotier.config.load import Loaded
from twotier.config.paths import with_home
from twotier.config.secrets import resolve
from twotier.domain.clock import Clock
from twotier.ledger.book import Book
from twotier.outside import claude_code, openclaw
from twotier.outside.admin import Admin
from twotier.outside.auditor import Auditor, Habits, Log
from twotier.outside.compare import PriceOn
from twotier.outside.tables import rows
from twotier.outside.walk import Place


def auditor_of(loaded: Loaded, book: Book, *, clock: Clock, price: PriceOn) -> Auditor:
    """As the configuration says: nothing is read and nobody is asked unless it says so."""
    config = loaded.config.outside
    place = config.admin_key
    admin = None
    if place is not None:
        admin = Admin(config.admin_url, lambda: resolve(place, home=loaded.home))
    skip = frozenset(name.lower() for name in config.openclaw_skip)
    habits = Habits(config.every, config.admin_every, config.days_back, skip)
    return Auditor(book, clock, price, logs=logs_of(loaded), admin=admin, habits=habits)


def logs_of(loaded: Loaded) -> list[Log]:
    """The logs that may be read."""
    config = loaded.config.outside
    found: list[Log] = []
    if config.claude_code:
        root = claude_folder(loaded) / "projects"
        found.append(Log(claude_code.SOURCE, Place(root, "*.jsonl"), claude_code.read))
    if config.openclaw:
        # A session that was reset or deleted keeps its file under a longer name.
        place = Place(openclaw_folder(loaded) / "agents", "*/sessions/*.jsonl*")
        found.append(Log(openclaw.SOURCE, place, openclaw.read))
        place = Place(openclaw_folder(loaded) / "agents", "*/agent/openclaw-agent.sqlite")
        found.append(Log(openclaw.SOURCE, place, openclaw.read, rows))
    return found


def claude_folder(loaded: Loaded) -> Path:
    """Where Claude Code keeps its own."""
    return loaded.home / with_home(loaded.config.outside.claude_code_folder)


def openclaw_folder(loaded: Loaded) -> Path:
    """Where OpenClaw keeps its own."""
    return loaded.home / with_home(loaded.config.outside.openclaw_folder)
