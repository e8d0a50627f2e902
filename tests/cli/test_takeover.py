"""`take-over` of a launchd job. launchd cannot run here: it is played, state and exit codes."""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from twotier.cli import takeover
from twotier.cli.takeover import do, meant, plan, take_over, undo
from twotier.config.load import load
from twotier.errors import ConfigError, EngineError, UsageError
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
    ending: int = 0  # so often it is still seen after `bootout`, as `state = SIGTERMed`
    asked: list[str] = field(default_factory=list)
    interrupted: bool = False

    def run(self, argv: Sequence[str]) -> Said:
        """As `launchctl`."""
        verb = argv[1]
        if verb == "print-disabled":
            word = "enabled" if self.enabled else "disabled"
            return Said(0, f'disabled services = {{\n\t"com.example.mlx" => {word}\n}}\n')
        if verb == "print":
            return self.printed()
        self.asked.append(" ".join(argv))
        if verb == self.refuses:
            return Said(5, err="Input/output error")
        if verb in ("enable", "disable"):
            self.enabled = verb == "enable"
        elif verb == "bootout":
            if not self.loaded:
                return Said(3, err="No such process")
            self.loaded = False
            return Said(36, err="Boot-out failed: 36: Operation now in progress")
        elif verb == "bootstrap":
            if self.loaded or self.ending or not self.enabled:
                return Said(5, err="Bootstrap failed: 5: Input/output error")
            self.loaded = True
        return Said(0)

    def printed(self) -> Said:
        """As `launchctl print`: a job that was taken out stays until its process has ended."""
        if not self.loaded and not self.ending:
            return Said(113, err="Could not find service")
        state = "running" if self.loaded else "SIGTERMed"
        if not self.loaded:
            self.ending -= 1
            if self.interrupted:
                self.interrupted = False
                raise KeyboardInterrupt
        return Said(0, f"gui/1/com.example.mlx = {{\n\tstate = {state}\n\tpid = 7\n}}\n")


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


def test_a_job_that_was_switched_off_is_off_again(config: Path) -> None:
    """It ran because a person had started it, and would not have come back at the next login."""
    launchd = PlayedLaunchd(enabled=False)
    do(plan(config, meant("launchd:com.example.mlx"), tier="", model=""), ask=launchd.run)
    undo(config, "launchd:com.example.mlx", as_json=True, ask=launchd.run)
    assert (launchd.loaded, launchd.enabled) == (True, False)


def test_a_job_that_is_ending_is_waited_for(config: Path) -> None:
    """`bootout` returns before the process has gone, which holds the memory until then."""
    launchd = PlayedLaunchd(ending=2)
    do(plan(config, meant("launchd:com.example.mlx"), tier="", model=""), ask=launchd.run)
    assert launchd.ending == 0
    assert load(config).config.tiers["local"].command


def test_ctrl_c_in_the_middle_puts_everything_back(config: Path) -> None:
    """The job is taken again only once the old process is gone."""
    launchd, original = PlayedLaunchd(ending=3, interrupted=True), agent(config).read_bytes()
    with pytest.raises(KeyboardInterrupt):
        do(plan(config, meant("launchd:com.example.mlx"), tier="", model=""), ask=launchd.run)
    assert (launchd.loaded, launchd.enabled) == (True, True)
    assert (agent(config).read_bytes(), config.read_text()) == (original, CONFIG)
    assert not list(agent(config).parent.glob("*original"))
    assert not list((config.parent / ".twotier" / "taken-over").iterdir())


def test_what_a_kill_left_half_done_is_only_undone(config: Path) -> None:
    """A second take-over would take the half for the whole, and no undo would find the way back."""
    launchd = PlayedLaunchd()
    taking = plan(config, meant("launchd:com.example.mlx"), tier="", model="")
    do(taking, ask=launchd.run)
    config.write_text(CONFIG)  # as if killed before it was written
    with pytest.raises(UsageError, match="--undo` puts it back first"):
        plan(config, meant("launchd:com.example.mlx"), tier="", model="")
    undo(config, "launchd:com.example.mlx", as_json=True, ask=launchd.run)
    assert launchd.loaded
    assert plan(config, meant("launchd:com.example.mlx"), tier="", model="").text == taking.text


def test_json_says_done_only_of_what_was_done(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails has one document, the error's."""
    monkeypatch.setenv("PATH", str(config.parent / "nowhere"))  # no launchctl
    with pytest.raises(EngineError, match="there is no command launchctl"):
        take_over(config, "launchd:com.example.mlx", tier="", model="", yes=True, as_json=True)
    assert capsys.readouterr().out == ""
    (config.parent / ".twotier" / "taken-over" / "launchd-com.example.mlx.json").unlink()
    take_over(config, "launchd:com.example.mlx", tier="", model="", yes=False, as_json=True)
    assert '"done": false' in capsys.readouterr().out


def test_a_unit_is_observed_by_either_name_and_read_with_all_its_files(config: Path) -> None:
    """`systemd:mlx` observes mlx.service too; a drop-in would change what it runs."""
    units = config.parent / ".config" / "systemd" / "user"
    (units / "mlx.service.d").mkdir(parents=True)
    (units / "mlx.service").write_text("[Service]\nExecStart=/bin/llama-server -m x.gguf\n")
    config.write_text(CONFIG.replace("launchd:com.example.mlx", "systemd:mlx"))
    assert plan(config, meant("systemd:mlx"), tier="", model="").tier == "local"
    (units / "mlx.service.d" / "override.conf").write_text("[Service]\nEnvironment=A=b\n")
    with pytest.raises(EngineError, match=r"override\.conf changes systemd:mlx\.service"):
        plan(config, meant("systemd:mlx"), tier="", model="")


def test_one_that_cannot_be_taken_out_stays_as_it_was(config: Path) -> None:
    """The configuration is untouched and the job enabled again; it is not started twice."""
    launchd = PlayedLaunchd(refuses="bootout")
    with pytest.raises(EngineError, match="Input/output error"):
        do(plan(config, meant("launchd:com.example.mlx"), tier="", model=""), ask=launchd.run)
    assert config.read_text() == CONFIG
    assert launchd.enabled
    assert "bootstrap" not in " ".join(launchd.asked)


def test_a_file_that_cannot_be_changed_or_was_changed_is_left_alone(config: Path) -> None:
    """Said before anything is done; and an undo never takes a person's own changes away: it gives
    the job back once the tier is taken out by hand.
    """
    launchd = PlayedLaunchd()
    do(plan(config, meant("launchd:com.example.mlx"), tier="", model=""), ask=launchd.run)
    config.write_text(config.read_text() + "# and a word of mine\n")
    with pytest.raises(ConfigError, match="changed since"):
        undo(config, "launchd:com.example.mlx", as_json=False, ask=launchd.run)
    assert not launchd.loaded
    config.write_text("# all mine\n")
    undo(config, "launchd:com.example.mlx", as_json=False, ask=launchd.run)
    assert (launchd.loaded, config.read_text()) == (True, "# all mine\n")
    config.write_text('aliases = { x = "local" }\n' + CONFIG.partition("[aliases]")[0])
    with pytest.raises(ConfigError, match="its own"):
        plan(config, meant("launchd:com.example.mlx"), tier="", model="")
