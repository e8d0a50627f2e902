"""`twotier service status`, and what `twotier doctor` finds of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from twotier.cli.finding import Finding, Level
from twotier.cli.output import emit, local_time, show
from twotier.cli.processes import main_process
from twotier.cli.service import difference, lingers, read_log
from twotier.cli.service_place import ENV, Here, Service
from twotier.config.load import Loaded, load
from twotier.errors import EngineError, NotRunningError, UsageError
from twotier.service.program import NAME

INSTALL = "twotier service install"


def status(config: Path, *, name: str, as_json: bool, here: Here | None = None) -> int:
    """All of it. Raises `NotRunningError` where none is installed."""
    service = installed_one(load(config), here or Here(), name=name)
    if service.installed() is None:
        raise NotRunningError(
            f"no service is installed: there is no {service.file}; `{INSTALL}` makes it"
        )
    found = facts(service)
    if as_json:
        emit(found)
        return 0
    show(rows(found))
    return 0


def installed_one(loaded: Loaded, here: Here, *, name: str) -> Service:
    """The agent; on a Mac the daemon where only that is there."""
    agent = Service(loaded, here, name)
    daemon = Service(loaded, here, name, daemon=True)
    only = here.mac and agent.installed() is None and daemon.installed() is not None
    return daemon if only else agent


def facts(service: Service) -> dict[str, Any]:
    """What can be said of an installed service, as plain values."""
    told = service.told()
    main = main_process(service.loaded.paths)
    mac = service.here.mac
    boots = service.daemon or (not mac and lingers(service.here))
    return {
        "name": service.name,
        "manager": "launchd" if mac else "systemd",
        "file": str(service.file),
        "installed": service.installed() is not None,
        "enabled": service.enabled(),
        "starts_at": "boot" if boots else "login",
        "linger": None if mac else boots,
        "running": told.running,
        "pid": told.pid,
        "since": since(told.pid),
        "ours": main is not None and main.pid == told.pid,
        "last_end": told.last_end,
        "evidence": list(told.evidence),
        "logs": [read_log(service), str(service.loaded.paths.logs)],
        "different": difference(service),
        "keys_not_there": [one.removeprefix(ENV) for one in service.in_terminal()],
    }


def since(pid: int | None) -> str | None:
    """When that process began."""
    if pid is None:
        return None
    try:
        return datetime.fromtimestamp(psutil.Process(pid).create_time(), UTC).isoformat()
    except psutil.Error:
        return None


def rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """For people."""
    state = {True: "running", False: "not running", None: "not known"}[found["running"]]
    if found["pid"]:
        state += f", pid {found['pid']}, since {local_time(found['since'])}"
    yield "service", f"{found['name']} of {found['manager']}: {state}"
    yield "file", found["file"]
    enabled = f"at {found['starts_at']}" if found["enabled"] else f"not by itself: `{INSTALL}`"
    yield "starts", enabled
    if found["starts_at"] == "login" and found["linger"] is not None:
        yield "", f"`{INSTALL} --linger`: at boot"
    if found["last_end"]:
        yield "last end", found["last_end"]
    for line in found["logs"]:
        yield "logs", line
    if found["keys_not_there"]:
        names = ", ".join(found["keys_not_there"])
        yield "keys", f"it has no {names}: `{INSTALL} --move-keys file`"
    if found["different"]:
        yield "different", f"`{INSTALL}` would change it:"
        yield from (("", line) for line in found["different"])


def findings(loaded: Loaded, _: object, *, here: Here | None = None) -> Iterator[Finding]:
    """What is wrong with the service, where one is installed for this configuration."""
    service = installed_one(loaded, here or Here(), name=NAME)
    if service.installed() is None or not for_us(service):
        yield Finding("service", Level.OK, "not installed: nothing starts it after a reboot")
        return
    found = facts(service)
    if missing := found["keys_not_there"]:
        text = f"as a service it has no {', '.join(missing)}"
        yield Finding("service keys", Level.WARN, text, f"{INSTALL} --move-keys file")
    if found["different"]:
        yield Finding("service file", Level.WARN, "is not what it should be", INSTALL)
    if not found["enabled"] or not found["running"]:
        what = "does not start by itself" if not found["enabled"] else "does not run"
        text = f"{what}; {found['last_end']}".rstrip("; ")
        yield Finding("service", Level.WARN, text, INSTALL)
        return
    if found["starts_at"] == "login":
        text = f"runs, pid {found['pid']}; starts at login, not at boot"
        yield Finding("service", Level.OK, text)
    else:
        yield Finding("service", Level.OK, f"runs, pid {found['pid']}; starts at boot")


def for_us(service: Service) -> bool:
    """Whether the installed one is this configuration's."""
    try:
        service.refuse_foreign()
    except (EngineError, UsageError):
        return False
    return True
