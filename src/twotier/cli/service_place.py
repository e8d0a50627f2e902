"""Our own service at the machine's manager: where its file is, what stands in it, how it does.

`Here` is the machine as far as this needs it, so that a test plays a Mac on Linux. A file that is
not ours, or is for another configuration, is never touched.
"""

from __future__ import annotations

import getpass
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from twotier.config.load import Loaded
from twotier.config.secrets import places
from twotier.config.starter import FRONTIER_KEY
from twotier.errors import EngineError, ServiceError, UsageError
from twotier.service import moving
from twotier.service.command import run
from twotier.service.definition import flag
from twotier.service.launchd import NOT_LOADED, Launchd
from twotier.service.moving import Command, Job
from twotier.service.plist_text import plist_text
from twotier.service.program import MARK, NAME, START_SECONDS, Program, carried
from twotier.service.unit_text import unit_text
from twotier.supervisor.owner import Owner, Run, Said, Told

ENV = "env:"
# `systemctl start` returns when it is ready: the first time it may install an engine before that.
ORDER_SECONDS_MAX = START_SECONDS + 30.0


def patient(argv: Sequence[str]) -> Said:
    """One command that has something done, with the time for it."""
    return run(argv, seconds=ORDER_SECONDS_MAX)


@dataclass(frozen=True, slots=True)
class Here:
    """This machine and its user. `ask` runs what only asks, `do` what has something done. `daemons`
    is where launchd's own for the machine lie.
    """

    mac: bool = sys.platform == "darwin"
    uid: int = field(default_factory=os.getuid)
    user: str = field(default_factory=getpass.getuser)
    home: Path = field(default_factory=Path.home)
    ask: Run = run
    do: Run = patient
    daemons: Path = Path("/Library/LaunchDaemons")

    def order(self, *commands: Command) -> None:
        """Have each done. Raises `ServiceError` with what it said for the first that was not."""
        for command in commands:
            said = self.do(command)
            if said.code != 0:
                raise ServiceError(
                    f"`{shlex.join(command)}` failed: {said.err.strip() or said.out.strip()}"
                )


@dataclass(frozen=True, slots=True)
class Service:
    """One configuration as a service of that name."""

    loaded: Loaded
    here: Here
    name: str = NAME
    daemon: bool = False

    @property
    def job(self) -> Job:
        """As the manager knows it."""
        return moving.job(self.name, uid=self.here.uid, home=self.here.home, mac=self.here.mac)

    @property
    def owner(self) -> Owner:
        """Who is asked how it does."""
        return Launchd(f"system/{self.name}", self.here.uid) if self.daemon else self.job.owner

    @property
    def file(self) -> Path:
        """Where the manager reads it."""
        if self.daemon:
            return self.here.daemons / f"{self.name}.plist"
        return self.job.places[0]

    @property
    def log(self) -> Path:
        """What it prints, where there is no journal."""
        return self.loaded.paths.logs / "service.log"

    def program(self) -> Program:
        """What runs, from where it was installed, with what this terminal has."""
        config = ("--config", str(self.loaded.path))
        return Program(
            name=self.name,
            argv=(*ours(), "up", "--service", *config),
            folder=str(self.loaded.home),
            log=str(self.log),
            env=carried(os.environ, never=[one.removeprefix(ENV) for one in self.in_terminal()]),
            user=self.here.user if self.daemon else "",
        )

    def text(self, program: Program | None = None) -> str:
        """The file's text, as it would be written now."""
        asked = program or self.program()
        if self.here.mac:
            return plist_text(asked)
        reload = (*ours(), "job", "reload", "--config", str(self.loaded.path))
        return unit_text(asked, reload=reload)

    def installed(self) -> str | None:
        """The file's text as it is; None where there is none."""
        try:
            return self.file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None

    def refuse_foreign(self) -> None:
        """Raises `UsageError` where a file of that name is somebody else's, or another
        configuration's.
        """
        text = self.installed()
        if text is None:
            return
        other = f"`--name {self.name}-2` is another service"
        if MARK not in text:
            raise UsageError(f"{self.file} is there, and twotier did not make it; {other}")
        config = flag(self._definition(text)[0], "--config")
        if config != str(self.loaded.path):
            raise UsageError(f"{self.file} is for {config or 'no configuration'}; {other}")

    def different(self) -> tuple[str, str]:
        """What is installed and what would be, both empty where they are the same. What another
        terminal would carry along (its PATH) is no difference.
        """
        text, program = self.installed(), self.program()
        if text is None:
            return "", self.text(program)
        try:
            _, env = self._definition(text)
        except EngineError:
            return text, self.text(program)
        same = self.text(replace(program, env=env)) == text
        return ("", "") if same else (text, self.text(program))

    def _definition(self, text: str) -> tuple[tuple[str, ...], dict[str, str]]:
        data = text.encode()
        if self.daemon:  # a plain command has no user, and this one may
            data = re.sub(rb"\s*<key>UserName</key>\s*<string>[^<]*</string>", b"", data)
        found = self.job.read(data, home=self.here.home)
        return found.argv, dict(found.env)

    def told(self) -> Told:
        """How it does, by its manager."""
        return self.owner.read(self.here.ask(self.owner.question))

    def loaded_there(self) -> bool:
        """Whether launchd knows it."""
        return self.here.ask(self.owner.question).code != NOT_LOADED

    def enabled(self) -> bool:
        """Whether it starts by itself."""
        if self.daemon or self.installed() is None:
            return self.installed() is not None
        return self.job.enabled(self.here.ask(self.job.switch))

    def in_terminal(self) -> tuple[str, ...]:
        """The places of secrets that only a terminal has: no service sees those variables."""
        return tuple(dict.fromkeys(one for one in every_place(self.loaded) if one.startswith(ENV)))


def every_place(loaded: Loaded) -> Iterator[str]:
    """Every place of a secret that the configuration names, or means by saying nothing."""
    yield from places(loaded.config)
    for tier in loaded.config.tiers.values():
        if tier.key is None and tier.engine is None and tier.provider == "anthropic":
            yield FRONTIER_KEY


def ours() -> tuple[str, ...]:
    """The program as it runs now. `-P`: nothing in the configuration's folder is taken for a
    module.
    """
    return (sys.executable, "-P", "-m", "twotier")
