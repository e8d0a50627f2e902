"""`twotier service check`: looks with the service's own rights, because a terminal has others.

On a Mac the rights to folders (Documents, a second disk), to the local network and to the keychain
belong to the program that was started, and a job of launchd's has none until somebody allows it;
the first look is what makes macOS ask. So the manager itself runs us once, as it will run the
service, and what was found comes back in a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from twotier.cli import checks
from twotier.cli.finding import MARKS, Finding, Level, row_of
from twotier.cli.mac import model_folders
from twotier.cli.output import emit, say, show
from twotier.cli.service_place import Here, Service, every_place, ours
from twotier.config.load import Loaded, load
from twotier.config.paths import make_private
from twotier.config.secrets import how_to_set, resolve
from twotier.config.watch import FilesWatch
from twotier.config.write import put_file
from twotier.errors import ConfigError, TwotierError
from twotier.service.plist_text import plist_once
from twotier.service.program import Program

REPORT_SECONDS_MAX = 120.0  # a person may have to find the right button first
LOOK_SECONDS = 0.1
ALLOW = (
    "System Settings > Privacy & Security > Files and Folders (or Full Disk Access):"
    " allow {program}"
)


def check(config: Path, *, name: str, as_json: bool, here: Here | None = None) -> int:
    """Have the manager look, print it; exit code 1 where something is bad."""
    found = looked(Service(load(config), here or Here(), name))
    bad = any(one["level"] == Level.BAD.value for one in found)
    if as_json:
        emit({"ok": not bad, "findings": found})
        return int(bad)
    show(
        (
            MARKS[Level(one["level"])],
            one["name"],
            one["text"] + (f"  ->  {one['mend']}" if one["mend"] else ""),
        )
        for one in found
    )
    return int(bad)


def looked(service: Service) -> list[dict[str, Any]]:
    """What was found with the service's own rights; why nobody could look, where that is so."""
    folder = service.loaded.paths.state / "service"
    make_private(folder)
    report = folder / "check.json"
    report.unlink(missing_ok=True)
    words = ("service", "check", "--config", str(service.loaded.path), "--report", str(report))
    usual = service.program()
    once = Program(
        name=f"{service.name}-check",
        argv=(*ours(), *words),
        folder=usual.folder,
        log=str(folder / "check.log"),
        env=usual.env,
    )
    failed = (
        by_launchd(service, once, report=report) if service.here.mac else by_systemd(service, once)
    )
    try:
        found: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["findings"]
    except (OSError, ValueError, KeyError):
        text = f"nobody could look with the service's rights: {failed or 'no report came'}"
        return [row_of(Finding("check", Level.WARN, text, "twotier doctor"))]
    finally:
        report.unlink(missing_ok=True)
    return found


def by_systemd(service: Service, once: Program) -> str:
    """Run it as a unit that is there only once; why it could not be, else empty."""
    env = [f"--setenv={name}={value}" for name, value in once.env.items()]
    said = service.here.do(
        (
            *("systemd-run", "--user", "--quiet", "--collect", "--wait"),
            *(f"--unit={once.name}", f"--working-directory={once.folder}", *env, "--"),
            *once.argv,
        )
    )
    return "" if said.code == 0 else said.err.strip() or f"systemd-run ended with {said.code}"


def by_launchd(service: Service, once: Program, *, report: Path) -> str:
    """Run it as a job that is there only once; why it could not be, else empty."""
    say("macOS may ask now whether Python may read a folder or the network: allow it")
    ask, domain = service.here.ask, f"gui/{service.here.uid}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{once.name}.plist"
        put_file(file, plist_once(once).encode())
        ask(("launchctl", "bootout", f"{domain}/{once.name}"))  # of a look that was broken off
        said = ask(("launchctl", "bootstrap", domain, str(file)))
        if said.code != 0:
            return said.err.strip() or f"launchctl ended with {said.code}"
        until = time.monotonic() + REPORT_SECONDS_MAX
        while not report.exists() and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        ask(("launchctl", "bootout", f"{domain}/{once.name}"))
    return "" if report.exists() else f"no report in {REPORT_SECONDS_MAX:.0f} s"


def written(config: Path, report: Path) -> int:
    """Look as we are, write what was found; for the manager, who runs us."""
    found = [row_of(one) for one in look(load(config))]
    document = {"schema_version": 1, "pid": os.getpid(), "findings": found}
    put_file(report, json.dumps(document).encode())
    return 0


def look(loaded: Loaded) -> Iterator[Finding]:
    """Folders, keys, and the addresses of tiers."""
    yield writable(loaded.paths.state)
    for path, title in folders(loaded).items():
        yield readable(path, title)
    for place in dict.fromkeys(every_place(loaded)):
        yield secret(loaded, place)
    yield from checks.addresses(loaded, None)


def folders(loaded: Loaded) -> Mapping[Path, str]:
    """What it reads, and what for."""
    found = {loaded.home: "settings"}
    found |= dict.fromkeys(model_folders(loaded), "models")
    for job in loaded.config.jobs:
        if isinstance(job.watch, FilesWatch):
            with contextlib.suppress(TwotierError):  # of nobody's home: `doctor` says it
                found[loaded.resolve(job.watch.path)] = f"{job.name} folder"
    return found


def writable(folder: Path) -> Finding:
    """A file can be made there."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"twotier")
    except OSError as exc:
        return refused(folder, "state", error=exc)
    return Finding("state", Level.OK, f"{folder} can be written")


def readable(folder: Path, title: str) -> Finding:
    """What lies there can be seen."""
    try:
        with os.scandir(folder) as entries:
            next(entries, None)
    except FileNotFoundError:
        mend = f"mkdir -p {checks.quoted(folder)}"
        return Finding(title, Level.WARN, f"{folder} is not there", mend)
    except OSError as exc:
        return refused(folder, title, error=exc)
    return Finding(title, Level.OK, f"{folder} can be read")


def refused(folder: Path, title: str, *, error: OSError) -> Finding:
    """Not allowed, or out of order."""
    mend = f"ls -ld {checks.quoted(folder)}"
    if sys.platform == "darwin" and isinstance(error, PermissionError):
        mend = ALLOW.format(program=os.path.realpath(sys.executable))
    return Finding(title, Level.BAD, f"{folder}: {error.strerror}", mend)


def secret(loaded: Loaded, place: str) -> Finding:
    """It is there for us; it is dropped at once."""
    title = f"key {place}"
    try:
        there = resolve(place, home=loaded.home) is not None
    except ConfigError as exc:
        return Finding(title, Level.BAD, exc.message, "twotier doctor")
    if there:
        return Finding(title, Level.OK, "is there")
    if place.startswith("env:"):
        mend = "twotier service install --move-keys file"
        return Finding(title, Level.WARN, "is a terminal's variable, and not there", mend)
    mend = how_to_set(place, home=loaded.home)
    return Finding(title, Level.WARN, "nothing lies there yet", mend)
