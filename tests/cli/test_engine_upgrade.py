"""`twotier engine upgrade` where main's servers do not come up, or call tools worse than before.

Main is a stand-in that says so; the environments are real, the installer is played.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.standin import SECONDS_MAX, STATUS, Done, standin, start, twotier
from tests.cli.test_client import whole
from tests.engines.fixtures import starter_engine_environment
from tests.story.test_engine_upgrade import SHIPPED, newer, with_toy_uv
from twotier.cli.engine_upgrade import rollback
from twotier.engines import environment, pinned
from twotier.errors import EngineError

CONFIG = '[tiers.local]\nengine = "llama_cpp"\nmodel = "starter"\n'


def upgrade(
    folder: Path, *, failed: str, probe: dict[str, Any] | None, state: str = "ready"
) -> tuple[Done, list[str]]:
    """One upgrade against a main whose server then stands like this; what main was asked."""
    engines = folder / "cache" / "engines"
    engines.mkdir(parents=True)
    real = starter_engine_environment().parent.parent
    environment.place(SHIPPED, engines).symlink_to(real)
    env = with_toy_uv(folder, folder / "cache")

    async def scenario() -> tuple[Done, list[str]]:
        async with standin(folder) as stand:
            stand.config.write_text(CONFIG)
            tiers = [{**STATUS["tiers"][0], "probe": probe}]
            stand.answers["GET /control/status"] = (200, {**STATUS, "tiers": tiers})
            told = {"tier": "local", "failed": failed, "pid": 7, "address": ""}
            engines = [{"tier": "local", "state": state, "gate": ""}]
            stand.answers["GET /control/engine"] = (200, {"engines": engines})
            stand.answers["POST /control/engine/local/restart"] = (200, told)
            stand.answers["POST /control/probe"] = (200, {"probe": probe, "seconds": 1.0})
            words = ("engine", "upgrade", "--lock", str(newer(folder, "one")))
            done = await twotier("--config", str(stand.config), *words, env=env)
            return done, [path for _, path, _, _ in stand.asked]

    return asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.engine
def test_one_that_does_not_come_up_is_taken_back(tmp_path: Path) -> None:
    """The old environment is in force again, its servers are started from it, and it is said."""
    done, asked = upgrade(tmp_path, failed="it crashed with SIGSEGV", probe=None)
    assert done.code == 1
    assert "it crashed with SIGSEGV" in done.err
    assert "is in force again" in done.err
    assert asked.count("/control/engine/local/restart") == 2
    in_force = pinned.Pinned(SHIPPED, tmp_path / "cache" / "engines").in_force
    assert pinned.key(in_force) == pinned.key(SHIPPED)


@pytest.mark.slow
@pytest.mark.engine
def test_what_was_probed_is_probed_anew(tmp_path: Path) -> None:
    """And a version that calls tools worse is named, with the way back."""
    done, asked = upgrade(tmp_path, failed="", probe={"below": "parallel 33 %"})
    assert done.code == 0, done.err
    assert "below the bar for tool work now (parallel 33 %)" in done.err
    assert "twotier engine rollback llama_cpp" in done.err
    assert "/control/probe" in asked


@pytest.mark.slow
@pytest.mark.engine
def test_a_server_that_was_stopped_stays_stopped(tmp_path: Path) -> None:
    """An upgrade is no start: somebody stopped it, or another model has its place in memory."""
    done, asked = upgrade(tmp_path, failed="", probe=None, state="down")
    assert done.code == 0, done.err
    assert "local: not up; its next start uses it" in done.err
    assert "/control/engine/local/restart" not in asked


@pytest.mark.slow
def test_a_way_back_that_is_gone_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment was deleted and cannot be made again: what runs stays in force."""
    for name, value in (("UV_OFFLINE", "1"), ("UV_NO_CACHE", "1"), ("PIP_NO_INDEX", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TWOTIER_CACHE", str(tmp_path / "cache"))
    pins = pinned.Pinned(SHIPPED, tmp_path / "cache" / "engines")
    pins.hold()
    pins.switch(newer(tmp_path, "one"))
    before = pins.read()
    (tmp_path / "twotier.toml").write_text(CONFIG)
    with pytest.raises(EngineError):
        rollback(tmp_path / "twotier.toml", "", as_json=True)
    assert pins.read() == before


@pytest.mark.slow
def test_ctrl_c_while_a_server_is_waited_for_goes_back(tmp_path: Path) -> None:
    """It may be in use for ten minutes; nobody who gives up wants the new one at the next start."""
    engines, lock, asked = tmp_path / "cache" / "engines", newer(tmp_path, "one"), asyncio.Event()
    python = environment.place(pinned.Pinned(SHIPPED, engines).keep(lock), engines) / "bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho a version\n")
    python.chmod(0o755)
    (python.parent.parent / ".complete").write_text(hashlib.sha256(lock.read_bytes()).hexdigest())
    (tmp_path / "twotier.toml").write_text(CONFIG)
    (tmp_path / ".twotier").mkdir(mode=0o700)
    up = {"engines": [{"tier": "local", "state": "ready", "gate": ""}], "tiers": []}

    async def main(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/restart" in await reader.readuntil(b"\r\n\r\n"):
            asked.set()  # and it is in use, for as long as anybody waits
            await reader.read()
        else:
            writer.write(whole(json.dumps(up).encode()))
        writer.close()

    async def scenario() -> tuple[int | None, bytes]:
        async with (
            await asyncio.start_unix_server(main, tmp_path / ".twotier" / "main.sock"),
            asyncio.timeout(SECONDS_MAX),
        ):
            at = ("--config", str(tmp_path / "twotier.toml"), "engine", "upgrade")
            env = {"TWOTIER_CACHE": str(tmp_path / "cache")}
            process = await start(*at, "--lock", str(lock), env=env)
            await asked.wait()
            process.send_signal(signal.SIGINT)
            _, err = await process.communicate()
            return process.returncode, err

    code, err = asyncio.run(scenario())
    assert code == 130
    assert b"is in force again" in err
    assert pinned.key(pinned.Pinned(SHIPPED, engines).in_force) == pinned.key(SHIPPED)
