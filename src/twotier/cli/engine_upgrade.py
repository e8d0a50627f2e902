"""`twotier engine upgrade` and `rollback`: another environment for an engine, and the way back.

Beside the old one, never over it: made, looked at, asked for a token, and only then in force. Where
main runs, its servers move when they are idle, and come back to the old environment by themselves
if the new one does not answer. Where memory does not hold the model twice, the token is asked for
after the switch alone.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twotier.build.need import load_limit
from twotier.build.programs import engine_for
from twotier.build.shelves import model_path
from twotier.cli.engine_proof import has_room, proven
from twotier.cli.output import emit, say
from twotier.cli.peers import main_of
from twotier.cli.prepare import kept
from twotier.cli.probe import ended, lines
from twotier.clock import SystemClock
from twotier.config import paths
from twotier.config.load import Loaded, load
from twotier.config.schema import TierConfig
from twotier.engines import environment, pinned
from twotier.engines.base import Engine, lock_path
from twotier.errors import EngineError, NotRunningError, TwotierError, UsageError
from twotier.packages import find_installer

VERSION_SECONDS_MAX = 60.0
IDLE_SECONDS_MAX = 600.0  # how long a server may be in use before we give up
GRACE_SECONDS = 120.0
PROBE_REPEAT = 3
AT_REST = ("down", "standby")


@dataclass(frozen=True, slots=True)
class Change:
    """One engine of this configuration, and the tiers that use it."""

    loaded: Loaded
    described: Engine
    tiers: dict[str, TierConfig]
    folder: Path

    @property
    def name(self) -> str:
        """The engine's."""
        return self.described.traits.name

    @property
    def shipped(self) -> Path:
        """The lock that came with this twotier."""
        return lock_path(self.described.traits)

    @property
    def pins(self) -> pinned.Pinned:
        """Which environment is in force."""
        return pinned.Pinned(self.shipped, self.folder)

    def model(self, tier: str) -> Path | None:
        """Where a tier's model lies; None if it is not on this disk."""
        try:
            return model_path(self.tiers[tier].model, self.loaded)
        except EngineError:
            return None

    def python(self, lock: Path) -> Path:
        """The python of a lock's environment, made if it is not there. Raises `EngineError`."""
        return environment.ensure(
            lock,
            self.folder,
            installer=find_installer(bars=sys.stderr.isatty()),
            clock=SystemClock(),
            say=say,
        )


def upgrade(config: Path, name: str, *, lock: Path | None, as_json: bool) -> int:
    """Make, look, ask, switch. Raises `EngineError` with the old one still in force."""
    change = of(load(config), name)
    old = change.pins.in_force
    new = (lock or change.shipped).expanduser().absolute()
    if not new.is_file():
        raise UsageError(f"there is no lock at {new}")
    if pinned.key(new) == pinned.key(old):
        return told(change, "already in force", as_json=as_json)
    new = change.pins.keep(new)
    before, python = version(change, old), change.python(new)
    after = version(change, new)
    if not after:
        raise EngineError(f"the new environment of {change.name} does not work; {old} stays")
    say(f"{change.name}: {before or 'nothing'} -> {after}")
    ask_beside(change, python)
    tiers, probed = serving(change), probed_before(change)
    change.pins.hold()
    change.pins.switch(new)
    try:
        failed = moved(change, tiers)
    except KeyboardInterrupt:
        change.pins.back()
        say(f"{change.name}: the old environment is in force again; `engine restart` takes it now")
        raise
    if failed:
        change.pins.back()
        worse = moved(change, tiers)
        raise EngineError(
            f"{failed}; the old environment ({before}) is in force again"
            + (f", and it does not come up either: {worse}" if worse else "")
        )
    for tier in probed:
        probe_again(change, tier)
    return told(change, "upgraded", as_json=as_json)


def rollback(config: Path, name: str, *, as_json: bool) -> int:
    """What was before is in force again. Raises `EngineError` where there is nothing before."""
    change = of(load(config), name)
    change.python(change.pins.earlier)  # it may have been deleted since, and not come again
    tiers = serving(change)
    change.pins.back()
    if failed := moved(change, tiers):
        raise EngineError(f"{failed}; `twotier engine rollback {change.name}` goes back again")
    return told(change, "rolled back", as_json=as_json)


def of(loaded: Loaded, name: str) -> Change:
    """The engine that is meant, by name or because there is one. Raises `UsageError`."""
    ours = {one: tier for one, tier in kept(loaded.config).items() if engine_for(tier).traits.lock}
    names = sorted({str(tier.engine) for tier in ours.values()})
    if not name and len(names) != 1:
        raise UsageError(f"which engine? name one of: {', '.join(names) or 'none is kept here'}")
    chosen = name or names[0]
    if chosen not in names:
        raise UsageError(f"no tier has the engine {chosen!r} kept; there are: {', '.join(names)}")
    tiers = {tier: one for tier, one in ours.items() if one.engine == chosen}
    described = engine_for(next(iter(tiers.values())))
    return Change(loaded, described, tiers, paths.environments())


def version(change: Change, lock: Path) -> str:
    """What the environment of a lock says it is; empty where it says nothing, or is not there."""
    python = environment.python_of(lock, change.folder)
    if python is None:
        return ""
    try:
        done = subprocess.run(
            change.described.version_command(python),
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS_MAX,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return " ".join(done.stdout.split())


def ask_beside(change: Change, python: Path) -> None:
    """One token for each model, beside what runs, where memory holds it. Raises `EngineError`."""
    for name, tier in change.tiers.items():
        model = change.model(name)
        if model is None:
            continue  # no server runs with it either
        if not has_room(model):
            say(f"{name}: memory does not hold its model twice; it is asked after the switch")
            continue
        say(f"{name}: asking the new environment for a token")
        seconds = load_limit(tier, model)
        if failed := proven(change.described, python, model=model, seconds=seconds):
            raise EngineError(
                f"{name}: the new environment gives no token ({failed}); nothing changed"
            )


def serving(change: Change) -> list[str]:
    """The tiers whose servers main has up, or on their way: the others start from what is in force
    when they are next wanted. A server that somebody has stopped stays stopped.
    """
    try:
        engines = main_of(change.loaded.path).get("/control/engine")["engines"]
    except NotRunningError:
        say("twotier does not run; the next start uses it")
        return []
    ours = [one for one in engines if one["tier"] in change.tiers]
    rests = [one["tier"] for one in ours if one["state"] in AT_REST and not one["gate"]]
    for name in rests:
        say(f"{name}: not up; its next start uses it")
    return [one["tier"] for one in ours if one["tier"] not in rests]


def moved(change: Change, tiers: Sequence[str]) -> str:
    """Have main's servers start from what is in force; why one does not come up, else empty."""
    main = main_of(change.loaded.path)
    for name in tiers:
        load_seconds = load_limit(change.tiers[name], change.model(name))
        body = {"idle_seconds": IDLE_SECONDS_MAX, "wait_seconds": load_seconds}
        seconds = IDLE_SECONDS_MAX + load_seconds + GRACE_SECONDS
        try:
            answer = main.post(f"/control/engine/{name}/restart", body, seconds=seconds)
        except NotRunningError:
            say("twotier does not run any more; the next start uses it")
            return ""
        except TwotierError as exc:
            return f"{name}: {exc.message}"
        if answer["failed"]:
            return f"{name} does not come up: {answer['failed']}"
        say(f"{name}: serving from it, pid {answer['pid']}")
    return ""


def probed_before(change: Change) -> list[str]:
    """The tiers whose tool calls were proven with the old environment; none while main is down."""
    try:
        tiers = main_of(change.loaded.path).get("/control/status")["tiers"]
    except NotRunningError:
        return []
    return [one["name"] for one in tiers if one["name"] in change.tiers and one.get("probe")]


def probe_again(change: Change, tier: str) -> None:
    """The rows of the matrix anew: what was proven of the old version says nothing of this one."""
    say(f"{tier}: probed before, so it is probed anew (`twotier models probe {tier} --show`)")
    try:
        order = {"tier": tier, "repeat": PROBE_REPEAT, "full": False}
        found = ended(lines(main_of(change.loaded.path), order), lambda _: None)["probe"]
    except TwotierError as exc:
        say(f"{tier}: the probe ended early: {exc.message}")
        return
    if below := found["below"]:
        back = f"`twotier engine rollback {change.name}` goes back"
        say(f"{tier}: below the bar for tool work now ({below}); {back}")


def told(change: Change, what: str, *, as_json: bool) -> int:
    """What is in force now."""
    pins = change.pins.read()
    now = version(change, change.pins.in_force)
    if as_json:
        emit(
            {
                "engine": change.name,
                "done": what,
                "version": now,
                "lock": pins.in_force,
                "before": pins.before,
            }
        )
    else:
        back = f"; back: `twotier engine rollback {change.name}`" if pins.before else ""
        print(f"{change.name}: {what}: {now}{back}")
    return 0
