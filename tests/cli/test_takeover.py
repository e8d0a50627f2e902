"""`take-over` of a launchd job. launchd cannot run here: it is played, state and exit codes."""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from twotier.cli import takeover
from twotier.cli.takeover import do, meant, plan, undo
from twotier.config.load import load
from twotier.errors import ConfigError, EngineError
from twotier.supervisor.owner import Said

CONFIG = """\
# mine
[tiers.local]            # the old server
engine = "mlx_lm"
model = "org/m25"
base_url = "http://127.0.0.1:8080/v1"
owner = "launchd:com.example.mlx"

[aliases]
m25 = "local"
"""
ARGV = ["/opt/homebrew/bin/mlx_lm.server", "--model", "org/m25"]


@dataclass
class PlayedLaunchd:
    """One job, loaded or not, enabled or not."""

    loaded: bool = True
    enabled: bool = True
    refuses: str = ""
    asked: list[str] = field(default_factory=list)

    def run(self, argv: Sequence[str]) -> Said:
        """As `launchctl`."""
        verb = argv[1]
        if verb == "print":
            block = "gui/1/com.example.mlx = {\n\tstate = running\n\tpid = 7\n}\n"
            return Said(0, block) if self.loaded else Said(113, err="Could not find service")
        self.asked.append(" ".join(argv))
        if verb == self.refuses:
            return Said(5, err="Input/output error")
        if verb in ("enable", "disable"):
            self.enabled = verb == "enable"
        elif verb == "bootout":
            if not self.loaded:
                return Said(3, err="No such process")
            self.loaded = False
        elif verb == "bootstrap":
            self.loaded = self.enabled
        return Said(0)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration that observes the job, and the job's file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    agents = tmp_path / "Library" / "LaunchAgents"
    agents.mkdir(parents=True)
    job = {"Label": "com.example.mlx", "ProgramArguments": ARGV, "KeepAlive": True}
    (agents / "com.example.mlx.plist").write_bytes(plistlib.dumps(job))
    path = tmp_path / "twotier.toml"
    path.write_text(CONFIG)
    return path


def agent(config: Path) -> Path:
    return config.parent / "Library" / "LaunchAgents" / "com.example.mlx.plist"


def test_the_job_is_gone_for_good_before_the_tier_is_ours(config: Path) -> None:
    """Disabled, then out of launchd; the tier that observed it is the managed one; and back."""
    launchd, original = PlayedLaunchd(), agent(config).read_bytes()
    taking = plan(config, meant("launchd:com.example.mlx"), tier="", model="")
    assert any("8080" in line for line in takeover.steps(taking))
    do(taking, ask=launchd.run)
    assert [one.split()[1] for one in launchd.asked] == ["disable", "bootout"]
    assert (launchd.loaded, launchd.enabled) == (False, False)
    tier = load(config).config.tiers["local"]
    assert tier.command == (*ARGV, "--port", "{port}")
    assert (tier.owner, tier.base_url, tier.engine) == (None, None, "mlx_lm")
    gateway = load(config).config.gateway
    assert (gateway.also_ports, gateway.also_without_key) == ((8080,), True)
    assert load(config).config.aliases == {
        "m25": "local",
        "default_model": "local",
        "org/m25": "local",
    }
    assert "# mine" in config.read_text()
    agent(config).unlink()
    undo(config, "launchd:com.example.mlx", as_json=False, ask=launchd.run)
    assert [one.split()[1] for one in launchd.asked[2:]] == ["enable", "bootstrap"]
    assert launchd.asked[-1].endswith(str(agent(config)))
    assert (launchd.loaded, launchd.enabled) == (True, True)
    assert (agent(config).read_bytes(), config.read_text()) == (original, CONFIG)


def test_a_job_that_is_not_loaded_is_only_kept_away(config: Path) -> None:
    """There is nothing to end, and nothing to start when it comes back."""
    launchd = PlayedLaunchd(loaded=False)
    do(plan(config, meant("launchd:com.example.mlx"), tier="", model=""), ask=launchd.run)
    undo(config, "launchd:com.example.mlx", as_json=True, ask=launchd.run)
    assert [one.split()[1] for one in launchd.asked] == ["disable", "enable"]


def test_one_that_cannot_be_taken_out_stays_as_it_was(config: Path) -> None:
    """The configuration is untouched and the job enabled again."""
    launchd = PlayedLaunchd(refuses="bootout")
    with pytest.raises(EngineError, match="Input/output error"):
        do(plan(config, meant("launchd:com.example.mlx"), tier="", model=""), ask=launchd.run)
    assert config.read_text() == CONFIG
    assert launchd.enabled


def test_a_file_that_cannot_be_changed_or_was_changed_is_left_alone(config: Path) -> None:
    """Said before anything is done; and an undo never takes a person's own changes away."""
    launchd = PlayedLaunchd()
    do(plan(config, meant("launchd:com.example.mlx"), tier="", model=""), ask=launchd.run)
    config.write_text(config.read_text() + "# and a word of mine\n")
    with pytest.raises(ConfigError, match="changed since"):
        undo(config, "launchd:com.example.mlx", as_json=False, ask=launchd.run)
    config.write_text('aliases = { x = "local" }\n' + CONFIG.partition("[aliases]")[0])
    with pytest.raises(ConfigError, match="its own"):
        plan(config, meant("launchd:com.example.mlx"), tier="", model="")
