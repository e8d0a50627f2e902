"""The configuration that is written where there is none."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from twotier.config.load import check, load
from twotier.config.starter import STARTER, LocalModel, Mode, starter_toml, write_starter
from twotier.domain.tier import TierPolicy
from twotier.errors import ConfigError


def test_the_starter_configuration_does_the_main_job_at_once(tmp_path: Path) -> None:
    """A local tier, a frontier that waits for its key, a budget, and the inbox job."""
    path = tmp_path / "new" / "twotier.toml"
    assert write_starter(path)
    config = load(path).config
    assert config.tiers["local"].engine == "llama_cpp"
    assert config.tiers["local"].model == "starter"
    assert config.tiers["frontier"].key == "env:ANTHROPIC_API_KEY"
    assert config.aliases == {"opus": "frontier", "m25": "local"}
    (budget,) = config.budgets
    assert (budget.period, budget.alert_usd, budget.limit_usd) == ("day", Decimal(15), Decimal(40))
    (job,) = config.jobs
    assert (job.name, job.every, job.tier) == ("inbox", 10.0, TierPolicy.LOCAL_ONLY)
    assert job.deliver == "file:outbox/{stem}.summary.txt"
    assert job.answer_lines == 3
    assert (path.parent / "inbox").is_dir()
    assert (path.parent / "outbox").is_dir()


def test_the_file_says_where_the_key_goes() -> None:
    """Both ways, in the words a person can copy."""
    text = starter_toml()
    assert "export ANTHROPIC_API_KEY=..." in text
    assert 'key = "file:anthropic.key"' in text


def test_an_existing_file_is_never_touched(tmp_path: Path) -> None:
    """Whatever is in it is somebody's work."""
    path = tmp_path / "twotier.toml"
    path.write_text("# mine\n")
    assert not write_starter(path)
    assert path.read_text() == "# mine\n"
    assert not (tmp_path / "inbox").exists()


def test_what_was_found_stands_in_the_file_whatever_its_name() -> None:
    """Names come from servers and disks: quotes, line ends and braces must not break the file."""
    local = LocalModel(
        engine="openai",
        model='odd "name" {x} \\ ü',
        base_url="http://127.0.0.1:11434/v1",
        said="Found: one\nkey = 'x'",
    )
    config = check(tomllib.loads(starter_toml(local)), "starter")
    assert config.tiers["local"].model == local.model
    assert config.tiers["local"].base_url == local.base_url
    assert config.tiers["local"].key is None
    assert STARTER.base_url == ""


def test_a_folder_that_cannot_be_written_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    """Here a file lies where the folder should be."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match="--config PATH"):
        write_starter(tmp_path / "taken" / "twotier.toml")


def test_each_mode_has_its_tiers_and_says_how_to_have_the_others() -> None:
    """With the marks taken away, what is only shown is valid too."""
    for mode in Mode:
        text = starter_toml(mode=mode)
        config = check(tomllib.loads(text), "starter")
        assert ("local" in config.tiers, "frontier" in config.tiers) == (
            mode.has_local,
            mode.has_frontier,
        )
        assert set(config.aliases.values()) == set(config.tiers)
        shown = text.replace("# [tiers", "[tiers")
        for name in ("engine", "model", "provider", "key"):
            shown = shown.replace(f"# {name} =", f"{name} =")
        assert set(check(tomllib.loads(shown), "starter").tiers) == {"local", "frontier"}


def test_a_place_of_a_key_stands_in_the_file_and_how_to_fill_it_where_it_is_empty() -> None:
    for key, found, waits in (("env:MY_KEY", False, True), ("env:MY_KEY", True, False)):
        text = starter_toml(mode=Mode.FRONTIER, key=key, key_found=found)
        assert 'key = "env:MY_KEY"' in text
        assert ("export MY_KEY=..." in text) is waits
    assert "export" not in starter_toml(mode=Mode.FRONTIER, key="file:a.key")


def test_a_job_without_a_model_needs_no_prompt_and_nothing_that_only_a_model_does() -> None:
    """And one with a model needs its prompt, as ever."""
    job = '[[jobs]]\nname = "a"\nevery = "1h"\n'
    watch = 'watch = { kind = "files", path = "in" }\n'
    assert check(tomllib.loads(f'{job}{watch}model = "none"'), "x").jobs[0].prompt == ""
    for more, said in (
        (watch, "prompt is missing"),
        ('model = "none"', 'model = "none" needs a watch'),
        (f'{watch}model = "none"\nanswer_lines = 3', "answer_lines is for a model"),
        (f'{watch}model = "none"\ntools = ["fetch"]', "tools is for a model"),
    ):
        with pytest.raises(ConfigError, match=said):
            check(tomllib.loads(job + more), "x")
