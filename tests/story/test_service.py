"""`twotier service` from install to uninstall, with a real main that is kept by systemd.

It is the real systemd where one can be started, and a played one elsewhere; the story holds with
both. The model server is a toy that main really keeps.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

import tests.toys.server
from tests.story.service import Service, eventually
from tests.story.systemd_user import NotHereError, played, real
from twotier.cli import processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
CANARY = "canary-5d1c-not-to-be-seen"
KEPT = f"""
[tiers.local]
engine = "openai"
model = "toy"
command = ["{sys.executable}", "-I", "{tests.toys.server.__file__}", "--port", "{{port}}"]
[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
base_url = "http://127.0.0.1:9"
"""


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a command needs to reach the manager."""
    with ExitStack() as stack:
        try:
            yield stack.enter_context(real(tmp_path / "m"))
        except NotHereError:
            yield stack.enter_context(played(tmp_path / "n"))


def facts(service: Service) -> dict[str, Any]:
    """As `twotier service status --json` tells it."""
    told: dict[str, Any] = json.loads(service.command("service", "status", "--json").stdout)
    return told


def engine_pid(service: Service) -> int:
    """Of the toy, once it is ready."""
    eventually(lambda: service.tier("local")["state"] == "ready", what="the toy is ready")
    return int(service.tier("local")["pid"])


def other_main(service: Service, before: int) -> int:
    """The pid of the next main, once it answers."""
    eventually(lambda: service.status()["pid"] != before, what="another main")
    return int(service.status()["pid"])


def alive(pid: int) -> bool:
    """Whether it lives, and not only waits to be noticed."""
    try:
        return processes.alive(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def ctl(env: Mapping[str, str], *words: str) -> None:
    """A person types it."""
    subprocess.run(("systemctl", "--user", *words), env={**os.environ, **env}, check=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_from_install_to_uninstall(env: dict[str, str], tmp_path: Path) -> None:
    """Shown, installed, the same again; ended by a signal, hung, restarted by hand, it comes back
    and its model server was never touched; put down, it stays down; taken away, its data stay.
    """
    folder = tmp_path / "p"
    folder.mkdir()
    service = Service(folder, KEPT, env={**env, "ANTHROPIC_API_KEY": CANARY})
    unit = Path(env["HOME"]) / ".config/systemd/user/twotier.service"
    try:
        shown = service.command("service", "install", "--dry-run")
        assert "Type=notify" in shown.stdout
        assert "systemctl --user enable twotier.service" in shown.stderr
        assert not unit.exists()
        assert service.command("service", "status", code=3).stderr.endswith("makes it\n")
        done = service.command("service", "install")
        assert (unit.read_text(), CANARY in unit.read_text()) == (shown.stdout, False)
        assert unit.stat().st_mode & 0o777 == 0o600
        assert "as a service it has no ANTHROPIC_API_KEY" in done.stderr
        assert "frontier address" in done.stderr  # seen by the look from inside
        first, engine = service.status()["pid"], engine_pid(service)
        assert service.tier("frontier")["state"] == "no-key"
        service.command("service", "install", "--unchecked")
        assert service.status()["pid"] == first

        told = facts(service)
        assert (told["installed"], told["enabled"], told["running"]) == (True, True, True)
        assert (told["pid"], told["ours"], told["different"]) == (first, True, [])
        assert told["starts_at"] == "login"
        found = json.loads(service.command("doctor", "--json", code=0).stdout)["findings"]
        assert {"service keys", "service"} <= {one["name"] for one in found}

        os.kill(first, signal.SIGTERM)
        second = other_main(service, first)
        assert engine_pid(service) == engine
        ctl(env, "restart", "twotier.service")
        third = other_main(service, second)
        assert engine_pid(service) == engine

        hurried = unit.read_text().replace("WatchdogSec=60", "WatchdogSec=3")
        unit.write_text(hurried.replace("RestartSec=5", "RestartSec=0.2"))
        ctl(env, "daemon-reload")
        assert "-WatchdogSec=3" in facts(service)["different"]
        ctl(env, "restart", "twotier.service")
        fourth = other_main(service, third)
        os.kill(fourth, signal.SIGSTOP)
        fifth = other_main(service, fourth)
        assert engine_pid(service) == engine
        assert "NRestarts=1" in facts(service)["evidence"]  # and no person did it

        service.command("service", "install", "--unchecked")  # as it should be again
        sixth = other_main(service, fifth)
        assert (engine_pid(service), facts(service)["different"]) == (engine, [])
        assert "at the next login or boot" in service.command("down").stderr
        eventually(lambda: facts(service)["running"] is False, what="down stays down")
        assert not alive(sixth)
        assert not alive(engine)
        ctl(env, "start", "twotier.service")
        engine = engine_pid(service)

        gone = service.command("service", "uninstall")
        assert str(service.config) in gone.stderr
        assert (unit.exists(), alive(engine)) == (False, False)
        assert service.config.exists()
        assert service.paths.ledger.exists()
        assert "there is no" in service.command("service", "uninstall", code=2).stderr
    finally:
        with contextlib.suppress(AssertionError):
            service.command("down")
        service.bury()


def test_what_stands_in_the_way_is_said(tmp_path: Path) -> None:
    """Somebody else's file, another configuration's, a daemon where there are none."""
    folder = tmp_path / "p"
    folder.mkdir()
    service = Service(folder, KEPT, env={"HOME": str(tmp_path), "PATH": str(tmp_path)})
    unit = tmp_path / ".config/systemd/user/twotier.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    assert "twotier did not make it" in service.command("service", "install", code=2).stderr
    unit.write_text("# made by `twotier service install`\n[Service]\nExecStart=/x --config /y\n")
    assert "is for /y" in service.command("service", "uninstall", code=2).stderr
    assert "--name twotier-2" in service.command("service", "install", code=2).stderr
    assert "--linger" in service.command("service", "install", "--daemon", code=2).stderr
    unit.unlink()
    said = service.command("service", "install", code=1).stderr
    assert "there is no command systemctl" in said
    assert "twotier up" in said
    assert not unit.exists()


@pytest.mark.slow
def test_one_that_does_not_come_up_is_told_with_what_it_died_of(
    env: dict[str, str], tmp_path: Path
) -> None:
    """Others could reach it, and none has a key: what to type next is said. Mended, the same
    command starts it, whatever its manager thinks of it by then.
    """
    (tmp_path / "p").mkdir()
    service = Service(tmp_path / "p", KEPT, env=env)
    good = service.config.read_text()
    try:
        exposed = 'port = 0\nhost = "0.0.0.0"\nallowed_hosts = ["nas"]'
        service.config.write_text(good.replace("port = 0", exposed))
        said = service.command("service", "install", "--unchecked", code=1).stderr
        assert "it does not come up: it failed with exit code 2" in said
        assert "journalctl --user -u twotier.service" in said
        service.config.write_text(good)
        service.command("service", "install", "--unchecked")
        assert facts(service)["running"] is True
        service.command("service", "uninstall")
    finally:
        service.bury()
