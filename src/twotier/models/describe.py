"""A model on this disk, read from its own headers: the folder of an MLX model, or a GGUF file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from twotier.errors import NOT_READABLE, EngineError
from twotier.models import gguf, safetensors
from twotier.models.estimate import Model
from twotier.models.safetensors import Weights
from twotier.models.shape_config import of_config
from twotier.models.shape_gguf import of_gguf

CONFIG_BYTES_MAX = 4_000_000
PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


def describe(path: Path) -> Model:
    """What lies there. Raises `EngineError` for what is no model, or not a sound one."""
    try:
        return of_folder(path) if path.is_dir() else of_file(path)
    except OSError as exc:
        raise EngineError(f"the model {path} cannot be read: {exc.strerror}") from exc


def of_folder(folder: Path) -> Model:
    """`config.json` and the tensors beside it, of the files that are loaded."""
    found = Weights()
    for file in sorted(folder.glob(safetensors.FILES)):
        found += _weights(file)
    if not found.tensors:
        raise EngineError(f"there are no {safetensors.FILES} in {folder}")
    return of_parts(folder.name, config(folder / "config.json"), found=found, origin=f"{folder}")


def of_parts(name: str, config: dict[str, Any], *, found: Weights, origin: str) -> Model:
    """A model of config and tensors, wherever they were read."""
    shape = of_config(config)
    return Model(
        name=name,
        weights_bytes=found.total_bytes,
        shape=shape,
        element_bytes=width(found, config),
        origin=origin,
        doubts=shape.doubts,
    )


def width(found: Weights, config: dict[str, Any]) -> float:
    """How wide it computes: 32 bits only where nothing in it is in 16."""
    if found.by_type:
        return 2.0 if any(found.by_type.get(kind) for kind in ("BF16", "F16")) else 4.0
    said = str(config.get("torch_dtype") or config.get("dtype") or "")
    return 4.0 if said.endswith("float32") else 2.0


def of_file(path: Path) -> Model:
    """A GGUF file, with its other parts where it has some."""
    parts = siblings(path)
    header, size = _header(parts[0]), 0
    weights, unknown = header.weights, set(header.unknown_types)
    for part in parts[1:]:
        more = _header(part)
        weights += more.weights
        unknown |= set(more.unknown_types)
    if unknown:
        size = sum(part.stat().st_size for part in parts)
    return of_header(path.stem, header, weights=weights, size_bytes=size, origin=f"{path}")


def of_header(
    name: str, header: gguf.Header, *, weights: Weights, size_bytes: int, origin: str
) -> Model:
    """A model of a GGUF header. `size_bytes`: of its files, where a tensor type is not known."""
    shape = of_gguf(header)
    doubts = list(shape.doubts)
    if size_bytes:
        doubts.append("it has tensors of a type not known here: counted as large as the file")
    return Model(
        name=name,
        weights_bytes=max(weights.total_bytes, size_bytes),
        shape=shape,
        origin=origin,
        licence=shown(header.values.get("general.license", "")),
        doubts=tuple(doubts),
    )


def shown(text: object) -> str:
    """What a terminal may be given of a stranger's text: nothing that steers it, and not much."""
    return "".join(one for one in str(text)[:60] if one.isprintable())


def siblings(path: Path) -> list[Path]:
    """The parts of a split file, in order; the file itself where it is whole.

    Raises `EngineError` where one is missing.
    """
    match = PART.search(path.name)
    if match is None:
        return [path]
    stem, count = path.name[: match.start()], int(match.group(2))
    parts = [path.with_name(f"{stem}-{n:05d}-of-{count:05d}.gguf") for n in range(1, count + 1)]
    missing = [part.name for part in parts if not part.exists()]
    if missing:
        raise EngineError(f"a part of {path.name} is missing: {missing[0]}; fetch it again")
    return parts


def _header(path: Path) -> gguf.Header:
    with path.open("rb") as file:
        return gguf.header(file.read)


def _weights(path: Path) -> Weights:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = safetensors.header_bytes(file.read(safetensors.LENGTH_BYTES))
        if length > size:
            raise EngineError(f"{path.name} is shorter than its header says; fetch it again")
        data_bytes = size - length - safetensors.LENGTH_BYTES
        return safetensors.weights(file.read(length), data_bytes=data_bytes)


def config(path: Path) -> dict[str, Any]:
    """The `config.json` at `path`. Raises `EngineError` for what is none, `OSError` for no file."""
    with path.open("rb") as file:
        return config_of(file.read(CONFIG_BYTES_MAX))


def config_of(text: bytes) -> dict[str, Any]:
    """A `config.json`. Raises `EngineError` for what is none."""
    try:
        found = json.loads(text)
    except NOT_READABLE as exc:
        raise EngineError("its config.json is no JSON; fetch the model again") from exc
    if not isinstance(found, dict):
        raise EngineError("its config.json holds no settings; fetch the model again")
    return found
