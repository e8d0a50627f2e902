"""What others wrote lies in the package as npm has it, with its version, licence and digests."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.dashboard.looking import NPM, packages
from tools.vendor import PACKAGES, VENDOR

MANIFEST = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))["packages"]


def test_the_manifest_says_what_lies_there() -> None:
    """Every file of it and no other, none changed by hand, a licence beside each."""
    digests = {name: digest for one in MANIFEST for name, digest in one["sha256"].items()}
    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.name != "manifest.json"
    }
    assert there == digests
    for one, wanted in zip(MANIFEST, PACKAGES, strict=True):
        assert (one["name"], one["version"], one["integrity"]) == (
            wanted.name,
            wanted.version,
            wanted.integrity,
        )
        assert f"{one['name']}.LICENSE" in there


@pytest.mark.slow
def test_npm_has_the_same() -> None:
    """Byte for byte, in the version that the lock of these tests has."""
    lock = json.loads((NPM / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for one in PACKAGES:
        name = one.name.lower()
        assert lock[f"node_modules/{name}"]["integrity"] == one.integrity
        for path in one.files:
            theirs = (packages() / name / path).read_bytes()
            assert (VENDOR / path.rpartition("/")[2]).read_bytes() == theirs
