"""Writes what the program is made of: a CycloneDX bill of the hashed lock, with every licence.

    python -m tools.bom [FILE]        the bill, to stdout where no file is named
    python -m tools.bom --check       every licence is one that we accept, each with its reason

The lock says which packages and which bytes, the installed packages say their licences. No clock
and no random number is in it: the same lock gives the same bill, byte for byte. The form is the one
of https://cyclonedx.org/docs/1.6/json/.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twotier import __version__

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "locks" / "base.txt"
PACKAGE = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[\w.+!-]+)\s*(?:;\s*(?P<when>[^\\]+?))?\s*\\?$"
)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

# What may be used and given on under its own terms, whatever we do.
PERMISSIVE = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "PSF-2.0", "Unlicense"}
)
# The others, and why they do not bind what we write.
ACCEPTED = {
    "psycopg": "LGPL-3.0-only, comes with dbos: loaded as it is, never changed, can be exchanged",
    "psycopg-binary": "LGPL-3.0-only, as psycopg",
}
# Words of older metadata for what SPDX names.
WORDS = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}


@dataclass(frozen=True, slots=True)
class Package:
    """One line of the lock. `licences` are SPDX names, empty where it is not installed here."""

    name: str
    version: str
    hashes: tuple[str, ...]
    licences: tuple[str, ...]


def locked(text: str) -> list[Package]:
    """The packages of a lock with hashes. Raises `ValueError` for a line without any."""
    found: list[tuple[str, str, list[str]]] = []
    for line in text.splitlines():
        if match := PACKAGE.match(line):
            found.append((match["name"], match["version"], []))
        elif hit := HASH.search(line):
            found[-1][2].append(hit[1])
    bare = [name for name, _, hashes in found if not hashes]
    if bare:
        raise ValueError(f"no hash is locked for {', '.join(bare)}")
    return [
        Package(name, version, tuple(hashes), licences_of(name)) for name, version, hashes in found
    ]


def licences_of(name: str) -> tuple[str, ...]:
    """What the installed package says of itself; empty for one that this machine does not need."""
    try:
        said = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ()
    if "License-Expression" in said:
        return tuple(re.split(r"\s+(?:AND|OR)\s+", said["License-Expression"].strip("() ")))
    words = [said["License"]] if "License" in said else []
    classifiers = said.get_all("Classifier") or []
    words += [one.rpartition("::")[2].strip() for one in classifiers if one.startswith("License")]
    spdx = {WORDS.get(word, word) for word in words if word and len(word) < 60}
    return tuple(sorted(spdx)) or ("unknown",)


def refused(packages: list[Package]) -> list[str]:
    """A sentence for each package whose licence nobody has accepted."""
    return [
        f"{one.name} {one.version}: {', '.join(one.licences)}"
        for one in packages
        if one.name not in ACCEPTED and not set(one.licences) <= PERMISSIVE
    ]


def bill(packages: list[Package]) -> dict[str, Any]:
    """The document of CycloneDX 1.6."""
    main = {"type": "application", "name": "twotier", "version": __version__, "bom-ref": "twotier"}
    main_licence = {"licenses": [{"license": {"id": "Apache-2.0"}}]}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**main, **main_licence}},
        "components": [_component(one) for one in sorted(packages, key=lambda one: one.name)],
    }


def _component(one: Package) -> dict[str, Any]:
    url = f"pkg:pypi/{one.name}@{one.version}"
    files = [{"type": "distribution", "url": url, "hashes": _hashes(one)}]
    known = {"licenses": [{"license": _licence(name)} for name in one.licences]}
    return {
        "type": "library",
        "bom-ref": url,
        "name": one.name,
        "version": one.version,
        "purl": url,
        "externalReferences": files,
        **(known if one.licences else {}),
    }


def _hashes(one: Package) -> list[dict[str, str]]:
    """Of every file that may be installed for it, on any system."""
    return [{"alg": "SHA-256", "content": digest} for digest in one.hashes]


def _licence(name: str) -> dict[str, str]:
    """By its SPDX name where it has one of those that we know."""
    return {"id": name} if name in PERMISSIVE or name.startswith("LGPL-") else {"name": name}


def main(words: list[str]) -> int:
    """Exit code 1 where a licence is not accepted."""
    packages = locked(LOCK.read_text(encoding="utf-8"))
    if words == ["--check"]:
        bad = refused(packages)
        for line in bad:
            print(line, file=sys.stderr)
        return 1 if bad else 0
    text = json.dumps(bill(packages), indent=1) + "\n"
    if words:
        Path(words[0]).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
