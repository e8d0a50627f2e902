"""Settings that nobody made, chosen for a tier and kept; what its server holds, written down."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.models import made
from twotier.build.machine import held_bytes, memory_bytes, peak_bytes
from twotier.build.shelves import other_models
from twotier.build.sizing import Sized, Witness, size
from twotier.clock import SystemClock
from twotier.config.load import Loaded, load
from twotier.domain.endpoint import Endpoint
from twotier.engines.base import engine
from twotier.errors import EngineError
from twotier.models.seen import Seen, SeenFile


def loaded(folder: Path, *, more: str = "", tier: str = "") -> Loaded:
    """A tier on a small model, with its state folder."""
    made.gguf_on(folder / "m.gguf")
    (folder / ".twotier").mkdir(exist_ok=True)
    path = folder / "twotier.toml"
    path.write_text(f'[tiers.local]\nengine = "llama_cpp"\nmodel = "./m.gguf"\n{tier}\n{more}')
    return load(path)


def sized(at: Loaded, name: str = "local") -> Sized:
    return size(name, at.config.tiers[name], loaded=at, traits=engine("llama_cpp").traits)


def test_a_tier_without_settings_gets_the_models_window_and_two_requests(tmp_path: Path) -> None:
    at = loaded(tmp_path)
    found = sized(at)
    assert (found.settings.window_tokens, found.settings.parallel) == (8192, 2)
    assert found.settings.prompt_cache_bytes
    fitted = found.fitted(at.config.tiers["local"])
    assert (fitted.window_tokens, fitted.parallel) == (8192, 2)
    assert found.text().startswith("8,192 tokens x 2, prompt cache ")
    told = found.told()
    assert told["predicted_bytes"] == found.predicted.total_bytes if found.predicted else None
    assert told["headroom_bytes"] == 1_000_000_000


def test_what_a_person_sets_is_taken_as_it_is(tmp_path: Path) -> None:
    settings = "window_tokens = 1024\nparallel = 5\nprompt_cache_bytes = 0\nheadroom_percent = 0"
    found = sized(loaded(tmp_path, tier=settings))
    assert (found.plan.window_tokens, found.plan.parallel, found.plan.prompt_cache_bytes) == (
        *(1024, 5),
        0,
    )
    assert found.headroom_bytes == 0


def test_a_choice_is_kept_as_long_as_it_fits(tmp_path: Path) -> None:
    """What is seen changes the prediction a little; the living server must not be replaced."""
    at = loaded(tmp_path)
    first = sized(at)
    file, key = SeenFile(at.paths.memory), first.key
    chosen = {**file.get(key).chosen, "window_tokens": 4096}
    file.put(key, replace(file.get(key), chosen=chosen))
    assert sized(at).plan.window_tokens == 4096
    file.put(key, replace(file.get(key), loaded_seen=1 << 50))
    assert sized(at).plan == replace(
        first.plan, window_tokens=4096, parallel=1, prompt_cache_bytes=0
    )
    file.put(key, Seen(chosen={**chosen, "wished_parallel": 3}))
    assert sized(at).plan == first.plan


def test_a_model_that_cannot_be_read_is_started_all_the_same(tmp_path: Path) -> None:
    """The engine may know more than we do; that nobody knows its memory is said."""
    at = loaded(tmp_path)
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    found = sized(at)
    assert found.predicted is None
    assert found.headroom_bytes == 0
    assert "memory not known: the GGUF file ends" in found.text()
    assert found.told()["predicted_bytes"] is None
    (tmp_path / "m.gguf").unlink()
    with pytest.raises(EngineError, match="models list"):
        sized(at)


def test_models_of_other_tiers_count_unless_they_share_a_place(tmp_path: Path) -> None:
    for name in ("b", "c", "d"):
        made.gguf_on(tmp_path / f"{name}.gguf")
    more = "".join(
        f'[tiers.{name}]\nengine = "llama_cpp"\nmodel = "./{name}.gguf"\n{beside}\n'
        for name, beside in (("b", 'in_place_of = "local"'), ("c", ""), ("gone", ""))
    )
    at = loaded(tmp_path, more=more)
    one = (tmp_path / "c.gguf").stat().st_size
    assert other_models("local", at) == one
    assert other_models("b", at) == one
    assert other_models("c", at) == one  # the place that `local` and `b` share, once


def test_what_the_server_holds_is_written_after_its_first_token(tmp_path: Path) -> None:
    """Then its highest, whenever it is asked again; another process begins anew."""
    found = sized(loaded(tmp_path))
    pids = [os.getpid(), os.getpid(), None, 2**22 + 1]
    asked: list[Endpoint] = []

    async def ready(endpoint: Endpoint) -> None:
        asked.append(endpoint)

    async def scenario() -> None:
        watching = Witness(found, lambda: pids[len(asked) - 1], SystemClock()).watching(ready)
        await watching(Endpoint("", 1))
        first = found.file.get(found.key)
        assert first.loaded_seen > 10_000_000
        assert first.peak_seen == first.loaded_seen
        assert first.chosen
        await watching(Endpoint("", 1))
        assert found.file.get(found.key).peak_seen >= first.peak_seen
        before = found.file.get(found.key)
        await watching(Endpoint("", 1))  # nobody is there
        await watching(Endpoint("", 1))  # a process that is gone
        assert found.file.get(found.key) == before

    asyncio.run(scenario())
    assert found.predicted
    assert found.predicted.correction_bytes == found.file.get(found.key).correction_bytes


def test_a_peak_is_read_where_the_system_says_it(tmp_path: Path) -> None:
    status = tmp_path / "proc" / "7" / "status"
    status.parent.mkdir(parents=True)
    for text, found in (("VmPeak: 9 kB\nVmHWM:\t 20 kB\n", 20_480), ("VmHWM:\n", 0), ("", 0)):
        status.write_text(text)
        assert peak_bytes(7, tmp_path) == found
    assert peak_bytes(8, tmp_path) == 0
    assert held_bytes(2**22 + 1) == 0


def test_an_engine_that_sizes_itself_is_not_predicted(tmp_path: Path) -> None:
    """VLLM takes a share of the GPU whatever the model needs; what a person set still counts."""
    at = loaded(tmp_path, tier="window_tokens = 2048")
    traits = engine("vllm_serve").traits
    found = size("local", at.config.tiers["local"], loaded=at, traits=traits)
    assert found.predicted is None
    assert found.settings.window_tokens == 2048
    assert "by a setting of its own" in found.text()


def test_a_control_group_may_have_less_than_the_machine(tmp_path: Path) -> None:
    """Its limit, not what it has left now: a choice must not change with the hour."""
    group = tmp_path / "sys" / "fs" / "cgroup" / "box"
    group.mkdir(parents=True)
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text("0::/box\n")
    whole = memory_bytes(tmp_path)
    for text, found in (("max\n", whole), ("1000000\n", 1_000_000), (f"{1 << 60}\n", whole)):
        (group / "memory.max").write_text(text)
        assert memory_bytes(tmp_path) == found


def test_a_server_with_halved_caches_is_compared_with_its_own_prediction(tmp_path: Path) -> None:
    """Else the next prediction would be far too low."""
    found = sized(loaded(tmp_path))
    witness = Witness(found, os.getpid, SystemClock(), level=lambda: 2)
    witness.look(os.getpid())
    smaller = replace(found, settings=found.settings.smaller(2)).predicted
    assert smaller
    assert found.file.get(found.key).loaded_predicted == smaller.corrected(0).loaded_bytes
