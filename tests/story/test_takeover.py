"""`twotier engine take-over` and back: a unit of systemd's becomes ours, with its port and clients.

systemd is played (see `toys.systemctl`); the server is a toy; main is the real one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tests.toys.server
from tests.story.service import LOCAL_SERVER, Service, eventually
from tests.story.test_also_ports import ask, free_port
from tests.story.test_observed import pid_of, systemd

UNIT = """\
[Service]
ExecStart={python} -I {script} --port {port}
Environment=TOY=1
Environment=TOY_TOKEN=made-up
Restart=always
[Install]
WantedBy=default.target
"""


@pytest.mark.slow
def test_a_unit_becomes_ours_and_its_owners_again(tmp_path: Path) -> None:
    """First only said. Then its process is gone, ours runs the same command on another port, the
    old port is answered by the gateway without a key. Undone, every byte is as it was.
    """
    home, unit, port = tmp_path / "home", tmp_path / "unit", free_port()
    file = home / ".config/systemd/user/toy.service"
    file.parent.mkdir(parents=True)
    unit.mkdir()
    argv = (sys.executable, "-I", tests.toys.server.__file__, "--port", str(port))
    text = UNIT.format(python=argv[0], script=argv[2], port=port)
    file.write_text(text)
    file.chmod(0o644)
    env = systemd(unit, *argv) | {"HOME": str(home)}
    local = LOCAL_SERVER.format(base_url=f"http://127.0.0.1:{port}/v1")
    service = Service(tmp_path, f'# mine\n{local}owner = "systemd:toy.service"\n', env=env)
    before = service.config.read_bytes()
    try:
        subprocess.run(("systemctl", "--user", "start", "toy.service"), env=service.env, check=True)
        first = pid_of(unit)
        said = service.command("engine", "take-over", "toy", "--model", "toy")
        assert "systemctl --user disable --now toy.service" in said.stdout
        assert "without TOY_TOKEN" in said.stdout
        assert "nothing is done yet" in said.stderr
        assert service.config.read_bytes() == before
        service.command("engine", "take-over", "toy.service", "--model", "toy", "--yes")
        kept = file.with_name("toy.service.twotier-original")
        assert (kept.read_text(), kept.stat().st_mode & 0o777) == (text, 0o600)
        eventually(lambda: not Path(f"/proc/{first}/exe").exists())
        assert "made-up" not in service.config.read_text()
        service.up()
        tier = service.tier("local")
        assert tier["pid"] != first
        assert not tier["address"].endswith(str(port))
        command = Path(f"/proc/{tier['pid']}/cmdline").read_text().split("\0")
        assert command[:3] == list(argv[:3])
        for model in ("toy", "default_model"):
            assert ask(port, "/v1/chat/completions", model=model)[0] == 200
        refused = service.command("engine", "take-over", "toy", "--undo", code=2)
        assert "first `twotier down`" in refused.stderr
        service.command("down")
        assert service.process is not None
        service.process.wait(40)
        file.write_text("# somebody changed it")
        service.command("engine", "take-over", "toy", "--undo")
        assert (file.read_text(), kept.exists()) == (text, False)
        assert service.config.read_bytes() == before
        assert file.stat().st_mode & 0o777 == 0o644
        assert Path(f"/proc/{pid_of(unit)}/exe").exists()
        asked = (unit / "asked").read_text()
        assert "--user enable toy.service" in asked
        assert (
            "was not taken over"
            in service.command("engine", "take-over", "toy", "--undo", code=2).stderr
        )
    finally:
        service.__exit__(None, None, None)
        os.kill(pid_of(unit), 9)


@pytest.mark.slow
def test_an_owner_that_does_not_let_go_keeps_it(tmp_path: Path) -> None:
    """The command fails: nothing of ours is written, and what was begun is put back."""
    home, unit = tmp_path / "home", tmp_path / "unit"
    file = home / ".config/systemd/user/toy.service"
    file.parent.mkdir(parents=True)
    unit.mkdir()
    file.write_text(UNIT.format(python="/bin/x", script="y", port=8080))
    env = systemd(unit, "/bin/x") | {"HOME": str(home)}
    service = Service(tmp_path, env=env)
    before = service.config.read_bytes()
    stubborn = tmp_path / "unit" / "bin" / "systemctl"
    stubborn.write_text(f'#!/bin/sh\ncase "$2" in disable) echo no >&2; exit 1;; esac\n'
                        f'exec {sys.executable} -c pass\n')  # fmt: skip
    words = ("engine", "take-over", "toy", "--model", "toy", "--yes")
    assert "failed: no" in service.command(*words, code=1).stderr
    assert service.config.read_bytes() == before
    assert not list(file.parent.glob("*original"))
    assert not list((service.paths.state / "taken-over").glob("*.json"))
    no_file = service.command("engine", "take-over", "nobody", "--json", code=1)
    assert "has no file" in json.loads(no_file.stdout)["error"]["message"]
