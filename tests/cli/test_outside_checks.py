"""What the doctor says of logs that could be counted, are gone, and of a key that is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from twotier.build.outside import logs_of
from twotier.cli.finding import Finding, Level
from twotier.cli.outside_checks import outside
from twotier.config.load import Loaded, load


def loaded(tmp_path: Path, **said: str) -> Loaded:
    file = tmp_path / "twotier.toml"
    folders = {"claude_code_folder": '"claude"', "openclaw_folder": '"claw"'}
    lines = (f"{name} = {value}\n" for name, value in (folders | said).items())
    file.write_text("[outside]\n" + "".join(lines))
    return load(file)


def found(one: Loaded) -> dict[str, Finding]:
    return {finding.name: finding for finding in outside(one, None)}


def test_logs_are_offered_and_not_read(tmp_path: Path) -> None:
    """Whose they are decides; it is said that numbers are all that is taken."""
    assert found(loaded(tmp_path)) == {}
    (tmp_path / "claude" / "projects").mkdir(parents=True)
    one = loaded(tmp_path)
    assert logs_of(one) == []
    (offered,) = found(one).values()
    assert (offered.name, offered.level) == ("outside claude_code", Level.OK)
    assert "`claude_code = true` in [outside]" in offered.text
    on = loaded(tmp_path, claude_code="true")
    assert found(on) == {}
    assert [log.place.root for log in logs_of(on)] == [tmp_path / "claude" / "projects"]


def test_what_is_on_and_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what mends it."""
    monkeypatch.delenv("ADMIN_KEY", raising=False)
    one = loaded(tmp_path, openclaw="true", admin_key='"env:ADMIN_KEY"')
    assert {name: item.level for name, item in found(one).items()} == {
        "outside openclaw": Level.WARN,
        "outside admin_key": Level.WARN,
    }
    assert all(item.mend for item in found(one).values())
    monkeypatch.setenv("ADMIN_KEY", "sk-ant-admin-x")
    assert set(found(one)) == {"outside openclaw"}
    assert [log.source for log in logs_of(one)] == ["openclaw"] * 2  # files, and databases
