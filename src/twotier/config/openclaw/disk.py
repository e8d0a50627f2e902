"""Finds and reads OpenClaw's folder; writes nothing and runs nothing.

Its folder may have an older name. What a configuration includes has to lie inside its folder, also
behind links, as OpenClaw itself has it. Jobs lie in a database since mid-2026, before that in
`cron/jobs.json`; a database is opened for reading only, also while OpenClaw runs.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from twotier.config import json5
from twotier.config.openclaw.include import assembled
from twotier.config.openclaw.notes import number, rows, table, text
from twotier.config.openclaw.plan import Theirs
from twotier.config.openclaw.settings import settings
from twotier.config.openclaw.variables import dotenv
from twotier.errors import NOT_READABLE, ConfigError

FOLDERS = (".openclaw", ".clawdbot", ".moltbot", ".moldbot")
NAMES = ("openclaw.json", "clawdbot.json", "moltbot.json", "moldbot.json")
JOBS_FILE = Path("cron") / "jobs.json"
DATABASE = Path("state") / "openclaw.sqlite"
CONFIG_BYTES_MAX = 2_097_152  # OpenClaw's own bound of a file that is included
JOBS_BYTES_MAX = 33_554_432
LOG_BYTES_MAX = 4_194_304
RUNS_COUNTED = 50
JOBS = "SELECT job_json, enabled, state_json, store_key FROM cron_jobs ORDER BY sort_order, job_id"


@dataclass(frozen=True, slots=True)
class Place:
    """Where OpenClaw's things lie. `config` is None where there is none; `jobs` is the file or the
    database that holds its jobs.
    """

    folder: Path
    config: Path | None
    jobs: Path | None
    kind: Literal["file", "database", "none"]
    port: int
    theirs: Theirs


def read(named: Path | None, *, env: Mapping[str, str], home: Path) -> Place:
    """Everything an import needs. Raises `ConfigError`."""
    folder, config = found(named, env=env, home=home)
    variables = {**dotenv(maybe(folder / ".env")), **env}
    raw = None
    if config is not None:
        root = config.parent.resolve()
        raw = assembled(
            read_text(config, CONFIG_BYTES_MAX),
            path=str(config.absolute()),
            opened=lambda one, base: included(one, base, root=root),
        )
        variables = {**own_variables(raw), **variables}
    said = settings(raw, env=variables)
    alone = named if named is not None and named.is_file() and config is None else None
    file = alone or jobs_file(folder, said.cron_store, home=home)
    rows_there = [] if alone else database_jobs(folder / DATABASE)
    kind: Literal["file", "database", "none"] = "database" if rows_there else "none"
    jobs = rows_there
    if not rows_there and file.is_file():
        kind, jobs = "file", file_jobs(file)
    if config is None and kind == "none":
        raise ConfigError(
            f"{folder} holds neither a configuration of OpenClaw's nor jobs; name its folder"
        )
    return Place(
        folder,
        config,
        {"database": folder / DATABASE, "file": file}.get(kind),
        kind,
        int(number(env.get("OPENCLAW_GATEWAY_PORT")) or said.port),
        Theirs(str(folder), raw, jobs, variables, taken(folder, jobs)),
    )


def found(named: Path | None, *, env: Mapping[str, str], home: Path) -> tuple[Path, Path | None]:
    """OpenClaw's folder and its configuration. Raises `ConfigError`."""
    if named is not None and named.is_file():
        beside = named.parent.parent if named.parent.name == "cron" else named.parent
        return (beside, None) if holds_jobs(named) else (named.parent, named)
    if named is not None and not named.is_dir():
        raise ConfigError(
            f"there is nothing at {named}; name OpenClaw's folder or its openclaw.json"
        )
    if named is None and (config := env.get("OPENCLAW_CONFIG_PATH")):
        path = Path(config)
        return Path(env.get("OPENCLAW_STATE_DIR") or path.parent), path
    usual = [env.get("OPENCLAW_STATE_DIR") or str(home / FOLDERS[0])]
    usual += [str(home / one) for one in FOLDERS[1:]]
    folders = [named] if named is not None else [Path(one) for one in usual]
    for folder in folders:
        for base in (folder, *(folder / one for one in FOLDERS)):
            if config_in(base) or (base / JOBS_FILE).is_file() or (base / DATABASE).is_file():
                return base, config_in(base)
    looked = ", ".join(str(one) for one in folders)
    raise ConfigError(
        f"no OpenClaw found in {looked}; name its folder: `twotier import openclaw PATH`"
    )


def holds_jobs(path: Path) -> bool:
    """Whether a file is a list of jobs: `jobs.json`, or what `openclaw cron list --json` prints."""
    raw = json5.read(read_text(path, JOBS_BYTES_MAX), source=str(path))
    return isinstance(raw, list) or isinstance(table(raw).get("jobs"), list)


def config_in(folder: Path) -> Path | None:
    """The configuration in a folder."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def jobs_file(folder: Path, store: str, *, home: Path) -> Path:
    """Where jobs lay before there was a database; the configuration may say another place."""
    if not store:
        return folder / JOBS_FILE
    return Path(store.replace("~", str(home), 1)) if store.startswith("~") else folder / store


def included(named: str, base: str, *, root: Path) -> tuple[str, str]:
    """A file that another one includes. Raises `ConfigError` where it lies outside."""
    if "\0" in named:
        raise ConfigError(f"{base}: $include names a path that cannot be one")
    path = Path(os.path.normpath(Path(base).parent / named))
    if not path.resolve().is_relative_to(root):
        raise ConfigError(f"{base}: $include {named!r} leads out of {root}, which OpenClaw refuses")
    return str(path), read_text(path, CONFIG_BYTES_MAX)


def read_text(path: Path, bytes_max: int) -> str:
    """A file's text. Raises `ConfigError`."""
    try:
        if path.stat().st_size > bytes_max:
            raise ConfigError(f"{path} is larger than {bytes_max:,} bytes")
        return path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None  # the error would carry its bytes


def maybe(path: Path) -> str:
    """A small file's text, empty where there is none."""
    return read_text(path, CONFIG_BYTES_MAX) if path.is_file() else ""


def own_variables(raw: Any) -> dict[str, str]:
    """Variables that the configuration itself sets."""
    said = table(table(raw).get("env"))
    both = {**said, **table(said.get("vars"))}
    return {name: one for name, one in both.items() if isinstance(one, str)}


def file_jobs(path: Path) -> list[Any]:
    """The jobs of a `jobs.json`. Raises `ConfigError`."""
    raw = json5.read(read_text(path, JOBS_BYTES_MAX), source=str(path))
    if isinstance(raw, dict) and "jobs" not in raw:
        raise ConfigError(f"{path} holds no list of jobs")
    return rows(raw) or rows(table(raw).get("jobs"))


def database_jobs(path: Path) -> list[Any]:
    """The jobs of a database; none where it has no such table. Raises `ConfigError`."""
    if not path.is_file():
        return []
    jobs: list[Any] = []
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
        ) as file:
            there = file.execute("SELECT 1 FROM sqlite_master WHERE name = 'cron_jobs'").fetchone()
            for job_json, enabled, state_json, _ in file.execute(JOBS) if there else ():
                job, state = json.loads(job_json), json.loads(state_json)
                jobs.append({**table(job), "enabled": bool(enabled), "state": state})
    except (sqlite3.Error, *NOT_READABLE) as exc:
        raise ConfigError(f"{path} cannot be read: {exc}") from exc
    return jobs


def taken(folder: Path, jobs: Iterable[Any]) -> dict[str, int]:
    """What a job's runs took on average, by its own log, where that counts tokens."""
    found: dict[str, int] = {}
    for job in jobs:
        id_ = text(table(job).get("id"))
        if not id_ or Path(id_).name != id_:
            continue
        log = folder / "cron" / "runs" / f"{id_}.jsonl"
        if log.is_file() and log.stat().st_size <= LOG_BYTES_MAX:
            counts = list(tokens_of(log.read_text(encoding="utf-8", errors="replace")))
            last = counts[-RUNS_COUNTED:]
            found |= {id_: round(sum(last) / len(last))} if last else {}
    return found


def tokens_of(log: str) -> Iterator[int]:
    """The tokens of each run in a log."""
    for line in log.splitlines():
        try:
            usage = table(table(json.loads(line)).get("usage"))
        except NOT_READABLE:
            continue
        counted = number(usage.get("total_tokens"))
        if counted:
            yield int(counted)
