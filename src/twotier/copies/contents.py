"""What belongs into a copy of a state folder: everything but what only this life of it needs.

A list of what stays out, not of what goes in: a file that a later version puts there is copied too.
"""

from __future__ import annotations

from pathlib import Path

MANIFEST = "manifest.json"
STATE, SETTINGS = "state", "config"
RESTORING = "restoring"
BEFORE = "before-restore-"

# Logs are no memory; records of living servers and locks are of this moment; backups are copies.
FOLDERS_OUT = frozenset({"logs", "engines", "backups", RESTORING})
ENDINGS_OUT = (".lock", ".sock", "-wal", "-shm", "-journal", ".part", ".new", ".tmp", "-suspect")
NAMES_OUT = frozenset({f"{RESTORING}.json", "ledger.db-moves"})

# A run's steps first, its rows after them, and money last: what is ahead of the one before it is
# what a kill leaves too, and each of them knows how to go on from there. The ledger is the newest.
ORDER = ("engine.db", "work.db", "batches.db", "answers.db")
LEDGER = "ledger.db"


def state_files(state: Path) -> list[Path]:
    """The files of a state folder that a copy holds, in the order in which they are copied."""
    found = [path for path in sorted(state.rglob("*")) if _wanted(path.relative_to(state), path)]
    return sorted(found, key=lambda path: _rank(path.relative_to(state)))


def settings_files(config: Path) -> list[Path]:
    """The configuration and the jobs that have files of their own."""
    jobs = sorted((config.parent / "jobs").glob("*.toml"))
    return [path for path in (config, *jobs) if path.is_file()]


def _wanted(name: Path, path: Path) -> bool:
    top = name.parts[0]
    if top in FOLDERS_OUT or top in NAMES_OUT or top.startswith(BEFORE):
        return False
    if ".broken-" in top or name.name.endswith(ENDINGS_OUT):
        return False
    return path.is_file() and not path.is_symlink()


def _rank(name: Path) -> int:
    """Place in the order: databases of runs, then all else, the ledger at the end."""
    if str(name) in ORDER:
        return ORDER.index(str(name))
    return len(ORDER) + (str(name) == LEDGER)
