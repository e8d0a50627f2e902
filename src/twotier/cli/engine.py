"""`twotier engine`: what a person does with the model servers of this machine.

Orders go to main, whose keepers own the servers; a log and the deaths of a server are files, and
are read without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from twotier.cli.output import emit, local_time, say
from twotier.cli.peers import main_of
from twotier.config.paths import paths_of
from twotier.errors import NotFoundError, NotRunningError, UsageError

START_SECONDS_MAX = 1_800.0  # a large model from a slow disk; the tier's own limit ends it earlier
GRACE_SECONDS = 60.0  # requests may end, then the process
FOLLOW_SECONDS = 0.2
DONE = {"start": "started", "restart": "started anew", "stop": "stopped"}


def order(config: Path, verb: str, *, tier: str, force: bool = False, as_json: bool) -> int:
    """Have main start, stop or restart a tier's server; exit code 1 if it does not come up."""
    main = main_of(config)
    engines = main.get("/control/engine")["engines"]
    name = tier or only(engines)
    body = {"force": force, "wait_seconds": 0.0 if verb == "stop" else START_SECONDS_MAX}
    if verb != "stop" and any(one["tier"] == name for one in engines):
        say(f"{name}: waiting for its first token")
    began = time.monotonic()
    seconds = START_SECONDS_MAX + GRACE_SECONDS
    told = main.post(f"/control/engine/{name}/{verb}", body, seconds=seconds)
    if as_json:
        emit(told)
    elif told["failed"]:
        say(f"{name} is not up: {told['failed']}{way_out(told)}")
    else:
        pid = f", pid {told['pid']} at {told['address']}" if told["pid"] else ""
        print(f"{name} {DONE[verb]} in {time.monotonic() - began:.1f} s{pid}")
    return int(bool(told["failed"]))


def way_out(told: Mapping[str, Any]) -> str:
    """What a person may do about a start that was held up."""
    if told["gate"]:
        return f"; to start it all the same: `twotier engine start {told['tier']} --force`"
    return f"; more: `twotier engine why {told['tier']}`, `twotier engine logs {told['tier']}`"


def only(engines: list[Mapping[str, Any]]) -> str:
    """The one there is. Raises `UsageError` that names them where a name is needed."""
    names = [str(one["tier"]) for one in engines]
    if not names:
        raise NotFoundError("no tier has a server on this machine; see `twotier status`")
    if len(names) > 1:
        raise UsageError(f"which one? name one of: {', '.join(names)}")
    return names[0]


def why(config: Path, *, tier: str, as_json: bool) -> int:
    """Why it is not up, or how it died last, with what was seen."""
    try:
        engines = main_of(config).get("/control/engine")["engines"]
    except NotRunningError as exc:
        engines = list(written(config, exc.message))
        if not engines:
            raise
    chosen = [one for one in engines if tier in ("", one["tier"])]
    if not chosen:
        there = ", ".join(str(one["tier"]) for one in engines) or "none"
        raise NotFoundError(f"no tier {tier!r} has a server on this machine; there are: {there}")
    if as_json:
        emit({"engines": chosen})
        return 0
    for one in chosen:
        for line in explained(one):
            print(line)
    return 0


def written(config: Path, why: str) -> Iterator[dict[str, Any]]:
    """What is known while main does not run: the deaths its keepers wrote down."""
    from twotier.supervisor import history

    for file in sorted(paths_of(config).engines.glob("*.deaths")):
        notes = history.read(file)
        deaths = [{**asdict(one), "at": one.at.isoformat()} for one in notes]
        if file.stem != "worker":
            yield {
                "tier": file.stem,
                "state": "down",
                "because": why,
                "pid": None,
                "address": "",
                "owner": "twotier",
                "gate": "",
                "evidence": [],
                "deaths": deaths,
            }


def explained(told: Mapping[str, Any]) -> Iterator[str]:
    """One sentence, then the evidence, then the last deaths."""
    yield f"{told['tier']} {sentence(told)}"
    if told["gate"]:
        yield f"  held up: {told['gate']}{way_out(told)}"
    well = told["state"] == "ready" and told["owner"] == "twotier"
    for line in () if well else told["evidence"]:  # the log of one that is well explains nothing
        yield f"  seen: {line}"
    for death in reversed(told["deaths"]):
        lived = f"after {death['lived_seconds']:.0f} s"
        did = f" -> {death['action']}" if death["action"] else ""
        yield f"  died {local_time(death['at'])} {lived}: {death['cause']}{did}"
        for line in death["evidence"]:
            yield f"    {line}"


def sentence(told: Mapping[str, Any]) -> str:
    """How it stands: up, or not and why; whose it is where it is not ours."""
    ours = told["owner"] == "twotier"
    whose = "" if ours else f", kept by {told['owner']}"
    if told["state"] == "ready":
        pid = f" (pid {told['pid']})" if told["pid"] else ""
        return f"is up{pid}{whose}" + ("; no death is known" * (ours and not told["deaths"]))
    return f"is {told['state']}{whose}: {told['because'] or 'nobody has said why'}"


def logs(config: Path, *, tier: str, lines: int, follow: bool) -> int:
    """The end of a kept server's own output, and with `follow` what it goes on to say."""
    if lines < 0:
        raise UsageError(f"--lines {lines}: a number from 0 on")
    folder = paths_of(config).logs
    files = {path.stem.removeprefix("engine-"): path for path in folder.glob("engine-*.log")}
    name = tier or (only([{"tier": one} for one in sorted(files)]) if files else "any server")
    if name not in files:
        raise NotFoundError(
            f"there is no log of {name} in {folder}; a server that is not ours has its log with its"
            " owner: `twotier engine why` says where"
        )
    from twotier.supervisor.logs import last, opened

    with opened(files[name], at_end=True) as file:
        for line in last(files[name], lines):
            print(line, flush=follow)
        for text in followed(files[name], file) if follow else ():
            print(text, end="", flush=True)
    return 0


def followed(
    path: Path, file: TextIO, *, pause: Callable[[], None] = lambda: time.sleep(FOLLOW_SECONDS)
) -> Generator[str]:
    """What is written from now on, through cuts and new lives; until Ctrl-C."""
    from twotier.supervisor.logs import opened, replaced

    try:
        while True:
            gone = replaced(path, file)  # asked before reading: the last words of a life come first
            if text := file.read():
                yield text
            elif gone:
                file.close()
                file = opened(path, at_end=False)
            else:
                pause()
    finally:
        file.close()
