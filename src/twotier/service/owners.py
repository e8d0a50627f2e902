"""From the word in the configuration to an owner: `launchd:LABEL`, `systemd:UNIT` or `user`."""

from __future__ import annotations

from twotier.service.launchd import Launchd
from twotier.service.person import Person
from twotier.service.systemd import Systemd
from twotier.supervisor.owner import Owner


def owner_of(word: str, *, uid: int) -> Owner:
    """The owner that this word of a checked configuration names."""
    kind, _, name = word.partition(":")
    match kind:
        case "launchd":
            return Launchd(name, uid)
        case "systemd":
            return Systemd(name)
    return Person()
