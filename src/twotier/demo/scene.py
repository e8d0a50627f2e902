"""The configuration of the day: two tiers, five jobs, a budget with an alert, a phone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from twotier.demo.mind import BRIEF, POST

ALERT_USD = "0.15"
LIMIT_USD = "5"
# An agent that looks without change checks reads so much each time: instructions, tools, history.
INSTRUCTIONS = "Say what is new. " + "Keep to the rules of the house. " * 300
TEXT = """
state = ".twotier"

[gateway]
port = 0

[alerts]
to = "webhook:http://{site}/phone"
terminal = false

[[budgets]]
name = "day"
period = "day"
zone = "UTC"
alert_usd = {alert}
limit_usd = {limit}

[tiers.local]
engine = "openai"
model = "scripted"
command = {command}
window_tokens = 131_072

[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
base_url = "http://127.0.0.1:{frontier_port}"
key = "file:frontier.key"

[tools]
private_ok = ["{site}"]

[tools.send.stranger]
to = "webhook:http://{site}/stranger"

[[jobs]]
name = "comments"
every = "30m"
watch = {{ kind = "feed", url = "http://{site}/feed.xml" }}
prompt = {instructions}
tier = "local-only"
deliver = "file:outbox/comments.md"
zone = "UTC"

[[jobs]]
name = "inbox"
every = "1h"
watch = {{ kind = "files", path = "inbox", settle_seconds = 0.01 }}
prompt = {instructions}
tier = "local-only"
deliver = "file:outbox/inbox.md"
zone = "UTC"

[[jobs]]
name = "prices"
every = "2h"
watch = {{ kind = "page", url = "http://{site}/prices.html" }}
prompt = "Say what has changed on the page."
tier = "local-only"
tools = ["read_file", "send"]
quarantine = false
root = "private"
deliver = "file:outbox/prices.md"
zone = "UTC"

[[jobs]]
name = "brief"
cron = "30 6 * * *"
prompt = {brief}
tier = "frontier"
deliver = "file:outbox/brief.md"
zone = "UTC"

[[jobs]]
name = "post"
cron = "0 10 * * *"
prompt = {post}
tier = "frontier"
deliver = "file:outbox/post.md"
zone = "UTC"
"""


def laid(home: Path, *, site: str, frontier_port: int) -> Path:
    """Everything of the day in a folder; the path of the configuration."""
    for name in ("inbox", "outbox", "private"):
        (home / name).mkdir()
    (home / "private" / "accounts.txt").write_text("account 12-34\n", encoding="utf-8")
    key = home / "frontier.key"
    key.touch(mode=0o600)
    key.write_text("no-key-is-needed-here\n", encoding="ascii")
    config = home / "twotier.toml"
    material = "Yesterday's figures and notes. " * 400
    text = TEXT.format(
        site=site,
        frontier_port=frontier_port,
        command=json.dumps([sys.executable, "-m", "twotier.demo.model", "--port", "{port}"]),
        alert=ALERT_USD,
        limit=LIMIT_USD,
        instructions=json.dumps(INSTRUCTIONS),
        brief=json.dumps(f"{BRIEF}. {material}"),
        post=json.dumps(f"{POST}. {material}"),
    )
    config.write_text(text, encoding="utf-8")
    return config
