"""The models on this disk, wherever programs keep them, each with the engine that can serve it.

Four places: our own folder, the hub's cache, Ollama's store (a manifest names the blob that is the
GGUF file) and LM Studio's folders. Only small files are read. What lies in other programs' places
can be served from there and is never deleted by us.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from twotier.errors import NOT_READABLE, EngineError
from twotier.models.describe import PART, siblings
from twotier.models.discover import FoundModel, mlx

MANIFEST_BYTES_MAX = 1_000_000
OLLAMA_MODEL = "application/vnd.ollama.image.model"
OURS, HUB, OLLAMA, LMSTUDIO = "ours", "hub", "ollama", "lmstudio"
REMOVABLE = frozenset({OURS, HUB})


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where models may lie. A folder need not exist."""

    ours: Path
    hub: Path
    ollama: Path
    lmstudio: Path

    def found(self) -> tuple[FoundModel, ...]:
        """Every model, biggest first."""
        models = [
            *_ours(self.ours),
            *_hub(self.hub),
            *_ollama(self.ollama),
            *_lmstudio(self.lmstudio),
        ]
        return tuple(sorted(models, key=lambda model: (-model.size_bytes, model.name)))


def lookup(name: str, found: Sequence[FoundModel]) -> FoundModel | None:
    """The model a person means: its whole name, else its last part, else its first file.

    A quantisation may follow a repository's name, as `twotier models pull` takes it.
    """
    repo, _, wanted = name.partition(":")
    rules: tuple[Callable[[str], bool], ...] = (
        lambda there: there == name,
        lambda there: there.rpartition("/")[2] == name,
        lambda there: there == f"{name}:latest",
        lambda there: there.startswith(f"{name}/"),
        lambda there: bool(wanted) and there.startswith(f"{repo}/") and _has(there, wanted),
    )
    for fits in rules:
        for model in found:
            if fits(model.name):
                return model
    return None


def _has(name: str, quantisation: str) -> bool:
    return quantisation.lower() in name.rpartition("/")[2].lower()


def remove(model: FoundModel) -> int:
    """Delete it from our folder or the hub's cache; the bytes that are free then.

    Of a repository with several quantisations the others stay. Raises `EngineError` for what
    another program keeps.
    """
    if model.place not in REMOVABLE or model.home is None:
        raise EngineError(f"{model.name} belongs to {model.place}: remove it there")
    freed = sum(path.stat().st_size for path in _inside(model.home))
    if model.home.is_dir():
        shutil.rmtree(model.home)
    else:
        for part in siblings(model.home):
            if model.place == HUB and part.is_symlink():
                _unlink_blob(part.resolve())
            part.unlink(missing_ok=True)
    return freed


def _unlink_blob(blob: Path) -> None:
    """A file of the hub's cache, and every name that any commit has for it."""
    for name in blob.parents[1].glob("snapshots/**/*"):
        if name.is_symlink() and name.resolve() == blob:
            name.unlink()
    blob.unlink()


def _inside(home: Path) -> Iterator[Path]:
    """Every real file; a link has no size of its own."""
    if home.is_dir():
        yield from (path for path in home.rglob("*") if path.is_file() and not path.is_symlink())
    else:
        yield from siblings(home)


def _ours(folder: Path) -> Iterator[FoundModel]:
    for path in sorted(folder.glob("*.gguf")):
        yield from gguf(path, path.stem, place=OURS, home=path)
    for path in sorted(folder.glob("*/")):
        yield from mlx(path, path.name, place=OURS, home=path)


def _hub(folder: Path) -> Iterator[FoundModel]:
    """The cache's layout: `models--OWNER--NAME/snapshots/COMMIT/` with links to the files."""
    for home in sorted(folder.glob("models--*--*")):
        name = home.name.removeprefix("models--").replace("--", "/", 1)
        found: list[FoundModel] = []
        for snapshot in sorted(home.glob("snapshots/*")):
            yield from mlx(snapshot, name, place=HUB, home=home)
            for path in sorted(snapshot.rglob("*.gguf")):
                found += gguf(path, f"{name}/{path.stem}", place=HUB, home=path)
        yield from found if len(found) > 1 else (replace(one, home=home) for one in found)


def _lmstudio(folder: Path) -> Iterator[FoundModel]:
    for home in sorted(folder.glob("*/*/")):
        name = f"{home.parent.name}/{home.name}"
        yield from mlx(home, name, place=LMSTUDIO, home=None)
        for path in sorted(home.glob("*.gguf")):
            yield from gguf(path, f"{name}/{path.stem}", place=LMSTUDIO, home=None)


def _ollama(folder: Path) -> Iterator[FoundModel]:
    """`manifests/HOST/OWNER/NAME/TAG` names blobs; one of them is the model."""
    for path in sorted(folder.glob("manifests/*/*/*/*")):
        _, owner, name, tag = path.parts[-4:]
        blob = _blob(folder, path)
        if blob is not None:
            called = f"{name}:{tag}" if owner == "library" else f"{owner}/{name}:{tag}"
            yield FoundModel(called, blob, "llama_cpp", blob.stat().st_size, OLLAMA)


def _blob(folder: Path, manifest: Path) -> Path | None:
    try:
        with manifest.open("rb") as file:
            layers = json.loads(file.read(MANIFEST_BYTES_MAX))["layers"]
        digests = [row["digest"] for row in layers if row["mediaType"] == OLLAMA_MODEL]
    except (OSError, *NOT_READABLE, KeyError, TypeError):
        return None
    if len(digests) != 1 or not isinstance(digests[0], str) or "/" in digests[0]:
        return None  # none, or tensors in many files, which no engine of ours reads
    blob = folder / "blobs" / digests[0].replace(":", "-")
    return blob if blob.is_file() else None


def gguf(path: Path, name: str, *, place: str, home: Path | None) -> Iterator[FoundModel]:
    """A whole GGUF model; of a split one the first part stands for all."""
    if not path.is_file() or "mmproj" in path.name.lower():
        return
    match = PART.search(path.name)
    if match is not None and match.group(1) != "00001":
        return
    try:
        size = sum(part.stat().st_size for part in siblings(path))
    except EngineError:
        return  # a part is missing: nothing to serve
    yield FoundModel(
        PART.sub("", f"{name}.gguf").removesuffix(".gguf"), path, "llama_cpp", size, place, home
    )
