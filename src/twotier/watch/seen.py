"""Which entries of a list are new: those not seen, and those that say something else by now. Pure.

A list (a feed, an API's answer) shows its latest entries again and again. What was seen is kept as
a short mark of who an entry is and one of what it said. It is bounded: an entry that was not in the
list for a long time is forgotten, and would be dropped by its id if it came back.

The first look is the baseline. With `after` it reports what was made since then, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

from twotier.domain.job import Item
from twotier.watch.cut import mark

SEEN_MAX = 1_000
MS_FROM = 1e11
KEY_CHARACTERS = 20  # 80 bits: a thousand entries do not meet by chance
REVISION_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a list. `key` is who it is; the item's own id is made here."""

    key: str
    item: Item

    @property
    def name(self) -> str:
        """Who it is, in few characters."""
        return mark(self.key)[:KEY_CHARACTERS]

    @property
    def revision(self) -> str:
        """What it says, white space aside, in few characters."""
        said = (" ".join(text.split()) for text in (self.item.title, self.item.text))
        return mark(*said, str(self.item.bytes_cut))[:REVISION_CHARACTERS]

    @property
    def found(self) -> Item:
        """The item, with an id that is another one once it says something else."""
        return replace(self.item, id=mark(self.name, self.revision))


def news(
    entries: Sequence[Entry], seen: Mapping[str, str] | None, *, after: str = ""
) -> tuple[tuple[Item, ...], dict[str, str]]:
    """The new ones of `entries` (oldest first), and what is seen from now on.

    `seen` is None at the first look; `after` is an instant as `instant` writes it, or empty.
    """
    known = seen or {}
    latest = {entry.name: entry for entry in entries}
    now = {name: entry.revision for name, entry in latest.items()}
    found = [
        entry.found
        for name, entry in latest.items()
        if known.get(name) != now[name] and (seen is not None or (after and entry.item.at >= after))
    ]
    return tuple(found), bounded(known, now)


def bounded(known: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """What is in the list, and of what was in it before the latest, up to `SEEN_MAX` in all."""
    gone = [pair for pair in known.items() if pair[0] not in now]
    room = max(0, SEEN_MAX - len(now))
    return dict(gone[len(gone) - room :] if room < len(gone) else gone) | dict(now)


def since(now: datetime, seconds: float | None) -> str:
    """The instant that the first look goes back to; empty where it does not go back."""
    return instant((now - timedelta(seconds=seconds)).isoformat()) if seconds else ""


def instant(text: object) -> str:
    """A time (ISO text, or a number since 1970) as ISO 8601 in UTC, so that two compare as text.

    Empty where it is none.
    """
    try:
        when = from_number(text) if is_number(text) else datetime.fromisoformat(str(text))
    except (ValueError, OverflowError, OSError):
        return ""
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    try:
        return when.astimezone(UTC).isoformat(timespec="seconds")
    except OverflowError:  # the first hours of year 1 in a zone
        return ""


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a time may be seconds, or milliseconds, since 1970."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def from_number(seconds: float) -> datetime:
    """Seconds since 1970, or milliseconds where it would be after the year 5138."""
    return datetime.fromtimestamp(seconds / 1_000 if seconds > MS_FROM else seconds, UTC)


def oldest_first(entries: Iterable[Entry]) -> list[Entry]:
    """By time where each has one, else the other way round: lists show the newest first."""
    found = list(entries)
    if all(entry.item.at for entry in found):
        return sorted(found, key=lambda entry: entry.item.at)
    return found[::-1]
