"""A server that systemd owns, watched by the real main. systemd is played: see `toys.systemctl`."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

import tests.toys.server
import tests.toys.systemctl
from tests.story.service import LOCAL_SERVER, Service, eventually
from tests.story.test_also_ports import free_port


def systemd(folder: Path, *argv: str) -> dict[str, str]:
    """A `systemctl` on PATH with one unit; gives the environment in which it is found."""
    bins = folder / "bin"
    bins.mkdir()
    command = bins / "systemctl"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {tests.toys.systemctl.__file__} "$@"\n')
    command.chmod(0o755)
    (folder / "argv").write_text(json.dumps(argv))
    return {"PATH": f"{bins}:{os.environ['PATH']}", "TOY_UNIT": str(folder)}


def pid_of(folder: Path) -> int:
    """The pid of the unit's process."""
    return int((folder / "pid").read_text())


@pytest.mark.slow
def test_a_server_of_systemds_is_seen_explained_and_started_at_our_word(tmp_path: Path) -> None:
    """Ready by a token; killed, it is down in systemd's own words; `start` asks systemd; `stop`
    is refused with his command. At the end of main it lives on.
    """
    port, unit = free_port(), tmp_path / "unit"
    unit.mkdir()
    env = systemd(unit, sys.executable, "-I", tests.toys.server.__file__, f"--port={port}")
    local = LOCAL_SERVER.format(base_url=f"http://127.0.0.1:{port}/v1")
    owned = f'{local}owner = "systemd:toy.service"\nload_seconds = "60s"\n'
    service = Service(tmp_path, owned, env=env)
    try:
        service.up(ready="")
        eventually(lambda: service.tier("local")["state"] == "down")
        assert "nobody" not in service.command("engine", "why").stdout
        assert "local started in" in service.command("engine", "start").stdout
        first = pid_of(unit)
        assert service.tier("local")["pid"] == first
        asked = service.command("ask", "Hello", "--model", "local")
        assert asked.stdout == "Hello from the toy.\n"
        os.kill(first, signal.SIGKILL)
        service.command("ask", "Hello", "--model", "local", code=1)
        eventually(lambda: service.main.get("/control/engine")["engines"][0]["state"] == "down")
        why = service.command("engine", "why", "local").stdout
        assert "kept by the systemd unit toy.service" in why
        assert "ended by SIGKILL" in why
        assert "seen: ExecMainStatus=9" in why
        assert "journalctl --user -u toy.service" in why
        refused = service.command("engine", "stop", "local", code=1)
        assert "systemctl --user stop toy.service" in refused.stderr
        assert "local started anew in" in service.command("engine", "restart").stdout
        assert pid_of(unit) != first
    finally:
        service.__exit__(None, None, None)
    assert service.process is not None
    os.kill(pid_of(unit), signal.SIGKILL)  # raises if main had taken it along
