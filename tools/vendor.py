"""Copies what browsers load and others wrote into `src/twotier/dashboard/static/vendor/`.

`python -m tools.vendor` fetches each package below by npm in exactly this version, checks its
integrity as npm states it, copies the files named here and the licence, and writes `manifest.json`
with the version, the licence and the SHA-256 of each. A test compares the manifest with what lies
there, so that nothing in it is changed by hand.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = (
    Path(__file__).resolve().parent.parent / "src" / "twotier" / "dashboard" / "static" / "vendor"
)


@dataclass(frozen=True, slots=True)
class Package:
    """One package of npm. `files`: what is taken, by its path in the package."""

    name: str
    version: str
    licence: str
    integrity: str
    files: tuple[str, ...]
    licence_file: str = "LICENSE"


PACKAGES = (
    Package(
        "uPlot",
        "1.6.32",
        "MIT",
        "sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        ("dist/uPlot.iife.min.js", "dist/uPlot.min.css"),
    ),
)


def fetched(package: Package, folder: Path) -> Path:
    """The package as npm has it. Stops where its integrity is another."""
    wanted = f"{package.name.lower()}@{package.version}"
    command = ("npm", "pack", "--silent", "--pack-destination", str(folder), wanted)
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    archive = folder / name
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{found}" != package.integrity:
        raise SystemExit(f"{wanted} is not what it was: sha512-{found}")
    return archive


def copied(package: Package, archive: Path) -> dict[str, object]:
    """Its files, put in their place; its entry of the manifest."""
    digests = {}
    names = {path: Path(path).name for path in package.files}
    names[package.licence_file] = f"{package.name}.LICENSE"
    with tarfile.open(archive) as tar:
        for path, name in names.items():
            file = tar.extractfile(f"package/{path}")
            if file is None:
                raise SystemExit(f"{package.name} has no {path}")
            body = file.read()
            (VENDOR / name).write_bytes(body)
            digests[name] = hashlib.sha256(body).hexdigest()
    told = {"name": package.name, "version": package.version, "licence": package.licence}
    return {**told, "integrity": package.integrity, "sha256": digests}


def main() -> None:
    """All of them."""
    VENDOR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        entries = [copied(one, fetched(one, Path(folder))) for one in PACKAGES]
    text = json.dumps({"packages": entries}, indent=2) + "\n"
    (VENDOR / "manifest.json").write_text(text, encoding="utf-8")
    print(f"{VENDOR}: {', '.join(f'{one.name} {one.version}' for one in PACKAGES)}")


if __name__ == "__main__":
    main()
