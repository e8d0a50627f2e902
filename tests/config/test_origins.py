"""Who said each setting."""

from __future__ import annotations

from pathlib import Path

from twotier.config.load import load
from twotier.config.origins import settings

TEXT = """
[gateway]
port = 8123

[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
base_url = "https://me:s3cret@proxy.example/v1?token=s3cret"
key = "env:ANTHROPIC_API_KEY"

[aliases]
opus = "frontier"

[alerts.channels.team]
to = "webhook:https://hooks.example/s3cret"

[[jobs]]
name = "first"
every = "1h"
prompt = "Say {something}."
"""


def found(tmp_path: Path) -> dict[str, tuple[object, str]]:
    """What a configuration with a job of its own file comes to."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "second.toml").write_text('every = "2h"\nprompt = "Look."\n')
    path = tmp_path / "twotier.toml"
    path.write_text(TEXT)
    return {one.path: (one.value, one.origin) for one in settings(load(path))}


def test_each_setting_is_told_with_the_file_that_says_it(tmp_path: Path) -> None:
    """In the file, in a job's own file, or nowhere; tables of plain values count as a whole."""
    told = found(tmp_path)
    assert told["gateway.port"] == (8123, "twotier.toml")
    assert told["gateway.host"] == ("127.0.0.1", "default")
    assert told["tiers.frontier.model"] == ("claude-opus-4-6", "twotier.toml")
    assert told["tiers.frontier.idle_seconds"][1] == "default"
    assert told["aliases.opus"] == ("frontier", "twotier.toml")
    assert told["jobs[0].every"][1] == "twotier.toml"
    assert told["jobs[1].prompt"] == ("Look.", "jobs/second.toml")
    assert told["jobs[1].tier"][1] == "default"
    assert told["ledger.keep_days"][1] == "default"


def test_no_secret_is_told(tmp_path: Path) -> None:
    told = found(tmp_path)
    assert "s3cret" not in str(told)
    assert told["tiers.frontier.key"] == ("env:ANTHROPIC_API_KEY", "twotier.toml")
