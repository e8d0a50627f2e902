"""`twotier service upgrade` and `rollback`: real packages by a real pip, a real main, its server.

Three versions: ours, the same under another number, and one that does not start.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.story.service import Service
from tests.story.systemd_user import NotHereError, played, real
from tests.story.test_service import KEPT, engine_pid
from twotier import __version__

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
ROOT = Path(__file__).resolve().parents[2]
BROKEN = b'raise RuntimeError("this version does not start")\n'


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a command needs to reach the manager."""
    with ExitStack() as stack:
        try:
            yield stack.enter_context(real(tmp_path / "m"))
        except NotHereError:
            yield stack.enter_context(played(tmp_path / "n"))


def renumbered(wheel: Path, number: str, change: Callable[[str, bytes], bytes]) -> None:
    """The same wheel as another version, its files changed."""
    with (
        zipfile.ZipFile(wheel) as old,
        zipfile.ZipFile(wheel.with_name(f"twotier-{number}-py3-none-any.whl"), "w") as new,
    ):
        for name in old.namelist():
            data = change(name, old.read(name))
            if name.endswith(("twotier/__init__.py", "METADATA", "RECORD")):
                data = data.replace(__version__.encode(), number.encode())
            new.writestr(name.replace(f"twotier-{__version__}", f"twotier-{number}"), data)


def wheels(folder: Path) -> Path:
    """A folder with ours, 0.9.1 and 0.9.2, which does not start."""
    built = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    subprocess.run(built, cwd=ROOT, check=True, capture_output=True, env=clean)
    ours = next(folder.glob("*.whl"))
    renumbered(ours, "0.9.1", lambda _, data: data)
    renumbered(ours, "0.9.2", lambda name, data: BROKEN if name == "twotier/app.py" else data)
    return folder


def environment(folder: Path) -> Path:
    """The python of a fresh environment that sees the packages of this one, and twotier's wheel."""
    subprocess.run((sys.executable, "-m", "venv", "--without-pip", str(folder)), check=True)
    site = next(folder.glob("lib/*/site-packages"))
    ours = [path for path in sys.path if Path(path).name == "site-packages"]
    (site / "shared.pth").write_text("\n".join(ours) + "\n")
    return folder / "bin/python"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_there_and_back_and_never_without_the_model_server(
    env: dict[str, str], tmp_path: Path
) -> None:
    """Said first; then the next version, with the same model server; one that does not start goes
    back by itself; and back by hand to the first. It was one process all the time.
    """
    (tmp_path / "wheels").mkdir()
    shelf, python = wheels(tmp_path / "wheels"), environment(tmp_path / "venv")
    (tmp_path / "p").mkdir()
    more = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(shelf), "PIP_NO_DEPS": "1"}
    more |= {"PYTHONPATH": "", "ANTHROPIC_API_KEY": "", "PIP_NO_COMPILE": "1"}
    service = Service(
        tmp_path / "p", KEPT, env={**env, **more}, program=(str(python), "-m", "twotier")
    )
    wanted = ("--ignore-installed", f"twotier=={__version__}")
    pip = (str(python), "-m", "pip", "install", *wanted)
    subprocess.run(pip, env=service.env, check=True, capture_output=True)
    refused = service.command("service", "upgrade", code=2).stderr
    assert "no service is installed" in refused
    assert "pip install --upgrade twotier" in refused
    try:
        service.command("service", "install", "--unchecked")
        assert service.status()["version"] == __version__
        engine = engine_pid(service)
        assert "nothing to go back to" in service.command("service", "rollback", code=1).stderr
        asked = service.command("service", "upgrade", code=2).stderr
        assert "pip install --upgrade twotier" in asked
        assert "add --yes" in asked

        told = service.command("service", "upgrade", "0.9.1", "--yes", "--json", seconds=300)
        document = json.loads(told.stdout)
        assert (document["before"], document["version"]) == (__version__, "0.9.1")
        assert document["engine_pids"] == {"local": engine}
        assert (service.status()["version"], engine_pid(service)) == ("0.9.1", engine)
        (backup,) = re.findall(r"lies in (\S+)", told.stderr)
        assert Path(backup).stat().st_mode & 0o777 == 0o600

        failed = service.command("service", "upgrade", "--yes", code=1, seconds=300).stderr
        assert "not upgraded" in failed
        assert "0.9.1 runs again" in failed
        assert (service.status()["version"], engine_pid(service)) == ("0.9.1", engine)

        service.command("service", "rollback", "--yes", seconds=300)
        assert (service.status()["version"], engine_pid(service)) == (__version__, engine)
        service.command("service", "uninstall")
    finally:
        service.command("down", code=3)
        service.bury()
