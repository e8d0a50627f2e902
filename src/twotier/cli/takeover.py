"""`twotier engine take-over LABEL`: a server of launchd's or systemd's becomes ours, and back.

First it says what it will do, and does nothing. With `--yes` the job leaves its owner for good, and
only when its process is gone the configuration is changed: never two supervisors on one process.
What it was is kept beside it, readable by its owner alone, and `--undo` puts all of it back. The
record is written before anything is done, so `--undo` also mends what a kill left half done.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
import tomllib
from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from twotier.cli.output import emit, say
from twotier.cli.processes import engines_alive, main_process
from twotier.config.edit import drop, put
from twotier.config.load import check_text, load
from twotier.config.paths import make_private, paths_of
from twotier.config.write import put_file, rewrite
from twotier.errors import ConfigError, EngineError, UsageError
from twotier.service.command import run
from twotier.service.definition import PORT, Movable, movable
from twotier.service.launchd import ENDING
from twotier.service.moving import Command, Job, job, said
from twotier.supervisor.owner import Run, Said, Told

KEPT = ".twotier-original"
ORDER_SECONDS_MAX = 120.0  # `systemctl disable --now` waits for the end, 90 s where nobody set it
GONE_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.2
FOLDER = "taken-over"


def patient(argv: Sequence[str]) -> Said:
    """One command of an owner's, with time for a model server to end."""
    return run(argv, seconds=ORDER_SECONDS_MAX)


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
    for line in () if as_json else steps(taking):
        print(line, flush=True)
    if yes:
        do(taking)
    if as_json:
        said_so = {"tier": taking.tier, "port": taking.moves.port, "steps": list(steps(taking))}
        emit({**said_so, "done": yes})
    if yes:
        say("now `twotier down`, if it runs, and `twotier up`")
    else:
        say(f"nothing is done yet: `twotier engine take-over {taking.job.word} --yes` does it")
    return 0


def meant(label: str) -> Job:
    """The job a label names, on this system."""
    return job(label, uid=os.getuid(), home=Path.home(), mac=sys.platform == "darwin")


def plan(config: Path, moved: Job, *, tier: str, model: str) -> Taking:
    """Read everything, change nothing. Raises `EngineError`, `ConfigError` or `UsageError`."""
    tiers = load(config).config.tiers
    if record_of(config, moved).exists():
        raise UsageError(
            f"{moved.word} was taken over before, or was about to be:"
            f" `twotier engine take-over {moved.word} --undo` puts it back first"
        )
    file = file_of(moved)
    original = file.read_bytes()
    moves = movable(moved.read(original, home=Path.home()), model=model)
    words = (moved.word, moved.word.removesuffix(".service"))  # of a unit either will do
    observed = [name for name, one in tiers.items() if one.owner in words]
    name = tier or (observed[0] if observed else free_name(tiers))
    text = rewritten(config, moves, name=name)  # an error here is one before anything was done
    return Taking(config, moved, file, original, moves, name, text)


def file_of(moved: Job) -> Path:
    """The file of a job, which says all of it. Raises `EngineError`."""
    file = next((one for one in moved.places if one.is_file()), None)
    if file is None:
        there = ", ".join(str(one) for one in moved.places)
        raise EngineError(f"{moved.word} has no file; looked for {there}")
    for place in moved.places:
        if more := sorted(place.with_name(f"{place.name}.d").glob("*.conf")):
            raise EngineError(f"{more[0]} changes {moved.word}; put what it says into {file} first")
    return file


def rewritten(config: Path, moves: Movable, *, name: str) -> str:
    """The file with its changes, which can be read. Raises `ConfigError`."""
    try:
        text = changed(config.read_text(encoding="utf-8"), moves, name=name)
        check_text(text, config)
        return text
    except ValueError as exc:
        raise ConfigError(
            f"{config} is written in a way that cannot be changed by a program ({exc}); write each"
            " section with its own [heading]"
        ) from exc


def free_name(taken: Container[str]) -> str:
    """`local`, or the next one that is free."""
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
    yield f"  {shlex.join(moves.definition.argv).replace(shlex.quote(PORT), PORT)}"
    for name in moves.left_out:
        yield f"  without {name}: secrets do not go into a configuration; give it to `twotier up`"
    yield f"1. keep the original: {taking.beside} (mode 0600)"
    yield f"2. take it from its owner: {'; '.join(said(taking.job.leave))}"
    yield f"3. when its process is gone, write [tiers.{taking.tier}] into {taking.config}"
    yield (
        f"4. the same command on a private port; clients of port {moves.port} reach the gateway,"
        " without a key, and local tiers only"
    )
    yield f"back: `twotier engine take-over {taking.job.word} --undo`"


def do(taking: Taking, *, ask: Run = patient) -> None:
    """Do it. Raises `EngineError` and `OSError`; what was begun is put back then, and by Ctrl-C."""
    moved, answer = taking.job, ask(taking.job.owner.question)
    before, known = moved.owner.read(answer), answer.code == 0
    note = Note(
        file=str(taking.file),
        mode=taking.file.stat().st_mode & 0o777,
        ran=known if moved.word.startswith("launchd:") else bool(before.running),
        enabled=moved.enabled(ask(moved.switch)),
        before=taking.config.read_text(encoding="utf-8"),
        after=taking.text,
    )
    make_private(paths_of(taking.config).state)
    make_private(taking.record.parent)
    put_file(taking.beside, taking.original)
    put_file(taking.record, json.dumps(asdict(note)).encode())
    try:
        order(moved.leave if known else moved.leave[:1], ask)  # not loaded: no bootout
        wait_until_gone(moved, ask)
        rewrite(taking.config, taking.text)
    except (EngineError, OSError, KeyboardInterrupt):
        put_back(taking, note, ask=ask)
        raise


def put_back(taking: Taking, note: Note, *, ask: Run) -> None:
    """What was begun is undone; where that fails too, the record stays for `--undo`."""
    say(f"{taking.job.word} is put back")
    try:
        if taking.config.read_text(encoding="utf-8") == note.after:
            rewrite(taking.config, note.before)
        back(taking.job, note, ask=ask)
    except (EngineError, OSError) as exc:
        again = f"`twotier engine take-over {taking.job.word} --undo` tries it again"
        say(f"{taking.job.word} could not be put back: {exc}; {again}")
        return
    taking.record.unlink(missing_ok=True)


def undo(config: Path, label: str, *, as_json: bool, ask: Run = patient) -> int:
    """Put everything back as it was. Raises `EngineError`, `ConfigError` and `UsageError`."""
    moved, paths = meant(label), paths_of(config)
    record = record_of(config, moved)
    if not record.is_file():
        raise UsageError(f"{moved.word} was not taken over by {config}")
    if main_process(paths) or any(engines_alive(paths)):
        raise UsageError("twotier runs, and its server would be a second one: first `twotier down`")
    note = note_of(record)
    text = without(note, config, word=moved.word)
    if text is not None:
        rewrite(config, text)
    back(moved, note, ask=ask)
    record.unlink()
    if as_json:
        emit({"undone": moved.word, "file": note.file})
    else:
        and_file = "" if text is None else f"; {config} too"
        say(f"{moved.word} is its owner's again, as it was{and_file}")
    return 0


def without(note: Note, config: Path, *, word: str) -> str | None:
    """The configuration as it was before; None where a person has taken the tier out already.

    Raises `ConfigError` where it was changed since and still has the tier: a person's own changes
    are never taken away.
    """
    if config.read_text(encoding="utf-8") in (note.after, note.before):
        return note.before
    ours, tiers = tomllib.loads(note.after)["tiers"], load(config).config.tiers
    for name, tier in tiers.items():
        if tier.command and list(tier.command) == ours.get(name, {}).get("command"):
            raise ConfigError(
                f"{config} was changed since, so it is not put back: take [tiers.{name}], and its"
                " port in gateway.also_ports, out by hand; then"
                f" `twotier engine take-over {word} --undo` gives {word} back"
            )
    return None


@dataclass(frozen=True, slots=True)
class Note:
    """What was, for `--undo`."""

    file: str
    mode: int
    ran: bool
    before: str
    after: str
    enabled: bool = True


def note_of(record: Path) -> Note:
    """Read it. Raises `EngineError` for one that cannot be read."""
    try:
        return Note(**json.loads(record.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as exc:
        raise EngineError(f"{record} cannot be read: {exc}") from exc


def back(moved: Job, note: Note, *, ask: Run) -> None:
    """The job's file, its switch and its process as they were. May be done twice.

    It is switched on first in any case: launchd starts no job that is off.
    """
    file = Path(note.file)
    kept = file.with_name(f"{file.name}{KEPT}")
    if kept.is_file() and not (file.is_file() and file.read_bytes() == kept.read_bytes()):
        put_file(file, kept.read_bytes(), mode=note.mode)
    order(moved.enable, ask)
    if note.ran:
        usual = str(moved.places[0])
        start = tuple(said_of(one, usual=usual, file=note.file) for one in moved.start)
        start_again(moved, start, ask=ask)
    if not note.enabled:
        order(moved.disable, ask)
    kept.unlink(missing_ok=True)


def start_again(moved: Job, start: tuple[Command, ...], *, ask: Run) -> None:
    """Started by its owner, unless it runs. launchd refuses a job that it is just taking out (its
    error 5 or 37), so it is told again until that one is gone. Raises `EngineError`.
    """
    until = time.monotonic() + GONE_SECONDS_MAX
    while (stands := asked(moved, ask).running) is not True:
        try:
            return order(start, ask)
        except EngineError:
            if stands is False or time.monotonic() > until:
                raise
        time.sleep(LOOK_SECONDS)
    return None


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
        if done.code != 0 and not ("bootout" in command and done.code == ENDING):
            words = done.err.strip() or done.out.strip() or f"exit code {done.code}"
            raise EngineError(f"`{shlex.join(command)}` failed: {words}")


def wait_until_gone(moved: Job, ask: Run) -> None:
    """Its owner says that nothing runs any more. Raises `EngineError` if it stays."""
    until = time.monotonic() + GONE_SECONDS_MAX
    while asked(moved, ask).running is not False:
        if time.monotonic() > until:
            raise EngineError(f"{moved.word} still runs after {GONE_SECONDS_MAX:.0f} s")
        time.sleep(LOOK_SECONDS)
