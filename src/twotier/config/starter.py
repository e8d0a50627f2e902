"""The configuration that `twotier up` writes where there is none: short, commented, at once useful.

It names the local model that was found on this machine (or the starter model), a frontier tier
that waits for its key, a budget, and one job that does something visible within a minute. It knows
nothing of how a local model is found: that is handed in.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from twotier.errors import ConfigError

FRONTIER_MODEL = "claude-opus-4-6"
FRONTIER_KEY_NAME = "ANTHROPIC_API_KEY"
FRONTIER_KEY = f"env:{FRONTIER_KEY_NAME}"
FOLDERS = ("inbox", "outbox")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """What the local tier of a new configuration is. `said` tells people in a sentence why."""

    engine: str
    model: str
    base_url: str = ""
    said: str = ""


STARTER = LocalModel(
    engine="llama_cpp",
    model="starter",
    said="The starter model: tiny, free, answers at once. Put your own model here.",
)

WATCH = 'watch = { kind = "files", path = "inbox" }'
# Asked for nothing in particular it goes on to any limit, and what it says gets no better.
STARTER_LIMIT = """\
output_tokens_default = 300    # it is so small that it often finds no end; take this out
"""
# Before the first word of an answer a model reads the whole file. Two cores give the starter model
# about 100 tokens a second, so the default of 12,000 bytes can be minutes (Japanese: 7,500 tokens).
STARTER_WATCH = """\
# The starter model reads slowly: the first 3,000 bytes of a file. For a real model take this out.
watch = { kind = "files", path = "inbox", item_bytes_max = 3000 }"""

TEMPLATE = """\
# twotier: one program between your work and two models.
# Every setting there is, with its default: `twotier config schema`. Check: `twotier config check`.

[tiers.local]
# {said}
engine = {engine}
model = {model}
{more}{address}
[tiers.frontier]
# Waits for its key. Either  export {key_name}=...  before `twotier up`, or write the key
# into a file beside this one (mode 0600) and say  key = "file:anthropic.key"
provider = "anthropic"
model = "{frontier}"
key = "env:{key_name}"

[aliases]                      # short names that clients may ask for
opus = "frontier"
m25 = "local"

[[budgets]]                    # over money that was really spent, or is reserved for answers
period = "day"
zone = "local"
alert_usd = 15                 # tells you, here and in `twotier status`; nothing stops. To hear of
                               # it elsewhere: `twotier notify add phone ntfy:A-LONG-SECRET-TOPIC`
limit_usd = 40                 # from here on only what is free

[[jobs]]                       # drop a text file into inbox/ and look into outbox/
name = "inbox"
{watch}
every = "10s"                  # nothing new = no model is asked
tier = "local-only"            # never leaves this machine
answer_lines = 3
prompt = "Summarise this text in three short lines."
deliver = "file:outbox/{{stem}}.summary.txt"
"""


def starter_toml(local: LocalModel = STARTER) -> str:
    """The text of a new `twotier.toml` around this local model."""
    address = f"base_url = {text(local.base_url)}\n" if local.base_url else ""
    return TEMPLATE.format(
        said=" ".join(local.said.split()),
        engine=text(local.engine),
        model=text(local.model),
        more=STARTER_LIMIT if local.model == STARTER.model else "",
        address=address,
        watch=STARTER_WATCH if local.model == STARTER.model else WATCH,
        frontier=FRONTIER_MODEL,
        key_name=FRONTIER_KEY_NAME,
    )


def write_starter(path: Path, local: LocalModel = STARTER) -> bool:
    """Write it with its folders; False and nothing changed where a file lies there already.

    Raises `ConfigError` where the folder cannot be written.
    """
    if path.exists():
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as exc:
        raise ConfigError(
            f"{path} cannot be written: {exc.strerror}; name another with `--config PATH`"
        ) from exc
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(starter_toml(local))
    for folder in FOLDERS:
        (path.parent / folder).mkdir(exist_ok=True)
    return True


def text(value: str) -> str:
    """A TOML string. JSON's escapes are a part of TOML's."""
    return json.dumps(value, ensure_ascii=False)
