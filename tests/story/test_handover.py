"""OpenClaw's jobs change hands: a real service runs the twins, and originals are switched off."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import Service

HALF = {"kind": "every", "everyMs": 86_400_000, "anchorMs": 0}
PROGRAM = '#!/bin/sh\necho "$@" >> "{log}"\nexit {code}\n'


def job(name: str, **more: Any) -> dict[str, Any]:
    payload = {"kind": "agentTurn", "message": f"Say {name}.", "model": "m25", "fallbacks": []}
    return {"id": name, "name": name, "enabled": True, "schedule": HALF, "payload": payload} | more


@pytest.fixture(scope="module")
def openclaw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OpenClaw's folder as it was early in 2026; the address of its server is a variable."""
    folder = tmp_path_factory.mktemp("openclaw")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listed = {"mlx-local/org/M2.5": {"alias": "m25"}}
    provider = {"baseUrl": "${LOCAL_URL}/v1", "apiKey": "local", "models": [{"id": "org/M2.5"}]}
    config = {
        "gateway": {"port": port},
        "models": {"providers": {"mlx-local": provider}},
        "agents": {"defaults": {"model": "m25", "models": listed}},
    }
    (folder / "openclaw.json").write_text(json.dumps(config))
    (folder / "cron").mkdir()
    jobs = [job("tea"), job("milk"), job("sugar", enabled=False)]
    look = {"kind": "agentTurn", "message": "Check ${X} for changes.", "model": "m25"}
    jobs.append(job("poll", schedule=HALF | {"everyMs": 3_600_000}, payload=look))
    (folder / "cron" / "jobs.json").write_text(json.dumps({"version": 1, "jobs": jobs}))
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, openclaw: Path) -> Iterator[Service]:
    """Running, with what was imported."""
    folder, empty = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("bin")
    with FakeOpenAI() as local:
        env = {"LOCAL_URL": local.base_url, "PATH": f"{empty}:{without_openclaw()}"}
        made = Service(folder, env=env)
        made.command("import", "openclaw", str(openclaw), "--write")
        twin = folder / "jobs" / "poll.toml"  # its owner gives it something to look at
        text = twin.read_text().replace("enabled = false\n", "")
        twin.write_text(text + '[watch]\nkind = "files"\npath = "inbox"\n')
        with made:
            yield made


def without_openclaw() -> str:
    """The search path of this machine without a folder that has OpenClaw's own command."""
    places = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(one for one in places if shutil.which("openclaw", path=one) is None)


def switches(openclaw: Path) -> dict[str, bool]:
    raw = json.loads((openclaw / "cron" / "jobs.json").read_text())
    return {job["id"]: job["enabled"] for job in raw["jobs"]}


def handed(service: Service, *words: str, code: int = 0) -> dict[str, tuple[str, str]]:
    told = json.loads(service.command("import", "openclaw", *words, "--json", code=code).stdout)
    return {row["id"]: (row["state"], row["because"]) for row in told["jobs"]}


def port_of(openclaw: Path) -> int:
    return int(json.loads((openclaw / "openclaw.json").read_text())["gateway"]["port"])


@pytest.mark.slow
def test_a_job_changes_hands_after_one_good_run_and_comes_back(
    service: Service, openclaw: Path
) -> None:
    """No good run, no change. While the gateway runs, nothing is written behind its back; then the
    file is changed, what it was is kept, and `--undo` brings it back.
    """
    off = ("waits", "the twin is off")
    waits = ("waits", "no good run yet")
    assert handed(service, "--handover") == {
        "tea": waits, "milk": waits, "sugar": off, "poll": waits,
    }  # fmt: skip
    assert switches(openclaw) == {"tea": True, "milk": True, "sugar": False, "poll": True}

    service.command("job", "run", "tea")
    with socket.create_server(("127.0.0.1", port_of(openclaw))):
        blocked = ("failed", "its gateway runs, see below")
        assert handed(service, "--handover", code=1)["tea"] == blocked
        said = service.command("import", "openclaw", "--handover", code=1).stderr
        assert "OpenClaw's gateway runs" in said
        assert "`openclaw gateway stop`" in said
    assert switches(openclaw)["tea"] is True

    service.command("job", "pause", "milk")
    found = handed(service, "--handover")
    assert found["tea"] == ("off", f"by {openclaw / 'cron' / 'jobs.json'}")
    assert found["milk"] == ("waits", "the twin is paused")
    service.command("job", "resume", "milk")
    assert switches(openclaw) == {"tea": False, "milk": True, "sugar": False, "poll": True}
    kept = json.loads((openclaw / "cron" / "jobs.json.before-twotier").read_text())
    assert kept["jobs"][0]["enabled"] is True
    assert handed(service, "--handover")["tea"][1].startswith("handed over ")
    assert "nothing to change" in service.command("import", "openclaw", "--write").stderr

    assert handed(service, "--undo")["tea"][0] == "on"
    assert switches(openclaw) == {"tea": True, "milk": True, "sugar": False, "poll": True}
    assert handed(service, "--undo") == {}
    assert "nothing is handed over" in service.command("import", "openclaw", "--undo").stderr


@pytest.mark.slow
def test_a_job_with_a_watcher_has_proved_itself_by_looking(
    service: Service, openclaw: Path
) -> None:
    """Days may go by without anything new, and the original would cost money all the while."""
    service.command("job", "run", "poll")
    assert service.runs("poll")[0]["state"] == "quiet"
    assert handed(service, "--handover")["poll"][0] == "off"
    assert switches(openclaw)["poll"] is False
    handed(service, "--undo")


@pytest.mark.slow
def test_while_its_gateway_runs_its_own_command_is_used(
    service: Service, openclaw: Path, tmp_path: Path
) -> None:
    """Played by a program of its name, which notes what it is told; a failure of it is told."""
    service.command("job", "run", "milk")
    program, log = tmp_path / "openclaw", tmp_path / "log"
    program.write_text(PROGRAM.format(log=log, code=0))
    program.chmod(0o755)
    before = service.env["PATH"]
    service.env["PATH"] = f"{tmp_path}:{before}"
    try:
        with socket.create_server(("127.0.0.1", port_of(openclaw))):
            assert handed(service, "--handover")["milk"] == ("off", "by openclaw cron disable")
            assert handed(service, "--undo")["milk"] == ("on", "by openclaw cron enable")
            told = log.read_text().splitlines()
            assert {"cron disable milk", "cron enable milk"} <= set(told)
            program.write_text(PROGRAM.format(log=log, code=3))
            state, because = handed(service, "--handover", code=1)["milk"]
            assert state == "failed"
            assert "cron disable milk` failed" in because
    finally:
        service.env["PATH"] = before
