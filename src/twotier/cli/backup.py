"""`twotier backup` and `twotier restore`: all of a state folder in one file, and back."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from twotier import __version__
from twotier.cli.models import agreed
from twotier.cli.output import emit, say, show
from twotier.cli.progress import working
from twotier.clock import SystemClock
from twotier.config.paths import Paths, paths_of
from twotier.copies.contents import LEDGER, RESTORING, STATE
from twotier.copies.making import make
from twotier.copies.placing import Placed, place
from twotier.copies.reading import Unpacked, unpack
from twotier.errors import AlreadyRunningError, UsageError
from twotier.jobs.database import HEAD as WORK_HEAD
from twotier.ledger.migrate import HEAD as LEDGER_HEAD
from twotier.lock import only_one

KNOWN = {"ledger.db": LEDGER_HEAD, "work.db": WORK_HEAD}


@dataclass(frozen=True, slots=True)
class Wish:
    """What `restore` was asked for."""

    archive: Path
    keep_ledger: bool
    yes: bool


def backup(config: Path, target: Path, *, as_json: bool) -> int:
    """Make one, while twotier runs or not. Raises `BackupError`."""
    now, state = SystemClock().now(), paths_of(config).state
    with working("copying what lies in the state folder"):
        made = make(target, config=config, state=state, version=__version__, now=now)
    if as_json:
        emit({"file": str(made.path), "bytes": made.size_bytes, "parts": made.parts})
        return 0
    print(made.path)
    total = sum(made.parts.values())
    say(f"{len(made.parts)} files, {weight(total)}, in {weight(made.size_bytes)}; mode 0600")
    say("It holds the keys of your clients: keep it where only you can read it.")
    say(f"Put it back with `twotier restore {made.path}`.")
    if f"{STATE}/work.db" not in made.parts:
        say("Runs and items are not in it: they lie in PostgreSQL; use pg_dump for them.")
    return 0


def restore(config: Path, wish: Wish, *, as_json: bool) -> int:
    """Put one back, with twotier stopped. Raises `BackupError`, `AlreadyRunningError`."""
    paths = paths_of(config)
    paths.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as held:
        for lock in (paths.lock, paths.worker_lock):
            _taken(held, lock)
        with working("checking the backup"):
            found = unpack(wish.archive, paths.state / RESTORING, known=KNOWN)
        agreed(_question(found, paths, wish=wish), wish.yes)
        now = SystemClock().now()
        keep = wish.keep_ledger
        with working("putting it in place"):
            done = place(found, state=paths.state, config=config, keep_ledger=keep, now=now)
    if as_json:
        emit(_document(found, done))
        return 0
    _told(found, done, wish=wish)
    return 0


def _taken(held: ExitStack, lock: Path) -> None:
    try:
        held.enter_context(only_one(lock))
    except AlreadyRunningError as exc:
        raise AlreadyRunningError("twotier runs: say `twotier down` first, then this again") from (
            exc
        )


def _question(found: Unpacked, paths: Paths, *, wish: Wish) -> str:
    ledger = "its ledger stays" if wish.keep_ledger else "its ledger too"
    return (
        f"Replace what is in {paths.state} ({ledger}) by the backup of"
        f" {found.made_at:%Y-%m-%d %H:%M} UTC? What is there is kept aside."
    )


def _document(found: Unpacked, done: Placed) -> dict[str, object]:
    return {
        "made_at": found.made_at.isoformat(),
        "version": found.version,
        "files": len(found.names),
        "kept_aside": str(done.aside) if done.aside else None,
        "settings_written": [str(path) for path in done.settings],
        "settings_kept": [str(path) for path in done.kept],
    }


def _told(found: Unpacked, done: Placed, *, wish: Wish) -> None:
    rows = [("made", f"{found.made_at:%Y-%m-%d %H:%M} UTC, by twotier {found.version}")]
    rows += [("restored", f"{len(found.names)} files")]
    rows += [("kept aside", str(done.aside))] if done.aside else []
    rows += [("written", str(path)) for path in done.settings]
    rows += [("left as it is", f"{path} (the backup has another)") for path in done.kept]
    show(rows)
    if not wish.keep_ledger and f"{STATE}/{LEDGER}" in found.names:
        say("What was spent since then is not in the ledger: every limit counts as reached")
        say("until you say `twotier spend confirm`, once `twotier up` runs.")
    say("What jobs did since then they may do again: look at `twotier job list` before `up`.")


def weight(count: int) -> str:
    """Bytes as people say them."""
    kilo, mega = 1e3, 1e6
    return f"{count / kilo:.0f} KB" if count < mega else f"{count / mega:,.1f} MB"


def target_of(target: Path | None) -> Path:
    """Where it goes: a folder that is there, or a new file in one. Raises `UsageError`."""
    wanted = (target or Path()).expanduser().absolute()
    if not wanted.is_dir() and not wanted.parent.is_dir():
        raise UsageError(f"there is no folder {wanted.parent}; `mkdir -p` it first")
    return wanted
