"""`twotier engine` against the real main, with a real llama.cpp that it keeps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.story.service import STARTER, Service, eventually


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(600)
def test_a_kept_server_is_stopped_started_explained_and_read(tmp_path: Path) -> None:
    """Stopped, it stays down and says so; started, it answers; its log and its death are told."""
    starter_engine_environment(), starter_model()
    with Service(tmp_path, STARTER) as service:
        first = service.tier("local")["pid"]
        assert "local stopped in " in service.command("engine", "stop").stdout
        assert service.tier("local")["state"] == "down"
        assert not pid_runs(first)
        assert service.command("ask", "Hello", "--model", "local", code=1).stderr
        assert "local is down: stopped" in service.command("engine", "why", "local").stdout
        assert "local started in " in service.command("engine", "start", "local").stdout
        second = service.tier("local")["pid"]
        assert service.tier("local")["state"] == "ready"
        told = json.loads(service.command("engine", "restart", "--json").stdout)
        assert (told["state"], told["failed"], told["owner"]) == ("ready", "", "twotier")
        third = told["pid"]
        assert len({first, second, third}) == 3
        said = service.command("engine", "logs", "-n", "5000").stdout
        assert "serving smollm2" in said.lower()
        assert len(service.command("engine", "logs", "local", "-n", "3").stdout.splitlines()) == 3
        assert "there are: local" in service.command("engine", "why", "nobody", code=1).stderr
        assert "nobody" in service.command("engine", "start", "nobody", code=1).stderr
        follows_a_new_life(service, third)
        assert "SIGKILL" in service.command("engine", "why").stdout


def follows_a_new_life(service: Service, pid: int) -> None:
    """`logs -f` goes on in the log of the next life, until Ctrl-C."""
    words = (*service.program, "engine", "logs", "local", "-f", "-n", "0")
    with subprocess.Popen(
        words, env=service.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        os.kill(pid, signal.SIGKILL)
        while "serving" not in reader.stdout.readline().lower():
            assert reader.poll() is None
        reader.send_signal(signal.SIGINT)
        assert reader.wait(60) == 130
    eventually(lambda: service.tier("local")["state"] == "ready")


def pid_runs(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
