"""A child process in which a package is not installed, although it is here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def without(folder: Path, package: str) -> Iterator[dict[str, str]]:
    """The environment for it: a package of that name that cannot be imported comes first."""
    place = folder / "absent" / package
    place.mkdir(parents=True)
    text = f'raise ModuleNotFoundError("No module named {package!r}")\n'
    (place / "__init__.py").write_text(text, encoding="utf-8")
    before = os.environ.get("PYTHONPATH", "")
    yield {"PYTHONPATH": os.pathsep.join(part for part in (str(place.parent), before) if part)}
