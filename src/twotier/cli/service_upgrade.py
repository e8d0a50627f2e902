"""`twotier service upgrade` and `rollback`: another version, and the model server never stops.

What is done is said first. What was before is written down, and the state is backed up, before the
one right command for this kind of installation is run. Then the manager starts main anew, which
adopts the living model servers; where it does not answer, or a model server was lost on the way,
all of it goes back by itself.

While this runs, the files of the very program that runs are replaced: all that is needed afterwards
is imported before.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from twotier import __version__
from twotier.cli.models import agreed
from twotier.cli.output import emit, say
from twotier.cli.peers import main_of
from twotier.cli.processes import engines_alive
from twotier.cli.service import answering
from twotier.cli.service_place import Here, Service
from twotier.cli.service_status import installed_one
from twotier.clock import SystemClock
from twotier.config.load import load
from twotier.config.paths import make_private
from twotier.config.write import put_file
from twotier.copies.making import make
from twotier.errors import NotFoundError, NotRunningError, ServiceError, TwotierError, UsageError
from twotier.packages import INSTALL_SECONDS_MAX
from twotier.service.installs import PACKAGE, Command, Install, install_of

READY_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.2
BEFORE = "before-"
SETTLED = ("ready", "busy", "loading", "degraded")


@dataclass(frozen=True, slots=True)
class Before:
    """What was there before an upgrade. `frozen` is the list of its packages, `backup` the state
    as it was.
    """

    version: str
    commit: str
    frozen: str
    backup: str
    install: dict[str, str]


def here_installed() -> Install:
    """How this program got here."""
    origin = ""
    with contextlib.suppress(metadata.PackageNotFoundError):
        origin = metadata.distribution(PACKAGE).read_text("direct_url.json") or ""
    prefix = Path(sys.prefix)
    beside = frozenset(one.name for one in prefix.iterdir()) if prefix.is_dir() else frozenset()
    has_pip = importlib.util.find_spec("pip") is not None
    return install_of(sys.executable, beside=beside, origin=origin, has_pip=has_pip)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for. `may_restart`: a model server may be started anew."""

    name: str
    version: str = ""
    may_restart: bool = False
    yes: bool = False


def upgrade(config: Path, wish: Wish, *, as_json: bool) -> int:
    """Another version, or back where it was. Raises `ServiceError`."""
    service = running_one(config, wish.name)
    installed = here_installed()
    commands = installed.upgrade(wish.version)
    for command in commands:
        say(f"will run: {shlex.join(command)}")
    agreed(f"twotier {__version__}, a {installed.kind} installation: upgrade it now?", wish.yes)
    earlier = record_of(service).read_bytes() if record_of(service).exists() else b""
    before = noted(service, installed)
    say(f"the state as it was lies in {before.backup}")
    done(commands)
    engines = engines_of(service)
    try:
        now = restarted(service)
        lost = kept_engines(service, engines)
        if lost and not wish.may_restart:
            raise ServiceError(f"the model server of {', '.join(lost)} was started anew")
    except TwotierError as exc:
        say(f"{exc.message}; going back to {before.version}")
        done(installed.back(before.frozen, commit=before.commit))
        back = restarted(service)
        remembered(service, earlier)
        raise ServiceError(
            f"not upgraded: {exc.message}. {back} runs again; the newer one's log:"
            f" {service.loaded.paths.logs}"
        ) from exc
    forget_older(service, before)
    return told(service, now, engines=engines, as_json=as_json)


def rollback(config: Path, wish: Wish, *, as_json: bool) -> int:
    """What was before the last upgrade. Raises `NotFoundError` where there was none."""
    service = running_one(config, wish.name)
    before = read(service)
    commands = Install(**before.install).back(before.frozen, commit=before.commit)
    for command in commands:
        say(f"will run: {shlex.join(command)}")
    agreed(f"twotier {__version__}: back to {before.version}?", wish.yes)
    engines = engines_of(service)
    done(commands)
    try:
        now = restarted(service)
    except TwotierError as exc:
        raise ServiceError(
            f"{before.version} is installed and does not come up: {exc.message}. If it cannot read"
            f" what the newer one has written: `twotier down`, `twotier restore {before.backup}`"
        ) from exc
    return told(service, now, engines=engines, as_json=as_json)


def running_one(config: Path, name: str) -> Service:
    """The service, which has to run. Raises `UsageError` or `NotRunningError`."""
    service = installed_one(load(config), Here(), name=name)
    if service.daemon:
        raise UsageError(
            "a daemon is root's to restart: upgrade the package, then"
            f" `sudo launchctl kickstart -k system/{service.name}`"
        )
    if service.installed() is None:
        commands = "; ".join(shlex.join(one) for one in here_installed().upgrade())
        raise UsageError(f"no service is installed; without one: `twotier down`, `{commands}`")
    service.refuse_foreign()
    if not service.told().running:
        raise NotRunningError("the service does not run; `twotier service install` starts it")
    return service


def noted(service: Service, installed: Install) -> Before:
    """Write down what is here, before anything changes."""
    folder = service.loaded.paths.state / "service"
    make_private(folder)
    now = SystemClock().now()
    backup = folder / f"{BEFORE}{__version__}-{now:%Y%m%dT%H%M%SZ}.tar.gz"
    made = make(
        backup,
        config=service.loaded.path,
        state=service.loaded.paths.state,
        version=__version__,
        now=now,
    )
    frozen = backup.with_suffix(".txt")
    put_file(frozen, "".join(f"{line}\n" for line in packages()).encode())
    before = Before(
        __version__, commit_of(installed), str(frozen), str(made.path), asdict(installed)
    )
    put_file(record_of(service), json.dumps(asdict(before)).encode())
    return before


def record_of(service: Service) -> Path:
    """What was before the last upgrade that did not go back by itself."""
    return service.loaded.paths.state / "service" / "before.json"


def remembered(service: Service, earlier: bytes) -> None:
    """An upgrade that went back by itself was none."""
    if earlier:
        put_file(record_of(service), earlier)
    else:
        record_of(service).unlink()


def forget_older(service: Service, before: Before) -> None:
    """Of earlier upgrades nobody needs the backup any more."""
    for file in record_of(service).parent.glob(f"{BEFORE}*"):
        if str(file) not in (before.frozen, before.backup):
            file.unlink()


def packages() -> list[str]:
    """Every package as it is now, as pip reads it. What stands first on the path counts."""
    found: dict[str, str] = {}
    for one in metadata.distributions():
        name = (one.metadata["Name"] or "").lower().replace("_", "-")
        if name:
            found.setdefault(name, one.version)
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def commit_of(installed: Install) -> str:
    """Where a checkout stands."""
    if installed.kind != "checkout":
        return ""
    asked = ("git", "-C", installed.root, "rev-parse", "HEAD")
    said = subprocess.run(asked, capture_output=True, text=True, check=False)
    if said.returncode != 0:
        raise ServiceError(f"{installed.root} is no git checkout: {said.stderr.strip()}")
    return said.stdout.strip()


def read(service: Service) -> Before:
    """What was before the last upgrade. Raises `NotFoundError`."""
    try:
        return Before(**json.loads(record_of(service).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError) as exc:
        raise NotFoundError("nothing was upgraded here, so there is nothing to go back to") from exc


def done(commands: tuple[Command, ...]) -> None:
    """Run each; their output is for people. Raises `ServiceError` for the first that fails."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for command in commands:
        try:
            code = subprocess.run(
                command, env=env, stdout=sys.stderr, timeout=INSTALL_SECONDS_MAX, check=False
            ).returncode
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise ServiceError(f"`{shlex.join(command)}`: {exc}; nothing was restarted") from exc
        if code:
            raise ServiceError(
                f"`{shlex.join(command)}` failed with exit code {code}; nothing was restarted"
            )


def engines_of(service: Service) -> Mapping[str, int]:
    """The model servers that live now, by their tiers."""
    found = engines_alive(service.loaded.paths)
    return {file.stem: process.pid for file, process in found if file.stem != "worker"}


def restarted(service: Service) -> str:
    """Have the manager start main anew; the version that answers then. Raises `ServiceError`."""
    pid = service.told().pid or 0
    service.here.order(service.job.owner.restart())
    answering(service, other_than=pid)
    return str(main_of(service.loaded.path).get("/control/status")["version"])


def kept_engines(service: Service, before: Mapping[str, int]) -> list[str]:
    """The tiers whose model server is another one now. Main has to have found each of them."""
    until = time.monotonic() + READY_SECONDS_MAX
    main = main_of(service.loaded.path)
    while True:
        tiers = {one["name"]: one for one in main.get("/control/status")["tiers"]}
        settled = all(tiers.get(name, {}).get("state") in SETTLED for name in before)
        if settled or time.monotonic() > until:
            return [name for name, pid in before.items() if tiers.get(name, {}).get("pid") != pid]
        time.sleep(LOOK_SECONDS)


def told(service: Service, now: str, *, engines: Mapping[str, int], as_json: bool) -> int:
    """What runs, and that its model servers never stopped."""
    if as_json:
        emit({"before": __version__, "version": now, "engine_pids": dict(engines)})
        return 0
    servers = ", ".join(f"{name} (pid {pid})" for name, pid in engines.items())
    print(f"twotier {__version__} -> {now}" + (f"; never stopped: {servers}" if servers else ""))
    say(f"`twotier service rollback` goes back to {read(service).version}")
    return 0
