"""`twotier engine take-over LABEL`: a server of launchd's or systemd's becomes ours, and back.

First it says what it will do, and does nothing. With `--yes` the job leaves its owner for good, and
only when its process is gone the configuration is changed: never two supervisors on one process.
What it was is kept beside it, readable by its owner alone, and `--undo` puts all of it back.
"""

from __future__ import annotations

import json
import os
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from twotier.cli.output import emit, say
from twotier.cli.peers import main_of
from twotier.config.edit import drop, put
from twotier.config.load import check, load
from twotier.config.paths import make_private, paths_of
from twotier.errors import ConfigError, EngineError, NotRunningError, UsageError
from twotier.service.command import run
from twotier.service.definition import Movable, movable
from twotier.service.moving import Command, Job, job, said
from twotier.supervisor.owner import Run, Told

KEPT = ".twotier-original"
GONE_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.2
FOLDER = "taken-over"


@dataclass(frozen=True, slots=True)
class Taking:
    """One take-over, as far as it can be said before anything is done."""

    config: Path
    job: Job
    file: Path
    original: bytes
    moves: Movable
    tier: str
    text: str

    @property
    def beside(self) -> Path:
        """Where what it was is kept."""
        return self.file.with_name(f"{self.file.name}{KEPT}")

    @property
    def record(self) -> Path:
        """What `--undo` needs to know."""
        return record_of(self.config, self.job)


def record_of(config: Path, moved: Job) -> Path:
    """The record of one job's take-over."""
    name = moved.word.replace(":", "-").replace("/", "-")
    return paths_of(config).state / FOLDER / f"{name}.json"


def take_over(config: Path, label: str, *, tier: str, model: str, yes: bool, as_json: bool) -> int:
    """Say what will be done; with `yes`, do it."""
    taking = plan(config, meant(label), tier=tier, model=model)
    if as_json:
        said_so = {"tier": taking.tier, "port": taking.moves.port, "steps": list(steps(taking))}
        emit({**said_so, "done": yes})
    else:
        for line in steps(taking):
            print(line)
    if not yes:
        say(f"nothing is done yet: `twotier engine take-over {taking.job.word} --yes` does it")
        return 0
    do(taking)
    say("now `twotier down`, if it runs, and `twotier up`")
    return 0


def meant(label: str) -> Job:
    """The job a label names, on this system."""
    return job(label, uid=os.getuid(), home=Path.home(), mac=sys.platform == "darwin")


def plan(config: Path, moved: Job, *, tier: str, model: str) -> Taking:
    """Read everything, change nothing. Raises `EngineError`, `ConfigError` or `UsageError`."""
    file = next((one for one in moved.places if one.is_file()), None)
    if file is None:
        there = ", ".join(str(one) for one in moved.places)
        raise EngineError(f"{moved.word} has no file; looked for {there}")
    original = file.read_bytes()
    moves = movable(moved.read(original, home=Path.home()), model=model)
    tiers = load(config).config.tiers
    observed = [name for name, one in tiers.items() if one.owner == moved.word]
    name = tier or (observed[0] if observed else free_name(tiers))
    text = rewritten(config, moves, name=name)  # an error here is one before anything was done
    return Taking(config, moved, file, original, moves, name, text)


def rewritten(config: Path, moves: Movable, *, name: str) -> str:
    """The file with its changes, which can be read. Raises `ConfigError`."""
    try:
        text = changed(config.read_text(encoding="utf-8"), moves, name=name)
        check(tomllib.loads(text), str(config))
        return text
    except ValueError as exc:
        raise ConfigError(
            f"{config} is written in a way that cannot be changed by a program ({exc}); write each"
            " section with its own [heading]"
        ) from exc


def free_name(tiers: object) -> str:
    """`local`, or the next one that is free."""
    taken = set(tiers) if isinstance(tiers, dict) else set()
    number = 1
    while (name := "local" if number == 1 else f"local{number}") in taken:
        number += 1
    return name


def changed(text: str, moves: Movable, *, name: str) -> str:
    """The configuration with the tier, and the old port for its clients."""
    section, run_by = f"tiers.{name}", moves.definition
    for gone in ("owner", "base_url"):
        text = drop(text, section, key=gone)
    for key, to in (
        ("command_folder", run_by.folder),
        ("command_env", run_by.env),
        ("command", run_by.argv),
        ("model", moves.model),
        ("engine", moves.engine),
    ):
        text = put(text, section, key=key, to=to) if to else drop(text, section, key=key)
    gateway = tomllib.loads(text).get("gateway", {})
    ports = [*gateway.get("also_ports", ()), moves.port]
    if gateway.get("port", 8484) != moves.port:
        text = put(text, "gateway", key="also_ports", to=sorted(set(ports)))
        text = put(text, "gateway", key="also_without_key", to=True)
    for alias in ("default_model", moves.model):
        known = tomllib.loads(text).get("aliases", {})
        if alias not in known and alias != name:
            text = put(text, "aliases", key=alias, to=name)
    return text


def steps(taking: Taking) -> Iterator[str]:
    """What will be done, in the order in which it is done."""
    moves = taking.moves
    yield f"{taking.job.owner.name}, as {taking.file} says, runs:"
    yield f"  {' '.join(moves.definition.argv)}"
    for name in moves.left_out:
        yield f"  without {name}: secrets do not go into a configuration; give it to `twotier up`"
    yield f"1. keep the original: {taking.beside} (mode 0600)"
    yield f"2. take it from its owner: {'; '.join(said(taking.job.leave))}"
    yield f"3. when its process is gone, write [tiers.{taking.tier}] into {taking.config}"
    yield f"4. the same command on a private port; clients of port {moves.port} reach the gateway"
    yield f"back: `twotier engine take-over {taking.job.word} --undo`"


def do(taking: Taking, *, ask: Run = run) -> None:
    """Do it. Raises `EngineError`; what was begun is put back then."""
    answer = ask(taking.job.owner.question)
    before, known = taking.job.owner.read(answer), answer.code == 0
    launchd = taking.job.word.startswith("launchd:")
    text = taking.config.read_text(encoding="utf-8")
    keep(taking.beside, taking.original)
    make_private(paths_of(taking.config).state)
    make_private(taking.record.parent)
    note = {
        "file": str(taking.file),
        "mode": taking.file.stat().st_mode & 0o777,
        "ran": known if launchd else bool(before.running),
        "before": text,
        "after": taking.text,
    }
    keep(taking.record, json.dumps(note).encode())
    try:
        order(taking.job.leave if known else taking.job.leave[:1], ask)  # not loaded: no bootout
        wait_until_gone(taking.job, ask)
        replace(taking.config, taking.text)
    except EngineError:
        back(taking.job, note_of(taking.record), ask=ask)
        taking.record.unlink(missing_ok=True)
        raise


def undo(config: Path, label: str, *, as_json: bool, ask: Run = run) -> int:
    """Put everything back as it was. Raises `EngineError` and `ConfigError`."""
    moved = meant(label)
    record = record_of(config, moved)
    if not record.is_file():
        raise UsageError(f"{moved.word} was not taken over by {config}")
    with suppress(NotRunningError):
        main_of(config).get("/control/engine")
        raise UsageError("twotier runs, and its server would be a second one: first `twotier down`")
    note = note_of(record)
    now = config.read_text(encoding="utf-8")
    if now not in (note.after, note.before):
        raise ConfigError(
            f"{config} was changed since; take its tier out by hand, put {moved.word} back:"
            f" {'; '.join(said((*moved.enable, *moved.start)))}"
        )
    replace(config, note.before)
    back(moved, note, ask=ask)
    record.unlink()
    if as_json:
        emit({"undone": moved.word, "file": note.file})
    else:
        say(f"{moved.word} is its owner's again, as it was; {config} too")
    return 0


@dataclass(frozen=True, slots=True)
class Note:
    """What was, for `--undo`."""

    file: str
    mode: int
    ran: bool
    before: str
    after: str


def note_of(record: Path) -> Note:
    """Read it. Raises `EngineError` for one that cannot be read."""
    try:
        return Note(**json.loads(record.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as exc:
        raise EngineError(f"{record} cannot be read: {exc}") from exc


def back(moved: Job, note: Note, *, ask: Run) -> None:
    """The job's file as it was, enabled, and running if it ran."""
    file = Path(note.file)
    kept = file.with_name(f"{file.name}{KEPT}")
    if kept.is_file():
        if not file.is_file() or file.read_bytes() != kept.read_bytes():
            file.write_bytes(kept.read_bytes())
            file.chmod(note.mode)
        kept.unlink()
    order(moved.enable, ask)
    if note.ran:
        usual = str(moved.places[0])
        order(tuple(said_of(one, usual=usual, file=note.file) for one in moved.start), ask)


def said_of(command: Command, *, usual: str, file: str) -> Command:
    """The command with the place where the job's file really lies."""
    return tuple(file if word == usual else word for word in command)


def asked(moved: Job, ask: Run) -> Told:
    """How the job stands."""
    return moved.owner.read(ask(moved.owner.question))


def order(commands: tuple[Command, ...], ask: Run) -> None:
    """Have each done. Raises `EngineError` at the first that fails."""
    for command in commands:
        done = ask(command)
        if done.code != 0:
            words = done.err.strip() or done.out.strip() or f"exit code {done.code}"
            raise EngineError(f"`{' '.join(command)}` failed: {words}")


def wait_until_gone(moved: Job, ask: Run) -> None:
    """Its owner says that nothing runs any more. Raises `EngineError` if it stays."""
    until = time.monotonic() + GONE_SECONDS_MAX
    while asked(moved, ask).running is not False:
        if time.monotonic() > until:
            raise EngineError(f"{moved.word} still runs after {GONE_SECONDS_MAX:.0f} s")
        time.sleep(LOOK_SECONDS)


def keep(path: Path, data: bytes) -> None:
    """A file for its owner alone, never open to others, not even for a moment."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    fresh.replace(path)


def replace(config: Path, text: str) -> None:
    """The configuration in one step, with the rights it had."""
    mode = config.stat().st_mode & 0o777
    keep(config, text.encode())
    config.chmod(mode)
