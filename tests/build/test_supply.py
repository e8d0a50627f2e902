"""What we give out can be made again byte for byte, and is made of what we say and may use."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bom import LOCK, ROOT, Package, bill, locked, refused

ONE = "a==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n    # via twotier\n"


def test_every_package_of_the_lock_is_in_the_bill_with_its_licence() -> None:
    """All that is installed here says its licence, and each is one that we accept."""
    packages = locked(LOCK.read_text(encoding="utf-8"))
    assert len(packages) > 40
    assert refused(packages) == []
    here = [one for one in packages if one.licences]
    assert len(packages) - len(here) <= 2, "those for other systems alone"
    document = json.loads(json.dumps(bill(packages)))
    named = {part["purl"] for part in document["components"]}
    assert named == {f"pkg:pypi/{one.name}@{one.version}" for one in packages}
    assert all(part["externalReferences"][0]["hashes"] for part in document["components"])


def test_a_licence_that_nobody_accepted_is_named() -> None:
    """And a package without a hash is none that we install."""
    taken = Package("a", "1.0", ("0" * 64,), ("GPL-3.0-only",))
    assert refused([taken]) == ["a 1.0: GPL-3.0-only"]
    assert refused([Package("a", "1.0", ("0" * 64,), ("unknown",))]) == ["a 1.0: unknown"]
    assert [one.name for one in locked(ONE)] == ["a"]
    with pytest.raises(ValueError, match="no hash is locked for b"):
        locked(f"{ONE}b==2 ; sys_platform == 'x'\n")


@pytest.mark.slow
def test_two_builds_of_one_source_are_the_same_bytes(tmp_path: Path) -> None:
    """In another folder, with files of another age, another umask and another zone."""
    here = built(ROOT, tmp_path / "here", zone="UTC", umask=0o022)
    other = tmp_path / "elsewhere" / "copy"
    for name in ("src", "pyproject.toml", "README.md", "LICENSE"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, other / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            other.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, other / name)
    for path in other.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    there = built(other, tmp_path / "there", zone="Asia/Kolkata", umask=0o077)
    assert here == there


def built(source: Path, target: Path, *, zone: str, umask: int) -> str:
    """The digest of the wheel that is built there."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    subprocess.run(
        (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", target),
        cwd=source,
        env={**env, "TZ": zone},
        umask=umask,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return hashlib.sha256(next(target.glob("*.whl")).read_bytes()).hexdigest()
