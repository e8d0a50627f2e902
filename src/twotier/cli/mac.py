"""What only a Mac can tell: the checks of `twotier doctor` there, and the file of evidence.

The file is written once by somebody who has such a machine, so that what is handled here from
reports of others can be compared with what macOS really says: every command's answer, what our own
readers make of it, and nothing that names the person, the machine, its paths or its keys.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import platform
import shlex
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any

from twotier import __version__
from twotier.cli.finding import Finding, Level
from twotier.clock import SystemClock
from twotier.config import paths
from twotier.config.load import Loaded
from twotier.errors import UsageError
from twotier.service import mac
from twotier.service.command import run
from twotier.service.owners import owner_of
from twotier.service.redact import redacted
from twotier.supervisor.memory import MacMemory
from twotier.supervisor.owner import Run

SYSCTL = (
    "hw.memsize",
    "hw.pagesize",
    "hw.ncpu",
    "machdep.cpu.brand_string",
    "kern.memorystatus_vm_pressure_level",
    "kern.memorystatus_level",
    "vm.swapusage",
    "vm.compressor_mode",
    "iogpu.wired_limit_mb",
    "iogpu.wired_lwm_mb",
    "kern.maxfilesperproc",
)
QUESTIONS: tuple[tuple[str, ...], ...] = (
    ("sw_vers",),
    ("uname", "-srm"),
    ("sysctl", *SYSCTL),
    ("vm_stat",),
    ("memory_pressure", "-Q"),
    ("pmset", "-g", "custom"),
    ("pmset", "-g", "assertions"),
    ("mdutil", "-s", "/"),
    ("launchctl", "limit"),
    ("launchctl", "managername"),
    ("ps", "-axo", "pid=,rss=,vsz=,ucomm="),
)
PROCESSES_SHOWN = 15
REPORTS_SHOWN = 2
REPORT_BYTES_MAX = 20_000
REPORTS = ("~/Library/Logs/DiagnosticReports", "/Library/Logs/DiagnosticReports")


def findings(loaded: Loaded, *, ask: Run = run) -> Iterator[Finding]:
    """Spotlight on the folders of models, sleep, and the start after a power failure."""
    if sys.platform != "darwin":
        yield Finding(
            "mac", Level.WARN, f"this is {platform.system()}, not macOS", "twotier doctor"
        )
    yield from spotlight(model_folders(loaded), ask)
    yield from power(ask)


def model_folders(loaded: Loaded) -> list[Path]:
    """Where models lie, as far as these folders are there."""
    named = [
        loaded.resolve(tier.model)
        for tier in loaded.config.tiers.values()
        if tier.model.startswith(("/", "~", "."))
    ]
    folders = [one if one.is_dir() else one.parent for one in named]
    there = [one for one in (paths.models(), paths.hub(), *folders) if one.is_dir()]
    return [Path(one) for one in mac.outermost(there)]


def spotlight(folders: Iterable[Path], ask: Run) -> Iterator[Finding]:
    """Each folder of models is kept from Spotlight: it would read 129 GB, while they are loaded."""
    everywhere = mac.indexing(ask(("mdutil", "-s", "/")).out)
    for folder in folders:
        marked = any((one / mac.NEVER_INDEX).exists() for one in (folder, *folder.parents))
        if everywhere is False or marked or mac.hidden(PurePath(folder)):
            yield Finding("spotlight", Level.OK, f"{folder} is not indexed")
        else:
            mend = f"touch {shlex.quote(str(folder / mac.NEVER_INDEX))}"
            yield Finding("spotlight", Level.WARN, f"Spotlight indexes {folder}", mend)


def power(ask: Run) -> Iterator[Finding]:
    """A machine that sleeps runs no job; one that stays off after a power failure neither."""
    said = ask(("pmset", "-g", "custom"))
    seen = mac.power(said.out)
    if seen.sleep_minutes is None:
        yield Finding("sleep", Level.WARN, "pmset does not say when it sleeps", "pmset -g custom")
    elif seen.sleep_minutes:
        text = (
            f"it sleeps after {seen.sleep_minutes} minutes; no job runs then, no client is answered"
        )
        yield Finding("sleep", Level.WARN, text, "sudo pmset -c sleep 0")
    else:
        yield Finding("sleep", Level.OK, "it never sleeps on mains power")
    if seen.restarts is False:
        text = "after a power failure it stays off"
        yield Finding("auto-restart", Level.WARN, text, "sudo pmset -c autorestart 1")
    elif seen.restarts:
        yield Finding("auto-restart", Level.OK, "it starts by itself after a power failure")


def report(loaded: Loaded | None, file: Path, *, ask: Run = run) -> int:
    """Write the evidence, for its owner alone. Returns its size in bytes."""
    document = without_names(evidence(loaded, ask), own_names())
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as exc:
        raise UsageError(f"{file} is there already; name another file") from exc
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    return len(text.encode())


def evidence(loaded: Loaded | None, ask: Run) -> dict[str, Any]:
    """Everything, as it was said, and what we read in it."""
    answers = [told(argv, ask) for argv in (*QUESTIONS, *owner_questions(loaded))]
    said = {" ".join(one["command"][:2]): "\n".join(one["out"]) for one in answers}
    seen = mac.power(said.get("pmset -g", ""))
    found = [] if loaded is None else list(findings(loaded, ask=ask))
    return {
        "report": "twotier doctor --mac",
        "schema_version": 1,
        "twotier": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "written_at": SystemClock().now().isoformat(timespec="seconds"),
        "answers": answers,
        "read": {
            "power": {
                "sleep_minutes": seen.sleep_minutes,
                "disk_sleep_minutes": seen.disk_sleep_minutes,
                "restarts": seen.restarts,
            },
            "memory": memory(ask),
            "indexing": mac.indexing(said.get("mdutil -s", "")),
            "owners": list(owners_read(loaded, ask)),
            "findings": [f"{one.level.value} {one.name}: {one.text}" for one in found],
        },
        "memory_kills": list(memory_kills()),
    }


def memory(ask: Run) -> Mapping[str, Any] | None:
    """What our reader of macOS's memory makes of its answers."""
    seen = MacMemory(lambda argv: ask(argv).out).look()
    return None if seen is None else asdict(seen)


def told(argv: tuple[str, ...], ask: Run) -> dict[str, Any]:
    """One command and its answer, in lines."""
    said = ask(argv)
    out = largest(said.out) if argv[0] == "ps" else said.out
    lines = out.splitlines()
    return {"command": argv, "code": said.code, "out": lines, "err": said.err.splitlines()}


def largest(text: str) -> str:
    """Of a list of processes those that hold most; names only, no arguments."""
    rows = [line for line in text.splitlines() if len(line.split()) > 2]
    rows.sort(key=lambda line: int(line.split()[1]) if line.split()[1].isdecimal() else 0)
    return "\n".join(rows[::-1][:PROCESSES_SHOWN])


def owner_questions(loaded: Loaded | None) -> Iterator[tuple[str, ...]]:
    """What the owners of observed servers are asked."""
    for tier in loaded.config.tiers.values() if loaded else ():
        if tier.owner and (question := owner_of(tier.owner, uid=os.getuid()).question):
            yield question


def owners_read(loaded: Loaded | None, ask: Run) -> Iterator[Mapping[str, Any]]:
    """What our reader makes of each owner's answer."""
    for tier in loaded.config.tiers.values() if loaded else ():
        if tier.owner:
            owner = owner_of(tier.owner, uid=os.getuid())
            seen = owner.read(ask(owner.question)) if owner.question else None
            yield {
                "owner": tier.owner.partition(":")[0],
                "running": seen and seen.running,
                "respawns": seen and seen.respawns,
                "last_end": seen and seen.last_end,
            }


def memory_kills() -> Iterator[Mapping[str, Any]]:
    """The latest reports of macOS about processes it killed for their memory."""
    found: list[Path] = []
    for folder in REPORTS:
        with contextlib.suppress(OSError):
            found += Path(folder).expanduser().glob("JetsamEvent-*.ips")
    for file in sorted(found, key=lambda one: one.name)[-REPORTS_SHOWN:]:
        with contextlib.suppress(OSError):
            text = file.read_bytes()[:REPORT_BYTES_MAX].decode(errors="replace")
            yield {"file": file.name, "begins": text.splitlines()}


def own_names() -> set[str]:
    """What this person and this machine are called."""
    host = socket.gethostname()
    names = {getpass.getuser(), Path.home().name, host, host.partition(".")[0]}
    with contextlib.suppress(ImportError, KeyError):
        import pwd

        full = pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0]
        names |= {full, *full.split()}
    return names


def without_names(value: Any, names: Iterable[str]) -> Any:
    """The document with every text in it redacted, wherever it stands."""
    if isinstance(value, Mapping):
        return {key: without_names(part, names) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_names(part, names) for part in value]
    return redacted(value, names=names) if isinstance(value, str) else value
