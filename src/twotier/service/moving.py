"""How a job leaves its owner and comes back: the commands, one after the other. Pure.

Leaving lasts: a job that is only stopped comes back at the next login. Its file stays where it is,
because it is its owner's; what keeps it away is the owner's own switch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twotier.errors import EngineError
from twotier.service.definition import Definition, from_plist, from_unit
from twotier.service.launchd import Launchd, target
from twotier.service.systemd import MACHINE, Systemd
from twotier.supervisor.owner import Owner, Said

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """A job of one of the two owners. `word` is how a configuration names it; `switch` asks whether
    it starts by itself.
    """

    word: str
    owner: Owner
    places: tuple[Path, ...]
    switch: Command
    leave: tuple[Command, ...]
    enable: tuple[Command, ...]
    disable: tuple[Command, ...]
    start: tuple[Command, ...]

    def read(self, data: bytes, *, home: Path) -> Definition:
        """The command in its file. Raises `EngineError`."""
        if self.word.startswith("launchd:"):
            return from_plist(data)
        return from_unit(data.decode(errors="replace"), home=str(home))

    def enabled(self, said: Said) -> bool:
        """Of the answer to `switch`; launchd lists those that are not, in words of two ages."""
        if self.word.startswith("launchd:"):
            label = re.escape(self.word.removeprefix("launchd:"))
            return re.search(rf'"{label}" => (disabled|true)\b', said.out) is None
        return said.out.strip() != "disabled"


def job(label: str, *, uid: int, home: Path, mac: bool) -> Job:
    """The job that is meant: launchd's on a Mac, systemd's elsewhere, or as its word says.

    Raises `EngineError` for one of the machine's own, which only root may stop.
    """
    kind, _, name = label.rpartition(":")
    kind = kind or ("launchd" if mac else "systemd")
    if kind not in ("launchd", "systemd"):
        raise EngineError(f"{label!r} is no job; write launchd:LABEL or systemd:UNIT")
    if name.startswith(MACHINE):
        raise EngineError(
            f"{label} is one of the machine's own, and only root may stop it: do that, and write"
            " its `command` into a tier by hand"
        )
    return launchd(name, uid=uid, home=home) if kind == "launchd" else systemd(name, home=home)


def launchd(name: str, *, uid: int, home: Path) -> Job:
    """An agent of the user's own, by its label."""
    at = target(name, uid=uid)
    domain = at.rpartition("/")[0]
    place = home / "Library" / "LaunchAgents" / f"{name}.plist"
    return Job(
        word=f"launchd:{name}",
        owner=Launchd(name, uid),
        places=(place, Path("/Library/LaunchAgents") / f"{name}.plist"),
        switch=("launchctl", "print-disabled", domain),
        leave=(("launchctl", "disable", at), ("launchctl", "bootout", at)),
        enable=(("launchctl", "enable", at),),
        disable=(("launchctl", "disable", at),),
        start=(("launchctl", "bootstrap", domain, str(place)),),
    )


def systemd(name: str, *, home: Path) -> Job:
    """A unit of the user's own, by its name."""
    unit = name if name.endswith(".service") else f"{name}.service"
    user = ("systemctl", "--user")
    config = home / ".config" / "systemd" / "user" / unit
    return Job(
        word=f"systemd:{unit}",
        owner=Systemd(unit),
        places=(config, Path("/etc/systemd/user") / unit, Path("/usr/lib/systemd/user") / unit),
        switch=(*user, "is-enabled", unit),
        leave=((*user, "disable", "--now", unit),),
        disable=((*user, "disable", unit),),
        enable=((*user, "daemon-reload"), (*user, "enable", unit)),
        start=((*user, "start", unit),),
    )


def said(commands: Sequence[Command]) -> list[str]:
    """As a person would type them."""
    return [" ".join(command) for command in commands]
