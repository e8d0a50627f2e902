"""`local` gets the name of the machine's own zone."""

from __future__ import annotations

from pathlib import Path

import pytest

from twotier.config.zones import zone_name


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `/etc`, and no `$TZ`."""
    monkeypatch.delenv("TZ", raising=False)
    return tmp_path


def test_a_named_zone_stays(etc: Path) -> None:
    """Only `local` asks the machine."""
    assert zone_name("Europe/Berlin", etc=etc) == "Europe/Berlin"


def test_the_machine_is_asked_in_order(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`$TZ`, then the link, then Debian's file, then UTC; what is no name is passed over."""
    assert zone_name("local", etc=etc) == "UTC"
    (etc / "timezone").write_text("Asia/Tokyo\n")
    assert zone_name("local", etc=etc) == "Asia/Tokyo"
    (etc / "localtime").symlink_to("/usr/share/zoneinfo/America/Los_Angeles")
    assert zone_name("local", etc=etc) == "America/Los_Angeles"
    monkeypatch.setenv("TZ", ":Europe/Paris")
    assert zone_name("local", etc=etc) == "Europe/Paris"
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    assert zone_name("local", etc=etc) == "America/Los_Angeles"
