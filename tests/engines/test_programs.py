"""A tier served by a program of this machine, and what servers say of themselves.

The programs are toys with the names and options of the real ones: `llama-server` and `vllm` cannot
be had here in a minute. What they are told is held by `test_descriptions`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fakes.local_servers import FakeLmStudio, FakeOllama, FakeVllm
from tests.story.service import Service
from twotier.build.programs import engine_for, program_of, said_by, version_of
from twotier.config.load import Loaded, load
from twotier.config.schema import TierConfig
from twotier.engines import asked
from twotier.engines.base import Ownership, engine
from twotier.engines.questions import Held
from twotier.errors import ConfigError, EngineError

TOY = Path(__file__).resolve().parents[1] / "toys" / "server.py"
SCRIPT = """\
#!/bin/sh
[ "$1" = --version ] && {{ echo "{version}" >&2; echo built by hand >&2; exit 0; }}
while [ $# -gt 0 ]; do [ "$1" = --port ] && port=$2; shift; done
exec {python} {toy} --port "$port"
"""


def program(folder: Path, name: str, version: str = "version: 6673 (d64c8104)") -> Path:
    """A program that takes the real one's options, and is a toy."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(SCRIPT.format(version=version, python=sys.executable, toy=TOY))
    file.chmod(0o755)
    return file


def loaded(folder: Path, *lines: str) -> Loaded:
    """A configuration with one local tier."""
    file = folder / "twotier.toml"
    file.write_text("[tiers.local]\n" + "\n".join(lines) + "\n")
    return load(file)


def tier(config: Loaded) -> TierConfig:
    return config.config.tiers["local"]


def test_the_program_is_found_by_name_or_by_path_and_tells_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = program(tmp_path / "bin", "llama-server")
    by_path = loaded(tmp_path, 'engine = "llama_cpp"', 'model = "m.gguf"', f'program = "{file}"')
    assert tier(by_path).is_kept
    assert program_of(tier(by_path), by_path) == file
    relative = loaded(
        tmp_path, 'engine = "llama_cpp"', 'model = "m"', 'program = "bin/llama-server"'
    )
    assert program_of(tier(relative), relative) == file
    by_name = loaded(tmp_path, 'engine = "llama_cpp"', 'model = "m"', 'program = "llama-server"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert program_of(tier(by_name), by_name) == file
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    said = version_of(tier(by_name), by_name)
    assert said == "llama-server version: 6673 (d64c8104)"


def test_a_program_that_is_not_there_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    config = loaded(tmp_path, 'engine = "vllm"', 'model = "org/model"')
    assert tier(config).is_kept
    with pytest.raises(EngineError, match="install vllm, or say where it lies"):
        program_of(tier(config), config)
    assert version_of(tier(config), config) == ""
    assert said_by(("/nowhere/at/all",)) == ""


@pytest.mark.parametrize("name", ["llama_cpp", "mlx_lm", "vllm", "ollama", "lmstudio", "openai"])
def test_the_configuration_knows_which_engines_we_start(name: str) -> None:
    """It may not look into the engines; so this is held here."""
    place = "http://127.0.0.1:9/v1" if name == "openai" else None
    config = TierConfig(engine=name, model="m", base_url=place)
    assert config.is_kept == (engine_for(config).traits.ownership is Ownership.MANAGED)


def test_a_server_that_runs_already_is_not_ours(tmp_path: Path) -> None:
    place = 'base_url = "http://127.0.0.1:9/v1"'
    config = loaded(tmp_path, 'engine = "mlx_lm"', 'model = "m"', place)
    assert not tier(config).is_kept
    assert version_of(tier(config), config) == ""
    assert not TierConfig(provider="anthropic", model="m").is_kept
    assert version_of(TierConfig(provider="anthropic", model="m"), config) == ""


@pytest.mark.parametrize("engine_name", ["mlx_lm", "ollama"])
def test_a_program_is_for_engines_that_have_one(tmp_path: Path, engine_name: str) -> None:
    with pytest.raises(ConfigError, match="program is what twotier starts"):
        loaded(tmp_path, f'engine = "{engine_name}"', 'model = "m"', 'program = "x"')


def test_servers_say_what_they_hold_and_which_version_they_are(tmp_path: Path) -> None:
    with FakeOllama() as fake:
        traits = engine("ollama").traits
        held = (Held("qwen3:8b", 6_591_830_464, 4096),)
        assert asked.held(traits, f"{fake.base_url}/v1", key="k") == held
        config = loaded(
            tmp_path, 'engine = "ollama"', 'model = "m"', f'base_url = "{fake.base_url}"'
        )
        assert version_of(tier(config), config) == "ollama 0.40.1"
    with FakeLmStudio() as fake:
        traits = engine("lmstudio").traits
        assert asked.held(traits, fake.base_url) == (Held("qwen3-8b", 4_682_432_000, 8192),)
        old = asked.ask(traits.held[1], fake.base_url, seconds=2.0)
        assert old == (Held("qwen3-8b", None, 8192),)
        assert asked.version(traits, fake.base_url) == ""
    with FakeVllm() as fake:
        traits = engine("vllm").traits
        assert asked.held(traits, fake.base_url) is None
        assert asked.version(traits, fake.base_url) == "vllm-local 0.19.0"
        # A path it does not have, and a port where nobody is: nothing is told, and nothing fails.
        assert asked.version(engine("ollama").traits, fake.base_url) == ""
    assert asked.version(traits, "http://127.0.0.1:9", seconds=0.5) == ""
    assert asked.held(engine("ollama").traits, "https://127.0.0.1:9", seconds=0.5) is None


@pytest.mark.slow
def test_a_tier_is_served_by_the_owners_program(tmp_path: Path) -> None:
    """Started, asked and ended by us like any other; the doctor names the program."""
    file = program(tmp_path / "bin", "llama-server")
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    lines = f'engine = "llama_cpp"\nmodel = "{tmp_path}/m.gguf"\nprogram = "{file}"\n'
    with Service(tmp_path, f"[tiers.local]\n{lines}") as service:
        answer = service.client().chat.completions.create(
            model="local", messages=[{"role": "user", "content": "hello"}], max_tokens=8
        )
        assert answer.choices[0].message.content
        assert str(file) in service.command("doctor", code=0).stdout
