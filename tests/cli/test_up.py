"""`twotier up`, before and around the main process: the first configuration and the banner."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from tests.cli.standin import STATUS, standin, twotier
from twotier.cli.prepare import kept, suggestion
from twotier.cli.up import banner, next_job
from twotier.config.load import load
from twotier.config.starter import STARTER, write_starter
from twotier.config.work import JobConfig

NOW = datetime(2026, 2, 3, 7, 12, 4, tzinfo=UTC)


def test_a_second_up_says_that_the_first_runs(tmp_path: Path) -> None:
    """Before it writes, fetches or builds anything."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            done = await twotier("--config", str(stand.config), "up")
            assert done.code == 1
            assert (
                done.err == "twotier: twotier is already running (pid 4242); see `twotier status`\n"
            )

    asyncio.run(scenario())


def test_the_banner_fits_ten_lines_and_says_what_to_do(tmp_path: Path) -> None:
    """Address, tiers, where the key goes, the token, the next job, how to stop."""
    path = tmp_path / "twotier.toml"
    write_starter(path)
    loaded = load(path)
    lines = banner(loaded, STATUS, next_job=next_job(loaded.config.jobs, NOW))
    text = "\n".join(lines)
    assert len(lines) < 10
    assert "http://127.0.0.1:8484" in text
    assert "no-key" in text
    assert "frontier: `export ANTHROPIC_API_KEY=...`" in text
    assert "inbox at" in text
    assert ":10, looks into inbox/" in text
    assert "twotier down" in text
    many = {**STATUS, "tiers": [STATUS["tiers"][0]] * 40}
    crowded = banner(loaded, many, next_job=None)
    assert len(crowded) < 10
    assert any("and 37 more" in line for line in crowded)


def test_the_next_job_is_the_first_that_is_due() -> None:
    """Of all that are switched on, by period or by clock."""
    hourly = JobConfig(name="hourly", prompt="p", every=3_600.0)
    soon = JobConfig(name="soon", prompt="p", cron="13 7 * * *", zone="UTC")
    off = JobConfig(name="off", prompt="p", every=1.0, enabled=False)
    assert (next_job([hourly, soon, off], NOW) or "").startswith("soon at ")
    assert next_job([off], NOW) is None
    yearly = JobConfig(name="yearly", prompt="p", cron="0 12 24 12 *", zone="UTC")
    assert "-12-24 " in (next_job([yearly], NOW) or "")  # a time alone would be today's


def test_the_first_configuration_takes_what_the_machine_has(tmp_path: Path) -> None:
    """A server that answers wins; its first model and address stand in the file."""

    async def scenario() -> None:
        async def models(_: web.Request) -> web.Response:
            return web.json_response({"data": [{"id": "found-model"}]})

        app = web.Application()
        app.router.add_get("/v1/models", models)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            from twotier.models.discover import Place

            place = Place("toy", runner.addresses[0][1], "ollama")
            local = await asyncio.to_thread(suggestion, [place])
            write_starter(tmp_path / "twotier.toml", local)
        finally:
            await runner.cleanup()
        config = load(tmp_path / "twotier.toml").config
        assert config.tiers["local"].model == "found-model"
        assert config.tiers["local"].engine == "ollama"
        assert config.tiers["local"].base_url == f"http://127.0.0.1:{place.port}/v1"
        assert kept(config) == {}

    asyncio.run(scenario())


def test_only_servers_of_ours_are_prepared(tmp_path: Path) -> None:
    """The starter's local tier is kept by twotier, the frontier is not."""
    path = tmp_path / "twotier.toml"
    write_starter(path)
    assert list(kept(load(path).config)) == ["local"]


def test_a_model_on_disk_is_taken_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest that fits this machine; what is too large to ever run is passed over."""
    monkeypatch.setenv("TWOTIER_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert suggestion([]) == STARTER
    models = tmp_path / "models"
    models.mkdir()
    for name, size in (("small", 1_000), ("large", 2_000), ("huge", 1 << 43)):
        with (models / f"{name}.gguf").open("wb") as file:
            file.truncate(size)
    local = suggestion([])
    assert (local.engine, local.model) == ("llama_cpp", str(models / "large.gguf"))
    assert local.said.startswith("Found: large")
