"""Models are found wherever programs keep them, by the names people use, and deleted with care."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.models import made
from twotier.errors import EngineError
from twotier.models.describe import describe
from twotier.models.shelf import Shelves, lookup, remove


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    """All four places, each with something in it."""
    places = Shelves(*(tmp_path / name for name in ("ours", "hub", "ollama", "lmstudio")))
    made.gguf_on(places.ours / "mine.gguf")
    made.mlx_folder(places.ours / "own-mlx")
    snapshot = places.hub / "models--mlx-community--M2-4bit" / "snapshots" / "abc"
    made.mlx_folder(snapshot)
    repo = places.hub / "models--bartowski--Llama-GGUF"
    for blob, name in (("f00", "Llama-Q4_K_M.gguf"), ("f01", "Llama-Q8_0.gguf")):
        made.gguf_on(repo / "blobs" / blob)
        path = repo / "snapshots" / "def" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(f"../../blobs/{blob}")
    ollama(places.ollama, "library/llama3.1/8b")
    ollama(places.ollama, "someone/mixed/latest", kinds=("application/vnd.ollama.image.tensor",))
    made.gguf_on(places.lmstudio / "maker" / "Model-GGUF" / "Model-Q4.gguf")
    return places


def ollama(
    folder: Path, name: str, *, kinds: tuple[str, ...] = ("application/vnd.ollama.image.model",)
) -> None:
    """A model as Ollama stores it, from its published layout; Ollama itself cannot run here."""
    made.gguf_on(folder / "blobs" / f"sha256-{'a' * 64}")
    layers = [{"mediaType": kind, "digest": f"sha256:{'a' * 64}", "size": 1} for kind in kinds]
    manifest = folder / "manifests" / "registry.ollama.ai" / name
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))


def test_every_place_is_looked_into(shelves: Shelves) -> None:
    found = {(model.name, model.engine, model.place) for model in shelves.found()}
    assert found == {
        ("mine", "llama_cpp", "ours"),
        ("own-mlx", "mlx_lm", "ours"),
        ("mlx-community/M2-4bit", "mlx_lm", "hub"),
        ("bartowski/Llama-GGUF/Llama-Q4_K_M", "llama_cpp", "hub"),
        ("bartowski/Llama-GGUF/Llama-Q8_0", "llama_cpp", "hub"),
        ("llama3.1:8b", "llama_cpp", "ollama"),
        ("maker/Model-GGUF/Model-Q4", "llama_cpp", "lmstudio"),
    }
    sizes = [model.size_bytes for model in shelves.found()]
    assert sizes == sorted(sizes, reverse=True)
    for model in shelves.found():
        assert describe(model.path).weights_bytes > 0


def test_what_is_half_there_or_another_programs_is_passed_over(tmp_path: Path) -> None:
    """Links to what was never fetched, torch weights, broken files, parts, vision projectors."""
    places = Shelves(tmp_path, tmp_path / "hub", tmp_path / "o", tmp_path / "l")
    half = made.mlx_folder(tmp_path / "half")
    (half / "model-2.safetensors").symlink_to("nowhere")
    made.mlx_folder(tmp_path / "torch", config={"quantization": None})
    config = json.loads((tmp_path / "torch" / "config.json").read_text())
    del config["quantization"]
    (tmp_path / "torch" / "config.json").write_text(json.dumps(config))
    (made.mlx_folder(tmp_path / "broken") / "config.json").write_text("{")
    (tmp_path / "empty").mkdir()
    made.gguf_on(tmp_path / "split-00001-of-00002.gguf")
    made.gguf_on(tmp_path / "mmproj-vision.gguf")
    for manifest in ("[]", "{", '{"layers": [{"mediaType": 1}]}'):
        path = tmp_path / "o" / "manifests" / "r" / "library" / "x" / str(len(manifest))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(manifest)
    ollama(tmp_path / "o", "library/escape/latest")
    escaping = tmp_path / "o/manifests/registry.ollama.ai/library/escape/latest"
    escaping.write_text(escaping.read_text().replace("sha256:", "../../"))
    assert places.found() == ()


def test_a_split_model_is_one_model(tmp_path: Path) -> None:
    for part in (1, 2):
        made.gguf_on(tmp_path / f"big-0000{part}-of-00002.gguf")
    places = Shelves(tmp_path, tmp_path / "h", tmp_path / "o", tmp_path / "l")
    (model,) = places.found()
    assert (model.name, model.path.name) == ("big", "big-00001-of-00002.gguf")
    assert describe(model.path).weights_bytes == 2 * 18 * 32
    remove(model)
    assert list(tmp_path.glob("*.gguf")) == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mine", "mine"),
        ("mlx-community/M2-4bit", "mlx-community/M2-4bit"),
        ("M2-4bit", "mlx-community/M2-4bit"),
        ("Llama-Q8_0", "bartowski/Llama-GGUF/Llama-Q8_0"),
        ("bartowski/Llama-GGUF:q8_0", "bartowski/Llama-GGUF/Llama-Q8_0"),
        ("bartowski/Llama-GGUF", "bartowski/Llama-GGUF/Llama-Q4_K_M"),
        ("llama3.1:8b", "llama3.1:8b"),
        ("nobody", None),
        ("bartowski/Llama-GGUF:Q2", None),
    ],
)
def test_a_model_is_found_by_the_names_people_use(
    shelves: Shelves, name: str, found: str | None
) -> None:
    model = lookup(name, shelves.found())
    assert (model.name if model else None) == found


def test_only_what_is_ours_or_the_hubs_is_deleted(shelves: Shelves) -> None:
    """A repository goes whole, with its blobs; Ollama's and LM Studio's stay."""
    found = {model.name: model for model in shelves.found()}
    assert remove(found["mlx-community/M2-4bit"]) > 0
    assert not (shelves.hub / "models--mlx-community--M2-4bit").exists()
    assert remove(found["mine"]) > 0
    for name in ("llama3.1:8b", "maker/Model-GGUF/Model-Q4"):
        with pytest.raises(EngineError, match="remove it there"):
            remove(found[name])
        assert found[name].path.exists()


def test_of_a_repository_one_quantisation_goes_and_the_others_stay(shelves: Shelves) -> None:
    """With its bytes, under every commit that has it; the last one takes the folder along."""
    repo = shelves.hub / "models--bartowski--Llama-GGUF"
    later = repo / "snapshots" / "later" / "Llama-Q8_0.gguf"
    later.parent.mkdir()
    later.symlink_to("../../blobs/f01")
    model = lookup("Llama-Q8_0", shelves.found())
    assert model is not None
    assert remove(model) == model.size_bytes
    assert [path.name for path in (repo / "blobs").iterdir()] == ["f00"]
    assert not later.is_symlink()
    last = lookup("Llama-Q4_K_M", shelves.found())
    assert last is not None
    remove(last)
    assert not repo.exists()


def test_a_model_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="there are no"):
        describe(tmp_path)
    with pytest.raises(EngineError, match="cannot be read"):
        describe(tmp_path / "none.gguf")
    folder = made.mlx_folder(tmp_path / "m")
    for text in ("[]", "{"):
        (folder / "config.json").write_text(text)
        with pytest.raises(EngineError, match=r"config\.json"):
            describe(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:50])
    with pytest.raises(EngineError, match="shorter"):
        describe(folder)


def test_a_model_in_32_bits_computes_in_32(tmp_path: Path) -> None:
    """The tiny model does; anything with 16 bits in it does not."""
    folder = made.mlx_folder(tmp_path / "m")
    assert describe(folder).element_bytes == 2.0
    (folder / "model.safetensors").write_bytes(made.safetensors_file({"a": ("F32", [4])}))
    assert describe(folder).element_bytes == 4.0


def test_tensors_of_an_unknown_type_are_counted_by_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new.gguf"
    path.write_bytes(made.gguf_file(made.llama_values(), {"a": (7777, [32, 32])}))
    model = describe(path)
    assert model.weights_bytes == path.stat().st_size
    assert "type not known" in model.doubts[-1]
    assert model.licence == "apache-2.0"
