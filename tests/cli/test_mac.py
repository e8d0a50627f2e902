"""`twotier doctor --mac`: its checks on recorded answers, and the file a Mac's owner gives away.

macOS cannot run here: the answers have the layout that others recorded.
"""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.standin import twotier
from tests.service.test_mac import LAPTOP
from twotier.cli import mac
from twotier.cli.finding import Level
from twotier.config.load import load
from twotier.errors import UsageError
from twotier.supervisor.owner import Said

JOB = "gui/1/x = {\n\tstate = not running\n\tlast exit code = 1\n\tproperties = keepalive\n}\n"
ANSWERS = {
    "sw_vers": "ProductName:\t\tmacOS\nProductVersion:\t\t15.5\n",
    "pmset": LAPTOP,
    "mdutil": "/:\n\tIndexing enabled. \n",
    "sysctl": "hw.memsize: 274877906944\nkern.memorystatus_vm_pressure_level: 1\n",
    "ps": "  9  100 200 small\n 10 9999 200 python3.11\n 11\n",
    "launchctl": JOB,
}
CONFIG = """\
[tiers.local]
engine = "mlx_lm"
model = "{model}"
base_url = "http://127.0.0.1:8080/v1"
owner = "launchd:com.example.mlx"
[tiers.yours]
engine = "openai"
model = "m"
base_url = "http://127.0.0.1:8081/v1"
owner = "user"
"""


def ask(argv: Sequence[str]) -> Said:
    """A Mac, as far as it is needed."""
    if argv[0] not in ANSWERS:
        return Said(None, err=f"there is no command {argv[0]}")
    return Said(0, ANSWERS[argv[0]])


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose model lies in a folder that Spotlight sees."""
    monkeypatch.setenv("TWOTIER_CACHE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "nowhere"))
    (tmp_path / "models" / "m25").mkdir(parents=True)
    path = tmp_path / "twotier.toml"
    path.write_text(CONFIG.format(model=tmp_path / "models" / "m25"))
    return path


def test_spotlight_sleep_and_power_failure_are_found(config: Path) -> None:
    """Each with the command that mends it; a marked folder is fine, and so is a Mac set up well."""
    found = {one.name: one for one in mac.findings(load(config), ask=ask)}
    folder = config.parent / "models" / "m25"
    assert found["spotlight"].mend == f"touch {folder}/.metadata_never_index"
    assert found["sleep"].mend == "sudo pmset -c sleep 0"
    assert found["auto-restart"].mend == "sudo pmset -c autorestart 1"
    assert "macOS" in found["mac"].text
    (config.parent / "models" / ".metadata_never_index").touch()
    well = {**ANSWERS, "pmset": "AC Power:\n autorestart 1\n sleep 0\n"}
    found = {
        one.name: one for one in mac.findings(load(config), ask=lambda argv: Said(0, well[argv[0]]))
    }
    del found["mac"]
    assert {one.level for one in found.values()} == {Level.OK}
    silent = {one.name: one for one in mac.findings(load(config), ask=lambda _: Said(None))}
    assert silent["sleep"].level is Level.WARN


def test_the_evidence_is_whole_and_names_nobody(config: Path, tmp_path: Path) -> None:
    """Every question with its answer, what our readers make of it, readable by its owner alone."""
    file = tmp_path / "evidence.json"
    mac.report(load(config), file, ask=ask)
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    told = json.loads(text)
    assert told["read"]["power"] == {
        "sleep_minutes": 10,
        "disk_sleep_minutes": 10,
        "restarts": False,
    }
    assert told["read"]["indexing"] is True
    assert told["read"]["owners"][0]["last_end"] == "it failed with exit code 1"
    asked = {str(one["command"][0]): one for one in told["answers"]}
    assert set(ANSWERS) | {"vm_stat", "memory_pressure"} <= set(asked)
    assert asked["ps"]["out"][0].split()[-1] == "python3.11"
    assert "no command vm_stat" in asked["vm_stat"]["err"][0]
    assert str(tmp_path) not in text
    assert getpass.getuser() not in text.replace("<name>", "")
    with pytest.raises(UsageError, match="already"):
        mac.report(load(config), file, ask=ask)


@pytest.mark.slow
def test_the_command_writes_the_file_and_says_to_read_it(config: Path, tmp_path: Path) -> None:
    """On any machine, with whatever commands there are; `--report` needs `--mac`."""

    async def scenario() -> None:
        at = ("--config", str(config), "doctor")
        file = tmp_path / "given.json"
        done = await twotier(*at, "--mac", "--report", str(file))
        assert done.code == 0, done.err
        assert "read it before you send it" in done.err
        assert json.loads(file.read_text())["report"] == "twotier doctor --mac"
        assert (await twotier(*at, "--report", str(file))).code == 2
        found = (await twotier(*at, "--mac", "--json")).document["findings"]
        assert {"spotlight", "sleep"} <= {one["name"] for one in found}

    asyncio.run(scenario())
