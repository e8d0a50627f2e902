"""What a server with a command of the owner's own will take, by what its options say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.models import made
from twotier.build.flags import Flags, flags_of
from twotier.build.need import CACHE_SHARE, SERVER_BYTES, Commanded
from twotier.config.schema import TierConfig

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("engine", "command", "env", "expected"),
    [
        ("llama_cpp", ("-c", "8192", "-np", "2"), {}, Flags(4096, 2)),
        ("llama_cpp", ("--ctx-size=8192", "-ctk", "q8_0"), {}, Flags(8192, None, None, 1.53125)),
        ("llama_cpp", ("-ctk", "Q4_0", "-ctv=q4_0"), {}, Flags(kv_element_bytes=0.5625)),
        ("llama_cpp", (), {"LLAMA_ARG_CTX_SIZE": "4096"}, Flags(4096)),
        ("llama_cpp", ("-c", "1024"), {"LLAMA_ARG_CTX_SIZE": "4096"}, Flags(1024)),
        ("llama_cpp", ("--cache-ram", "2"), {}, Flags(prompt_cache_bytes=2 * MIB)),
        ("llama_cpp", ("--cache-ram", "-1", "-c"), {}, Flags()),
        ("mlx_lm", ("--decode-concurrency", "4"), {}, Flags(parallel=4)),
        ("mlx_lm", ("--kv-bits", "8"), {}, Flags(None, None, None, 1.0625, 5_000, True)),
        (
            "mlx_lm",
            ("--kv-bits=4", "--kv-group-size=32", "--quantized-kv-start=0"),
            {},
            Flags(None, None, None, 0.625, 0, True),
        ),
        ("vllm", ("--kv-bits", "8"), {}, Flags()),
    ],
)
def test_what_options_and_variables_say(
    engine: str, command: tuple[str, ...], env: dict[str, str], expected: Flags
) -> None:
    """An option goes before a variable; what is not understood is not said."""
    assert flags_of(engine, ("serve", *command), env=env) == expected


def taken(path: Path | None, engine: str, *command: str, **more: Any) -> Commanded:
    """A tier with this command."""
    fields = {"engine": engine, "model": "m", "command": ("serve", "{port}", *command), **more}
    return Commanded(TierConfig.model_validate(fields), path, engine)


def total(found: Commanded) -> int:
    """The bytes it is predicted to take."""
    need = found.need()
    assert need
    return need.total_bytes


def test_narrow_caches_are_counted_narrow(tmp_path: Path) -> None:
    """The window is stated, so all of it counts: half the bits are about half the caches."""
    model = made.gguf_on(tmp_path / "m.gguf")
    none = ("--cache-ram", "0")
    quantised = (*none, "-ctk", "q8_0", "-ctv", "q8_0")
    found = taken(model, "llama_cpp", "-c", "65536", *quantised)
    assert found.told()["text"].startswith("memory not known")  # it has not been started yet
    half = taken(model, "llama_cpp", "-c", "32768", *quantised)
    wide = taken(model, "llama_cpp", "-c", "65536", *none)
    wide_half = taken(model, "llama_cpp", "-c", "32768", *none)
    grown, wide_grown = total(found) - total(half), total(wide) - total(wide_half)
    assert grown / wide_grown == pytest.approx(1.0625 / 2)
    assert found.told()["text"].startswith("65,536 tokens x 1, caches of 8.5 bits; ")
    assert found.told()["predicted_bytes"] == total(found)
    below = taken(model, "mlx_lm", "--kv-bits", "8", window_tokens=4_096)
    beyond = taken(model, "mlx_lm", "--kv-bits", "8", window_tokens=8_192)
    assert "caches of 16 bits" in below.counted()[1]  # type: ignore[index] # it is there
    assert "8,192 tokens x 1, caches of 8.5 bits" in beyond.counted()[1]  # type: ignore[index]


def test_without_a_window_it_is_the_weights_and_some(tmp_path: Path) -> None:
    """And nothing where nobody knows the model."""
    model = made.gguf_on(tmp_path / "m.gguf")
    weights = model.stat().st_size
    assert total(taken(model, "mlx_lm")) == weights + weights // CACHE_SHARE + SERVER_BYTES
    halved = weights + int(weights // CACHE_SHARE * 1.0625 / 2) + SERVER_BYTES
    assert total(taken(model, "mlx_lm", "--kv-bits", "8")) == halved
    unread = tmp_path / "torn.gguf"
    unread.write_bytes(b"GGUF" + bytes(200))
    assert total(taken(unread, "llama_cpp", "-c", "4096")) > SERVER_BYTES
    assert taken(None, "llama_cpp").need() is None
