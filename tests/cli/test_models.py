"""`twotier models fit|list|pull|use|rm`; the hub and the other programs are fakes on loopback."""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.cli.standin import Done, standin, twotier
from tests.fakes.hub import FakeHub, fake_hub
from tests.fakes.local_servers import FakeLmStudio, FakeOllama
from tests.models import made
from tests.models.test_hub import GGUFS, MLX
from twotier.cli import run
from twotier.cli.subject import memory_of
from twotier.errors import UsageError

LLAMA = made.llama_values()


def places(folder: Path) -> dict[str, str]:
    """Every place where models may lie, inside the folder."""
    return {
        "TWOTIER_CACHE": str(folder / "cache"),
        "HF_HUB_CACHE": str(folder / "hub"),
        "OLLAMA_MODELS": str(folder / "ollama"),
        "HOME": str(folder),
        "TWOTIER_CONFIG": str(folder / "twotier.toml"),
    }


async def asked(folder: Path, *words: str) -> Done:
    """A real command, for those that ask main."""
    return await twotier("models", *words, env=places(folder))


class Models(Protocol):
    """The command in this process, which is quicker."""

    def __call__(self, *words: str, env: Mapping[str, str] | None = None) -> Done: ...


@pytest.fixture
def models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Models:
    """See `Models`; nobody sits at its terminal."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def command(*words: str, env: Mapping[str, str] | None = None) -> Done:
        for name, value in {**places(tmp_path), **(env or {})}.items():
            monkeypatch.setenv(name, value)
        code = run(["models", *words])
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return command


def test_the_articles_models_are_judged_before_anything_is_fetched(models: Models) -> None:
    """The weights, the cache, three answers, on the article's machine: M2.5 with 30 % left."""
    done = models("fit", "m2.5", "--memory", "256GB", "--json")
    told = done.document
    assert told["needs"]["weights_bytes"] == pytest.approx(128.9e9, rel=0.03)
    assert told["kv_bytes_per_token"] == 253_952
    assert told["ever"]["yes"] is told["with_headroom"]["yes"] is True
    assert told["now"]["yes"] is None
    assert told["settings"]["parallel"] == 2
    for name in ("qwen3-coder-next", "deepseek-r1:70b", "codestral", "qwen2.5-coder", "llama3.1"):
        other = (models("fit", name, "--memory", "256GB", "--json")).document
        assert other["ever"]["yes"] is True
        assert other["doubts"] == []


def test_fit_is_told_to_people_with_the_setting_that_would_help(models: Models) -> None:
    words = ("fit", "m2.5", "--memory", "256GB", "--context", "196608", "--parallel", "2")
    done = models(*words)
    assert "196,608 tokens x 2" in done.out
    assert "with the headroom         no" in done.out
    assert "to make it fit, set parallel = 1" in done.out
    small = models("fit", "m2.5", "--memory", "64GB")
    assert "can it ever fit           no" in small.out
    assert "smaller quantisation" in small.out


def test_a_model_on_this_disk_is_read_and_the_machine_looked_at(
    tmp_path: Path, models: Models
) -> None:
    path = made.gguf_on(tmp_path / "cache" / "models" / "mine.gguf")
    for name in (str(path), "mine"):
        told = (models("fit", name, "--json")).document
        assert told["needs"]["weights_bytes"] == 18 * 32
        assert told["free_bytes"] > 0
        assert told["settings"]["window_tokens"] == 8192


def test_a_tier_is_judged_with_its_own_settings_and_what_was_seen(
    tmp_path: Path, models: Models
) -> None:
    """Its window and headroom; predicted against seen stands beside, and corrects the sum."""
    path = made.gguf_on(tmp_path / "m.gguf")
    (tmp_path / "twotier.toml").write_text(
        f'[tiers.local]\nengine = "llama_cpp"\nmodel = "{path}"\nwindow_tokens = 4096\n'
        'parallel = 3\nheadroom_percent = 10\n[aliases]\nmine = "local"\n'
        '[tiers.far]\nprovider = "anthropic"\nmodel = "x"\n'
        '[tiers.open]\nengine = "openai"\nmodel = "x"\nbase_url = "http://127.0.0.1:9/v1"\n'
    )
    state = tmp_path / ".twotier"
    state.mkdir()
    seen = {
        "loaded_predicted": 70_000_000,
        "loaded_seen": 75_000_000,
        "peak_seen": 76_000_000,
        "peak_predicted": 90_000_000,
        "at": "2026-11-24T10:00:00",
    }
    (state / "memory.json").write_text(json.dumps({f"llama_cpp:{path}": seen}))
    done = models("fit", "local")
    told = [models("fit", name).out for name in ("mine", str(path))]
    same = {re.sub(r"\d+\.\d GB", "", out) for out in (done.out, *told)}  # what is free now is not
    assert len(same) == 1
    assert "4,096 tokens x 3" in done.out
    assert "correction             +5 MB  loaded: 70 MB predicted, 75 MB seen" in done.out
    assert "smaller of 10 %" in done.out
    assert "needs no memory here" in (models("fit", "far")).err
    assert "not ours to start" in (models("fit", "open")).err


def test_a_model_on_the_hub_is_judged_by_its_headers(models: Models) -> None:
    """And where the hub does not answer, the catalogue does, and says so."""
    with fake_hub(FakeHub({"o/mlx": MLX})) as there:
        env = {"HF_ENDPOINT": there.url}
        told = (models("fit", "o/mlx", "--json", env=env)).document
        assert told["origin"].startswith("the hub, o/mlx")
        known = "lmstudio-community/MiniMax-M2.5-MLX-4bit"
        fallen = models("fit", known, env=env)
        assert "so from the catalogue" in fallen.out
        unknown = models("fit", "o/none", env=env)
        assert (unknown.code, "check the name" in unknown.err) == (1, True)
    nobody = models("fit", "nothing")
    assert "m2.5" in nobody.err


def test_models_that_others_hold_are_named(tmp_path: Path, models: Models) -> None:
    """Ollama tells bytes, LM Studio only names: the size of its file stands in."""
    made.gguf_on(tmp_path / ".lmstudio" / "models" / "qwen" / "qwen3-8b" / "qwen3-8b.gguf")
    path = made.gguf_on(tmp_path / "m.gguf")
    with FakeOllama() as ollama, FakeLmStudio() as studio:
        (tmp_path / "twotier.toml").write_text(
            f'[tiers.o]\nengine = "ollama"\nmodel = "x"\nbase_url = "{ollama.base_url}/v1"\n'
            f'[tiers.s]\nengine = "lmstudio"\nmodel = "x"\nbase_url = "{studio.base_url}/v1"\n'
        )
        told = models("fit", str(path), "--json").document["held_by_others"]
        said = models("fit", str(path)).out
    held = {other["name"]: other["total_bytes"] for other in told}
    assert held["qwen3:8b in ollama"] == 6_591_830_464
    assert "held                  6.6 GB  by qwen3:8b in ollama" in said
    assert any(name.endswith("in lmstudio") for name in held)


def test_a_pull_shows_what_it_is_and_asks_first(tmp_path: Path, models: Models) -> None:
    """Size, licence, disk and fit; without a person and without `--yes` nothing comes."""
    with fake_hub(FakeHub({"o/g": GGUFS})) as there:
        env = {"HF_ENDPOINT": there.url}
        refused = models("pull", "o/g", env=env)
        assert refused.code == 2
        for said in ("licence: apache-2.0", "L-Q4_K_M.gguf", "free on the disk", "fits now: yes"):
            assert said in refused.err
        assert not (tmp_path / "hub").exists()
        done = models("pull", "o/g", "--yes", "--json", env=env)
        path = Path(done.document["path"])
        assert path.read_bytes() == GGUFS["L-Q4_K_M.gguf"]
        again = models("pull", "o/g", env=env)
        assert (again.code, again.out.strip()) == (0, str(path))
        listed = models("list")
        assert "o/g/L-Q4_K_M" in listed.out


def test_a_pull_that_would_fill_the_disk_does_not_begin(models: Models) -> None:
    class Huge(FakeHub):
        def siblings(self, name: str) -> list[dict[str, Any]]:
            rows = super().siblings(name)
            return [
                {**row, "size": 1 << 50} if "Q4_K_M" in row["rfilename"] else row for row in rows
            ]

    with fake_hub(Huge({"o/g": GGUFS})) as there:
        done = models("pull", "o/g", "--yes", env={"HF_ENDPOINT": there.url})
    assert (done.code, "are free on the disk" in done.err) == (1, True)


def test_a_model_is_deleted_only_where_nobody_uses_it(tmp_path: Path, models: Models) -> None:
    made.gguf_on(tmp_path / "cache" / "models" / "spare.gguf")
    used = made.mlx_folder(tmp_path / "hub" / "models--o--used-mlx" / "snapshots" / "abc")
    (tmp_path / "twotier.toml").write_text(
        '[tiers.local]\nengine = "mlx_lm"\nmodel = "o/used-mlx"\n'
        '[tiers.lost]\nengine = "mlx_lm"\nmodel = "o/nowhere"\n'
    )
    unasked = models("rm", "spare")
    assert (unasked.code, "--yes" in unasked.err) == (2, True)
    done = models("rm", "spare", "--yes", "--json")
    assert done.document["freed_bytes"] > 0
    assert not (tmp_path / "cache" / "models" / "spare.gguf").exists()
    kept = models("rm", "o/used-mlx", "--yes")
    assert (kept.code, "tier local" in kept.err) == (2, True)
    assert used.exists()
    assert "models list" in (models("rm", "nothing", "--yes")).err
    made.gguf_on(tmp_path / ".lmstudio" / "models" / "a" / "b" / "c.gguf")
    theirs = models("rm", "a/b/c", "--yes")
    assert "remove it there" in theirs.err


def test_the_disk_is_listed_whether_main_runs_or_not(tmp_path: Path, models: Models) -> None:
    made.gguf_on(tmp_path / "cache" / "models" / "mine.gguf")
    alone = models("list", "--json")
    assert alone.code == 0
    assert alone.document["models"] == []
    assert [row["name"] for row in alone.document["disk"]] == ["mine"]
    assert "twotier up" in alone.err

    async def scenario() -> Done:
        async with standin(tmp_path):
            return await asked(tmp_path, "list")

    both = asyncio.run(scenario())
    assert "auto" in both.out
    assert "on this disk" in both.out


def test_a_swap_is_asked_of_main_by_any_name_of_a_tier(tmp_path: Path) -> None:
    """Tier, alias, model or the last part of it; a name nobody has is refused at once."""
    (tmp_path / "twotier.toml").write_text(
        '[tiers.coder]\nengine = "mlx_lm"\nmodel = "o/coder-mlx"\n[aliases]\nc = "coder"\n'
    )

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            stand.answers["POST /control/models/use"] = (200, {"tier": "coder"})
            for name in ("coder", "c", "o/coder-mlx", "coder-mlx"):
                done = await asked(tmp_path, "use", name)
                assert (done.code, "coder" in done.out) == (0, True)
            assert {ask[3].get("tier") for ask in stand.asked if "use" in ask[1]} == {"coder"}
            told = await asked(tmp_path, "use", "coder", "--json")
            assert told.document["tier"] == "coder"
            wrong = await asked(tmp_path, "use", "nobody")
            assert (wrong.code, "coder" in wrong.err) == (2, True)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "found"), [("256GB", 256 * 1024**3), ("1.5tib", 3 * 2**39), ("512 M", 2**29)]
)
def test_memory_is_said_as_it_is_sold(text: str, found: int) -> None:
    assert memory_of(text) == found


@pytest.mark.parametrize("text", ["", "GB", "256", "-1GB", "0GB", "many GB", "9999999TB"])
def test_an_amount_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        memory_of(text)
