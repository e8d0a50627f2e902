"""What main hands to the worker when it starts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from twotier.build.worker import worker_environment
from twotier.config.load import load

CONFIG = """
[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
key = "env:TT_FRONTIER"

[ntfy]
token = "env:TT_NTFY"

[smtp]
host = "mail.example.org"
sender = "me@example.org"
user = "me"
password = "env:TT_SMTP"

[chat.telegram]
chats = [7]
token = "env:TT_CHAT"

[tools.send.me]
to = "webhook:env:TT_HOOK"

[tools.api.list]
url = "https://example.org"
secrets = { key = "env:TT_API" }

[[jobs]]
name = "mail"
every = "1h"
prompt = "Read."
watch = { kind = "imap", host = "mail.example.org", user = "me", password = "env:TT_IMAP" }
"""


def test_named_secrets_go_with_it_and_no_model_key_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of jobs, tools, conversations and messages; its environment has nothing else."""
    names = ("FRONTIER", "NTFY", "SMTP", "CHAT", "HOOK", "API", "IMAP")
    for name in names:
        monkeypatch.setenv(f"TT_{name}", f"value of {name}")
    path = tmp_path / "twotier.toml"
    path.write_text(CONFIG, encoding="utf-8")
    handed = worker_environment(load(path))
    wanted = {f"TT_{name}": f"value of {name}" for name in names if name != "FRONTIER"}
    assert handed == wanted
