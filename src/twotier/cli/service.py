"""`twotier service install` and `uninstall`: at login or at boot, by launchd or systemd.

Installing twice changes nothing. What is written is shown by `--dry-run`; a file of somebody else's
is never touched, and nothing is ever done as root: for a daemon of the machine's the commands are
only said. A main that is replaced leaves its model servers to the next one.
"""

from __future__ import annotations

import difflib
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from twotier.cli.down import end_engine, stop_main
from twotier.cli.output import emit, say
from twotier.cli.peers import main_of
from twotier.cli.processes import engines_alive, main_process
from twotier.cli.service_check import looked
from twotier.cli.service_keys import moved, say_keys
from twotier.cli.service_place import ENV, Here, Service
from twotier.config.load import load
from twotier.config.paths import make_private
from twotier.config.write import put_file
from twotier.errors import AlreadyRunningError, ServiceError, TwotierError, UsageError
from twotier.service.moving import Command
from twotier.service.program import NAME, START_SECONDS

GONE_SECONDS_MAX = 150.0  # more than a main is given to stop
ANSWER_SECONDS_MAX = 90.0
LOOK_SECONDS = 0.2
FILE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for. `keys` is where secrets of the terminal are moved to: `file`,
    `keyring`, or nowhere.
    """

    name: str = NAME
    daemon: bool = False
    linger: bool = False
    dry_run: bool = False
    check: bool = True
    keys: str = ""


def install(config: Path, wanted: Wanted, *, as_json: bool, here: Here | None = None) -> int:
    """Write it, have it started, wait until it answers, and look with its own rights."""
    here = here or Here()
    service = Service(load(config), here, wanted.name, daemon=wanted.daemon)
    if wanted.daemon and not here.mac:
        raise UsageError(
            "a daemon is launchd's; here `twotier service install --linger` starts it at boot"
        )
    service.refuse_foreign()
    if wanted.dry_run:
        return shown(service, as_json=as_json)
    if wanted.keys:
        moved(service.loaded, to=wanted.keys)
        service = Service(load(config), here, wanted.name, daemon=wanted.daemon)
    service.loaded.paths.make()
    if wanted.daemon:
        return staged(service, as_json=as_json)
    refuse_foreground(service)
    changed = put(service)
    if wanted.linger and not here.mac:
        here.order(("loginctl", "enable-linger"))
    pid = answering(service)
    findings = looked(service) if wanted.check else []
    if as_json:
        emit({"file": str(service.file), "changed": changed, "pid": pid, "findings": findings})
        return 0
    print(f"{service.file}: {'installed' if changed else 'as it should be'}, pid {pid}")
    say_keys(service)
    for one in findings:
        if one["level"] != "ok" and not one["name"].startswith(f"key {ENV}"):  # said above
            mend = f"  ->  {one['mend']}" if one["mend"] else ""
            say(f"as a service it cannot: {one['name']}: {one['text']}{mend}")
    say_start(service)
    return 0


def shown(service: Service, *, as_json: bool) -> int:
    """What would be written, and done, and nothing else."""
    text, commands = service.text(), [shlex.join(one) for one in beginning(service)]
    if as_json:
        emit({"file": str(service.file), "text": text, "commands": commands, "changed": False})
        return 0
    print(text, end="")
    say(f"into {service.file}; then:")
    for command in commands:
        say(f"  {command}")
    say_keys(service)
    return 0


def put(service: Service) -> bool:
    """The file as it should be, and running; whether anything had to be done."""
    here, job = service.here, service.job
    refuse_absent(service)
    before, after = service.installed(), service.text()
    told = service.told()
    if before == after and told.running and service.enabled():
        return False
    if before != after:
        service.file.parent.mkdir(parents=True, exist_ok=True)
        put_file(service.file, after.encode(), mode=FILE_MODE)
    if here.mac:
        if service.loaded_there():
            leave(service)
        here.order(*job.enable, *job.start)
    else:
        here.order(*job.enable)
        # It may have been given up for too many starts; that was the file before.
        here.ask(("systemctl", "--user", "reset-failed", f"{service.name}.service"))
        again = told.running and before != after
        say("starting it; the first time it may have to fetch an engine, which takes minutes")
        begin(service, job.owner.restart() if again else job.owner.start())
    return True


def begin(service: Service, command: Command) -> None:
    """Start it. Raises `ServiceError` with what it died of."""
    try:
        service.here.order(command)
    except ServiceError as exc:
        told = service.told()
        if not told.last_end:
            raise
        text = f"it does not come up: {told.last_end}; see `{read_log(service)}`"
        raise ServiceError(text) from exc


def beginning(service: Service) -> tuple[Command, ...]:
    """What is done once the file is there."""
    if service.daemon:
        return by_root(service)
    job = service.job
    return (*job.enable, *(job.start if service.here.mac else (job.owner.start(),)))


def refuse_absent(service: Service) -> None:
    """Raises `ServiceError` where no manager of this user answers."""
    if service.here.mac:
        return
    said = service.here.ask(("systemctl", "--user", "show-environment"))
    if said.code != 0:
        why = said.err.strip().partition("\n")[0] or f"it ended with {said.code}"
        raise ServiceError(
            f"no systemd of yours answers here ({why}). Where there is one, log in as yourself"
            " rather than by su or sudo, or run `loginctl enable-linger`. Where there is none, let"
            " what starts your programs run `twotier up`; `twotier service install --dry-run`"
            " shows how"
        )


def refuse_foreground(service: Service) -> None:
    """Raises `AlreadyRunningError` where main runs, and not as this service."""
    main = main_process(service.loaded.paths)
    if main is not None and main.pid != service.told().pid:
        raise AlreadyRunningError(
            f"twotier runs in a terminal (pid {main.pid}); `twotier down`, then"
            " `twotier service install`"
        )


def leave(service: Service) -> None:
    """Have launchd let go of it, and wait until it has: it says so before."""
    service.here.ask(service.job.leave[-1])
    until = time.monotonic() + GONE_SECONDS_MAX
    while service.loaded_there():
        if time.monotonic() > until:
            raise ServiceError(
                f"launchd has not let go of {service.name} in {GONE_SECONDS_MAX:.0f} s;"
                f" see `launchctl print {service.job.leave[-1][-1]}`"
            )
        time.sleep(LOOK_SECONDS)


def answering(service: Service, *, other_than: int = 0) -> int:
    """The pid of the main that answers. Raises `ServiceError` where it ends, or takes too long."""
    until = time.monotonic() + ANSWER_SECONDS_MAX
    main = main_of(service.loaded.path)
    while True:
        try:
            pid = int(main.get("/control/status")["pid"])
        except TwotierError:
            pid = 0
        if pid and pid != other_than:
            return pid
        told = service.told()
        if told.running is False and not told.respawns:
            raise ServiceError(f"it does not stay up: {told.last_end}; see `{read_log(service)}`")
        if time.monotonic() > until:
            raise ServiceError(
                f"it does not answer yet, and has {START_SECONDS // 60} minutes to begin;"
                f" see `{read_log(service)}`, then `twotier service status`"
            )
        time.sleep(LOOK_SECONDS)


def read_log(service: Service) -> str:
    """The command that shows what it printed last."""
    if service.here.mac:
        return f"tail -n 40 {shlex.quote(str(service.log))}"
    return f"journalctl --user -u {service.name}.service -n 40"


def say_start(service: Service) -> None:
    """When it starts by itself."""
    if service.here.mac:
        say(
            "it starts when you log in; `twotier service install --daemon` is for a Mac that"
            " nobody logs in to"
        )
    elif lingers(service.here):
        say("it starts at boot")
    else:
        say("it starts when you log in; `twotier service install --linger`: at boot")


def lingers(here: Here) -> bool:
    """Whether this user's services start at boot."""
    said = here.ask(("loginctl", "show-user", here.user, "--property=Linger"))
    return said.out.strip() == "Linger=yes"


def staged(service: Service, *, as_json: bool) -> int:
    """A daemon's file beside our state, and what root does with it; we never do."""
    folder = service.loaded.paths.state / "service"
    make_private(folder)
    put_file(folder / service.file.name, service.text().encode(), mode=FILE_MODE)
    commands = [shlex.join(one) for one in by_root(service)]
    if as_json:
        emit({"file": str(service.file), "commands": commands, "changed": False})
        return 0
    say(f"wrote {folder / service.file.name}. It becomes the machine's own by these commands:")
    for command in commands:
        print(command)
    say_keys(service)
    return 0


def by_root(service: Service) -> tuple[Command, ...]:
    """What makes a staged daemon a real one; `bootout` first where an older one runs."""
    source = service.loaded.paths.state / "service" / service.file.name
    target = str(service.file)
    again = (("sudo", "launchctl", "bootout", f"system/{service.name}"),)
    return (
        *(again if service.installed() is not None else ()),
        ("sudo", "install", "-o", "root", "-g", "wheel", "-m", "644", str(source), target),
        ("sudo", "launchctl", "bootstrap", "system", target),
    )


def uninstall(config: Path, *, name: str, as_json: bool, here: Here | None = None) -> int:
    """Ended for good, its file gone; settings, ledger and models stay."""
    here = here or Here()
    service = Service(load(config), here, name)
    daemon = Service(service.loaded, here, name, daemon=True)
    if here.mac and service.installed() is None and daemon.installed() is not None:
        return unstaged(daemon, as_json=as_json)
    if service.installed() is None:
        raise UsageError(
            f"there is no {service.file}; `twotier service status` shows what there is"
        )
    service.refuse_foreign()
    stop_main(config, service.loaded.paths)
    if here.mac:
        leave(service)
    else:
        here.order(*service.job.leave)
    service.file.unlink()
    if not here.mac:
        here.order(("systemctl", "--user", "daemon-reload"))
    engines = [end_engine(*one) for one in engines_alive(service.loaded.paths)]
    kept = [str(config), str(service.loaded.paths.state)]
    if as_json:
        emit({"file": str(service.file), "engine_pids_ended": engines, "kept": kept})
        return 0
    print(f"removed {service.file}")
    say(f"kept: {', '.join(kept)}, and the models; `twotier up` goes on with them")
    return 0


def unstaged(service: Service, *, as_json: bool) -> int:
    """How root takes a daemon away."""
    commands = [
        f"sudo launchctl bootout system/{service.name}",
        f"sudo rm {shlex.quote(str(service.file))}",
    ]
    if as_json:
        emit({"file": str(service.file), "commands": commands})
        return 0
    say("it is the machine's own, so root takes it away:")
    for command in commands:
        print(command)
    return 0


def difference(service: Service) -> list[str]:
    """What installing again would change, in lines."""
    before, after = service.different()
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "installed", "would be", lineterm="", n=0
    )
    return list(lines)
