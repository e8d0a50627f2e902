"""What `twotier doctor` looks at. Each check reads, changes nothing, and never shows a secret.

`status` is main's own answer, or None while it is not running: then a port that is taken is
somebody else's, and a server that lives is left over.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import socket
import sqlite3
import ssl
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twotier.build import machine, money, shelves
from twotier.build.clients import check_reach
from twotier.build.programs import engine_for, program_of
from twotier.build.sizing import size
from twotier.build.tiers import shown_model
from twotier.cli import outside_checks
from twotier.cli.finding import Finding, Level
from twotier.cli.peers import main_of
from twotier.cli.prepare import kept
from twotier.cli.processes import engines_alive
from twotier.clock import SystemClock
from twotier.config import paths
from twotier.config.load import Loaded
from twotier.config.schema import TierConfig
from twotier.config.secrets import how_to_set, resolve
from twotier.config.starter import FRONTIER_KEY
from twotier.config.watch import FilesWatch
from twotier.domain.urls import shown_url
from twotier.engines import pinned
from twotier.engines.base import lock_path
from twotier.errors import ConfigError, EngineError, NotRunningError, TwotierError
from twotier.keys import DEFAULT, KeyFile
from twotier.models import starter
from twotier.telemetry.spans import INSTALL, installed

PYTHON_MIN = (3, 11)
LEDGER_SECONDS_MAX = 5.0
CONNECT_SECONDS_MAX = 2.0
DISK_BYTES_LOW = 1_000_000_000
DISK_BYTES_MIN = 100_000_000
ANTHROPIC = "https://api.anthropic.com"


Status = Mapping[str, Any] | None
Check = Callable[[Loaded, Status], Iterator[Finding]]


def quoted(path: Path) -> str:
    """A path as a shell takes it: what is shown here gets pasted."""
    return shlex.quote(str(path))


def aside(path: Path) -> Path:
    """Where a file goes that cannot be used, and may still be wanted."""
    return path.with_name(f"{path.name}.aside")


def python() -> Finding:
    """The version this runs on."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < PYTHON_MIN:
        return Finding("python", Level.BAD, f"{version} is too old", "uv python install 3.12")
    return Finding("python", Level.OK, version)


def ask_main(loaded: Loaded) -> Status:
    """Main's status, None while it is not running; a main that answers badly is a finding."""
    try:
        return main_of(loaded.path).get("/control/status")
    except NotRunningError:
        return None
    except TwotierError as exc:
        return {"failed": exc.message}


def processes(loaded: Loaded, status: Status) -> Iterator[Finding]:
    """Main, worker, and what a killed main left behind."""
    if status is None:
        yield Finding("main", Level.WARN, "not running", "twotier up")
        for file, process in engines_alive(loaded.paths):
            text = f"left by a killed twotier, pid {process.pid}; the next `twotier up` adopts it"
            yield Finding(f"{file.stem} process", Level.WARN, text, "twotier down")
    elif "failed" in status:
        yield Finding("main", Level.BAD, status["failed"], "twotier down && twotier up")
    else:
        yield Finding("main", Level.OK, f"running, pid {status['pid']}")
        state = status["worker"]["state"]
        if state in ("ready", "running"):
            yield Finding("worker", Level.OK, state)
        else:
            yield Finding("worker", Level.WARN, state, f"tail {quoted(loaded.paths.logs)}/*")


def permissions(loaded: Loaded, _: Status) -> Iterator[Finding]:
    """The state folder and every key file are for the owner alone."""
    at = loaded.paths
    yield from private(at.state, 0o700, name="state")
    yield from private(at.client_key, 0o600, name="client key")
    yield from private(at.key_file, 0o600, name="key file")
    for name, tier in loaded.config.tiers.items():
        if tier.key and tier.key.startswith("file:"):
            place = loaded.resolve(tier.key.removeprefix("file:"))
            yield from private(place, 0o600, name=f"{name} key file")


def private(path: Path, mode: int, *, name: str) -> Iterator[Finding]:
    """Nobody but the owner may read it; what is not there yet is no finding."""
    if not path.exists():
        return
    found = stat.S_IMODE(path.stat().st_mode)
    if found & 0o077:
        text = f"{path} is open to others (mode {found:04o})"
        yield Finding(name, Level.BAD, text, f"chmod {mode:o} {quoted(path)}")
    else:
        yield Finding(name, Level.OK, f"{path} is yours alone")


def keys(loaded: Loaded, status: Status) -> Iterator[Finding]:
    """Every tier that needs a key has one. A running main has its own environment: it is asked."""
    seen = tiers_seen(status)
    for name, tier in loaded.config.tiers.items():
        if tier.key is None and tier.engine is not None:
            continue
        if name in seen:
            yield key_seen(loaded, seen[name], name=name)
        else:
            yield key_of(loaded, tier, name=name)


def tiers_seen(status: Status) -> dict[str, Mapping[str, Any]]:
    """The tiers by name as a running main tells of them; none if it does not run."""
    return {tier["name"]: tier for tier in (status or {}).get("tiers", ())}


def key_seen(loaded: Loaded, seen: Mapping[str, Any], *, name: str) -> Finding:
    """One tier's key as main sees it."""
    place = loaded.config.tiers[name].key or FRONTIER_KEY
    if seen["state"] != "no-key":
        return Finding(f"{name} key", Level.OK, f"main has it from {place}")
    mend = how_to_set(place, home=loaded.home)
    if place.startswith("env:"):  # a key that lies elsewhere is found while main runs
        mend += "; twotier down; twotier up"
    return Finding(f"{name} key", Level.WARN, f"main found nothing at {place}", mend)


def key_of(loaded: Loaded, tier: TierConfig, *, name: str) -> Finding:
    """One tier's key: there, missing, or unusable. Its value is dropped at once."""
    title, place = f"{name} key", tier.key or FRONTIER_KEY
    try:
        there = resolve(place, home=loaded.home) is not None
    except ConfigError as exc:
        return Finding(title, Level.BAD, exc.message, mend_key(loaded, place))
    if there:
        return Finding(title, Level.OK, f"found at {place}")
    mend = how_to_set(place, home=loaded.home)
    return Finding(title, Level.WARN, f"nothing at {place} yet", mend)


def mend_key(loaded: Loaded, place: str) -> str:
    """What makes a key usable that lies there: a file open to others, a keyring not installed."""
    if place.startswith("file:"):
        return f"chmod 600 {quoted(loaded.resolve(place.removeprefix('file:')))}"
    return "pip install 'twotier[keyring]'"


def addresses(loaded: Loaded, _: Status) -> Iterator[Finding]:
    """Every server somebody else runs takes a connection. Nothing is sent."""
    for name, tier in loaded.config.tiers.items():
        if name in kept(loaded.config) or tier.command:
            continue
        base_url = tier.base_url or ANTHROPIC
        failed, shown = connect(base_url), shown_url(base_url)
        if failed:
            text = f"{shown} cannot be reached: {failed}"
            mend = f"curl -sS -o /dev/null {shlex.quote(shown)}"
            yield Finding(f"{name} address", Level.WARN, text, mend)
        else:
            yield Finding(f"{name} address", Level.OK, f"{shown} takes connections")


def connect(base_url: str) -> str:
    """Connect, with TLS where the address says so; the reason why not, else empty."""
    parts = urlsplit(base_url)
    secure = parts.scheme == "https"
    place = (parts.hostname or "", parts.port or (443 if secure else 80))
    try:
        with socket.create_connection(place, CONNECT_SECONDS_MAX) as plain:
            if secure:
                ssl.create_default_context().wrap_socket(plain, server_hostname=place[0]).close()
    except OSError as exc:
        return exc.strerror or str(exc) or type(exc).__name__
    return ""


def engines(loaded: Loaded, status: Status) -> Iterator[Finding]:
    """For every server we keep: its environment, its model, and memory for both."""
    for name, tier in kept(loaded.config).items():
        yield program_for(loaded, tier, name=name)
        yield from model_of(loaded, tier, name=name)
        seen = tiers_seen(status).get(name)
        yield memory_for(loaded, tier, name=name) if seen is None else memory_seen(seen)


def program_for(loaded: Loaded, tier: TierConfig, *, name: str) -> Finding:
    """What runs it is there: its environment, or a program of this machine."""
    title, own = f"{name} engine", engine_for(tier).traits.program
    try:
        found = program_of(tier, loaded)
    except EngineError as exc:
        if own:
            return Finding(title, Level.WARN, exc.message, f"edit {loaded.path}: set program")
        text = f"the environment of {tier.engine} is not made yet"
        return Finding(title, Level.WARN, text, "twotier up")
    if own:
        return Finding(title, Level.OK, f"{found} is there")
    text, mend = f"the environment of {tier.engine} is made", ""
    shipped = lock_path(engine_for(tier).traits)
    if pinned.key(pinned.Pinned(shipped, paths.environments()).in_force) != pinned.key(shipped):
        text += "; it is not the one this twotier ships"
        mend = f"twotier engine upgrade {tier.engine}"
    return Finding(title, Level.OK, text, mend)


def commands(loaded: Loaded, _: Status) -> Iterator[Finding]:
    """What a tier's own command begins with is there: an upgrade of its packages may move it."""
    for name, tier in loaded.config.tiers.items():
        if not tier.command:
            continue
        program, folder = tier.command[0], Path(tier.command_folder or loaded.paths.logs)
        if shutil.which(str(folder / program) if "/" in program else program):
            yield Finding(f"{name} command", Level.OK, f"{program} is there")
        else:
            mend = f"edit {loaded.path}: set command in [tiers.{name}]"
            yield Finding(f"{name} command", Level.WARN, f"{program} is not there", mend)


def model_of(loaded: Loaded, tier: TierConfig, *, name: str) -> Iterator[Finding]:
    """The model is there and, where its hash is known, is what it should be."""
    title = f"{name} model"
    path = model_path(loaded, tier)
    if tier.model == "starter":
        found = starter.present(paths.models())
        if found is None:
            yield Finding(title, Level.WARN, "not fetched yet", "twotier models pull starter")
        elif not genuine(found):
            mend = f"rm {quoted(found)} && twotier models pull starter"
            yield Finding(title, Level.BAD, f"{found} is not what it should be", mend)
        else:
            yield Finding(title, Level.OK, f"{found}, hash as it should be")
    elif path is not None:
        yield Finding(title, Level.OK, f"{path} is there")
    else:
        mend = f"edit {loaded.path}: set model in [tiers.{name}]"
        yield Finding(title, Level.WARN, f"{tier.model} is not on this disk", mend)


def genuine(path: Path) -> bool:
    """Is this the very file? It was checked when it came; disks and people change files."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == starter.STARTER.sha256


def model_path(loaded: Loaded, tier: TierConfig) -> Path | None:
    """Where a tier's model lies on this disk, if it does."""
    try:
        return shelves.model_path(tier.model, loaded)
    except EngineError:
        return None


def memory_for(loaded: Loaded, tier: TierConfig, *, name: str) -> Finding:
    """Free memory against what the server needs at its fullest and the headroom beside it."""
    free = machine.now().free_bytes
    if model_path(loaded, tier) is None:
        text = f"{free / 1e9:.1f} GB free; what {name} needs is known once its model is there"
        return Finding("memory", Level.OK, text)
    traits = engine_for(tier).traits
    sized = size(name, tier, loaded=loaded, traits=traits, writes=False)
    if sized.predicted is None:
        return Finding("memory", Level.OK, f"{free / 1e9:.1f} GB free; {sized.text()} for {name}")
    needed = sized.predicted.total_bytes + sized.headroom_bytes
    text = f"{free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB wanted for {name}"
    if free < needed:
        return Finding("memory", Level.WARN, text, f"twotier models fit {name}")
    return Finding("memory", Level.OK, text)


def memory_seen(seen: Mapping[str, Any]) -> Finding:
    """With main running its model is in memory already, or on its way there."""
    free = machine.now().free_bytes
    how = "is loaded" if seen["state"] == "ready" else f"is not loaded ({seen['state']})"
    text = f"{free / 1e9:.1f} GB free; the model of {seen['name']} {how}"
    return Finding("memory", Level.OK, text)


def prices(loaded: Loaded, _: Status) -> Iterator[Finding]:
    """Every tier that costs money has a price: without one it is refused."""
    book, today = money.prices(loaded), SystemClock().now().date()
    for name, tier in loaded.config.tiers.items():
        if tier.is_local:
            continue
        vendor, model = money.vendor_of(tier), shown_model(tier.model)
        if book.price(vendor, model, on=today):
            yield Finding(f"{name} price", Level.OK, f"the price of {tier.model} is known")
        else:
            text = f"no price is known for {tier.model}, so it is never asked"
            mend = (
                f"edit {loaded.path}: set input_usd and output_usd in [tiers.{name}.price], or"
                f" `twotier prices set {vendor}/{model} input=... output=...`"
            )
            yield Finding(f"{name} price", Level.WARN, text, mend)


def folders(loaded: Loaded, _: Status) -> Iterator[Finding]:
    """Every folder that a job watches is there."""
    for job in loaded.config.jobs:
        if not isinstance(job.watch, FilesWatch):
            continue
        title, path = f"{job.name} folder", loaded.resolve(job.watch.path)
        if path.is_dir():
            yield Finding(title, Level.OK, f"{path} is there")
        elif path.exists():
            mend = f"edit {loaded.path}: set watch.path of the job {job.name}"
            yield Finding(title, Level.WARN, f"{path} is not a folder", mend)
        else:
            mend = f"mkdir -p {quoted(path)}"
            yield Finding(title, Level.WARN, f"{path} is not there", mend)


def port(loaded: Loaded, status: Status) -> Iterator[Finding]:
    """The gateway's port is free, or it is ours."""
    at = (loaded.config.gateway.host, loaded.config.gateway.port)
    name = f"{at[0]}:{at[1]}"
    if status is not None:
        yield Finding("port", Level.OK, f"ours: {status.get('address', name)}")
    elif failed := bind(at):
        mend = f"edit {loaded.path}: set gateway.port; `lsof -i :{at[1]}` shows who has it"
        yield Finding("port", Level.BAD, f"{name}: {failed}", mend)
    else:
        yield Finding("port", Level.OK, f"{name} is free")
    for one in (status or {}).get("also", ()):
        yield also_port(loaded, one)


def also_port(loaded: Loaded, told: Mapping[str, Any]) -> Finding:
    """A port of an older server, as main sees it."""
    if not told["because"]:
        return Finding("also port", Level.OK, f"ours: {told['address']}")
    mend = f"end that process, or edit {loaded.path}: take it out of gateway.also_ports"
    return Finding("also port", Level.WARN, f"{told['address']}: {told['because']}", mend)


def bind(at: tuple[str, int]) -> str:
    """Take the port for an instant; the reason why not, else empty."""
    family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(at)
    except OSError as exc:
        return exc.strerror or type(exc).__name__
    return ""


def reach(loaded: Loaded, _: Status) -> Iterator[Finding]:
    """Who may come in from other machines, and the file that says so."""
    path = loaded.paths.key_file
    try:
        known = KeyFile(path).read()
    except ConfigError as exc:
        yield Finding("clients", Level.BAD, exc.message, f"mv {quoted(path)} {quoted(aside(path))}")
        return
    try:
        check_reach(loaded)
    except ConfigError as exc:
        yield Finding("clients", Level.BAD, exc.message, "twotier key add NAME")
    else:
        yield Finding(
            "clients", Level.OK, f"{len(known.keys() - {DEFAULT})} with keys of their own"
        )


def disk(loaded: Loaded, _: Status) -> Iterator[Finding]:
    """Room for the databases: a full disk stops everything that costs money."""
    free = shutil.disk_usage(loaded.home).free
    text = f"{free / 1e9:.1f} GB free for {loaded.home}"
    level = Level.BAD if free < DISK_BYTES_MIN else Level.WARN
    if free < DISK_BYTES_LOW:
        yield Finding("disk", level, text, f"df -h {quoted(loaded.home)}")
    else:
        yield Finding("disk", Level.OK, text)


def ledger(loaded: Loaded, _: Status) -> Iterator[Finding]:
    """The ledger can be read. Without it nothing that costs money may be asked."""
    path = loaded.paths.ledger
    if not path.exists():
        yield Finding("ledger", Level.OK, "not there yet; the first start makes it")
        return
    try:
        book = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=CONNECT_SECONDS_MAX)
        try:
            tables = book.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        finally:
            book.close()
    except sqlite3.Error as exc:
        text = f"{path} cannot be read: {exc}"
        mend = f"twotier down; mv {quoted(path)} {quoted(aside(path))}; twotier up"
        yield Finding("ledger", Level.BAD, text, mend)
    else:
        yield from ledger_whole(path, tables)


def ledger_whole(path: Path, tables: int) -> Iterator[Finding]:
    """What can be seen of it in some seconds; a start looks again, and mends."""
    from twotier.ledger.check import examine
    from twotier.ledger.witness import witnessed

    try:
        found = examine(path, seconds=LEDGER_SECONDS_MAX, seen_moves=witnessed(path))
    except sqlite3.Error as exc:
        yield Finding("ledger", Level.WARN, f"{path} could not be looked at now: {exc}")
        return
    if found.well:
        part = "" if found.whole else "; what was looked at in a few seconds is whole"
        text = f"{path} can be read, {tables} tables and indexes{part}"
        yield Finding("ledger", Level.OK, text)
        return
    what = (
        found.broken
        or found.lost
        or f"the sums of {len(found.days)} days are not those of their rows"
    )
    yield Finding("ledger", Level.BAD, f"{path} is not whole: {what}", "twotier down; twotier up")


def telemetry(loaded: Loaded, _: Status) -> Iterator[Finding]:
    """What is configured to be sent to a collector can be."""
    endpoint = loaded.config.telemetry.otlp_endpoint
    if endpoint is None:
        return
    if not installed():
        text = "telemetry.otlp_endpoint is set, and the OpenTelemetry SDK is not installed"
        yield Finding("telemetry", Level.BAD, text, INSTALL)
    elif failed := connect(endpoint):
        text = f"{shown_url(endpoint)}: {failed}; spans are lost until it listens"
        mend = f"curl -sS -o /dev/null {shlex.quote(shown_url(endpoint))}"
        yield Finding("telemetry", Level.WARN, text, mend)
    else:
        yield Finding("telemetry", Level.OK, f"{shown_url(endpoint)} takes connections")


CHECKS: tuple[Check, ...] = (
    processes,
    permissions,
    keys,
    addresses,
    prices,
    engines,
    commands,
    folders,
    port,
    reach,
    disk,
    ledger,
    telemetry,
    outside_checks.outside,
)
