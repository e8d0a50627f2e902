"""`twotier engine upgrade` and `rollback` against the real main and the real llama.cpp.

Only the installer is played (see `toys.uv`): two environments of one engine would take minutes.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import tests.toys.uv
from tests.engines.fixtures import CACHE, starter_engine_environment, starter_model
from tests.story.service import STARTER, Service
from twotier.engines import environment, pinned
from twotier.engines.base import engine, lock_path

SHIPPED = lock_path(engine("llama_cpp").traits)


def cache_of_its_own(folder: Path) -> Path:
    """Models and the environment of today, shared with all tests; what is new stays here."""
    real = starter_engine_environment().parent.parent
    starter_model()
    cache = folder / "cache"
    (cache / "engines").mkdir(parents=True)
    (cache / "models").symlink_to(CACHE / "models")
    environment.place(SHIPPED, cache / "engines").symlink_to(real)
    return cache


def with_toy_uv(folder: Path, cache: Path) -> dict[str, str]:
    """The environment in which the toy is the `uv` that is found."""
    bins = folder / "bin"
    bins.mkdir()
    (bins / "uv").write_text(f'#!/bin/sh\nexec {sys.executable} {tests.toys.uv.__file__} "$@"\n')
    (bins / "uv").chmod(0o755)
    return {
        "PATH": f"{bins}:{os.environ['PATH']}",
        "TWOTIER_CACHE": str(cache),
        "TOY_UV_OF": str(starter_engine_environment().parent.parent),
        "TOY_UV_BROKEN": str(folder / "broken"),
    }


def newer(folder: Path, word: str) -> Path:
    """A lock with other contents and the same packages."""
    lock = folder / f"{word}.txt"
    lock.write_text(f"{SHIPPED.read_text()}# {word}\n")
    return lock


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(600)
def test_an_engine_moves_to_another_environment_and_back(tmp_path: Path) -> None:
    """Asked for a token beside the old one, then switched; the next life runs from the new one.
    A broken one changes nothing. Back is one command, and neither happens by itself.
    """
    cache = cache_of_its_own(tmp_path)
    engines = cache / "engines"
    env = with_toy_uv(tmp_path, cache)
    with Service(tmp_path, STARTER, env=env) as service:
        first = service.tier("local")["pid"]
        same = json.loads(service.command("engine", "upgrade", "--json").stdout)
        assert same["done"] == "already in force"
        lock = newer(tmp_path, "one")
        done = service.command("engine", "upgrade", "llama_cpp", "--lock", str(lock))
        assert "upgraded: xllamacpp" in done.stdout
        assert "asking the new environment for a token" in done.stderr
        second = service.tier("local")["pid"]
        assert second != first
        assert str(environment.place(pinned.Pinned(SHIPPED, engines).in_force, engines)) in runs(
            second
        )
        assert pinned.key(lock) in str(pinned.Pinned(SHIPPED, engines).in_force)
        (tmp_path / "broken").touch()
        bad = service.command("engine", "upgrade", "--lock", str(newer(tmp_path, "two")), code=1)
        assert "does not work" in bad.stderr
        assert service.tier("local")["pid"] == second
        back = json.loads(service.command("engine", "rollback", "--json").stdout)
        assert (back["done"], back["lock"]) == ("rolled back", pinned.key(SHIPPED))
        third = service.tier("local")["pid"]
        assert str(environment.place(SHIPPED, engines)) in runs(third)
        found = json.loads(service.command("doctor", "--json", code=0).stdout)["findings"]
        assert any(one["name"] == "local engine" and not one["mend"] for one in found)


def runs(pid: int) -> str:
    """The command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
