"""The configuration that `twotier init` and the first `twotier up` write: short, commented, useful.

Four modes. It names the local model that was found on this machine (or the starter model), or a
frontier tier with the place of its key, or both, or neither; a budget, and one job that does
something visible within a minute. It knows nothing of how a local model is found: that is handed
in.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from twotier.errors import ConfigError

FRONTIER_MODEL = "claude-opus-4-6"
FRONTIER_KEY_NAME = "ANTHROPIC_API_KEY"
FRONTIER_KEY = f"env:{FRONTIER_KEY_NAME}"
FOLDERS = ("inbox", "outbox")


class Mode(StrEnum):
    """Which tiers a configuration begins with."""

    BOTH = "both"
    LOCAL = "local"
    FRONTIER = "frontier"
    NONE = "none"

    @property
    def has_local(self) -> bool:
        """Whether there is a model on this machine."""
        return self in (Mode.BOTH, Mode.LOCAL)

    @property
    def has_frontier(self) -> bool:
        """Whether there is one that costs money."""
        return self in (Mode.BOTH, Mode.FRONTIER)


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

HEAD = """\
# twotier: one program between your work and two models.
# Every setting there is, with its default: `twotier config schema`. Check: `twotier config check`.
"""
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

LOCAL = """\
[tiers.local]
# {said}
engine = {engine}
model = {model}
{more}{address}"""
NO_LOCAL = """\
# No model on this machine yet. Take the marks away for one that twotier starts and keeps alive:
# [tiers.local]
# engine = "llama_cpp"         # or mlx_lm on a Mac; ollama and lmstudio where one of them runs
# model = "starter"            # a .gguf file, a folder, or a name of `twotier models list`
"""
FRONTIER = """\
[tiers.frontier]
{key_said}
provider = "anthropic"
model = "{model}"
key = {key}
"""
KEY_WAITS = """\
# Waits for its key. Either  export {name}=...  before `twotier up`, or write the key
# into a file beside this one (mode 0600) and say  key = "file:anthropic.key\""""
KEY_PLACED = "# Only the place of its key stands here, never the key."
NO_FRONTIER = """\
# No frontier model, so nothing here costs money. Take the marks away for one:
# [tiers.frontier]
# provider = "anthropic"
# model = "{model}"
# key = "{key}"      # or "file:anthropic.key", mode 0600
"""
BUDGET = """\
[[budgets]]                    # over money that was really spent, or is reserved for answers
period = "day"
zone = "local"
alert_usd = 15                 # tells you, here and in `twotier status`; nothing stops. To hear of
                               # it elsewhere: `twotier notify add phone ntfy:A-LONG-SECRET-TOPIC`
limit_usd = 40                 # from here on only what is free
"""
JOB = """\
[[jobs]]                       # drop a text file into inbox/ and look into outbox/
name = "inbox"
{watch}
every = "10s"                  # nothing new = no model is asked
{tier}
answer_lines = 3
prompt = "Summarise this text in three short lines."
deliver = "file:outbox/{{stem}}.summary.txt"
"""
HERE = 'tier = "local-only"            # never leaves this machine'
PAID = """\
tier = "frontier"              # about a cent for a page of text
budget_usd = 1                 # a day"""
DIGEST = """\
[[jobs]]                       # drop a text file into inbox/ and look into outbox/
name = "inbox"
watch = { kind = "files", path = "inbox" }
every = "10s"
model = "none"                 # no model: title, place and the first words, by rule
deliver = "file:outbox/{stem}.digest.txt"
"""


def starter_toml(
    local: LocalModel = STARTER, *, mode: Mode = Mode.BOTH, key: str = "", key_found: bool = False
) -> str:
    """The text of a new `twotier.toml`. `key` is the place of the frontier's key, the usual one if
    empty; `key_found`: something lies there.
    """
    return "\n".join(
        [
            HEAD,
            local_part(local) if mode.has_local else NO_LOCAL,
            frontier_part(mode, key or FRONTIER_KEY, found=key_found),
            *([aliases(mode)] if mode is not Mode.NONE else []),
            BUDGET,
            job_part(local, mode),
        ]
    )


def local_part(local: LocalModel) -> str:
    """The tier on this machine."""
    return LOCAL.format(
        said=" ".join(local.said.split()),
        engine=text(local.engine),
        model=text(local.model),
        more=STARTER_LIMIT if local.model == STARTER.model else "",
        address=f"base_url = {text(local.base_url)}\n" if local.base_url else "",
    )


def frontier_part(mode: Mode, key: str, *, found: bool) -> str:
    """The tier with an API, or how to have one."""
    if not mode.has_frontier:
        return NO_FRONTIER.format(model=FRONTIER_MODEL, key=FRONTIER_KEY)
    waits = key.startswith("env:") and not found
    said = KEY_WAITS.format(name=key.removeprefix("env:")) if waits else KEY_PLACED
    return FRONTIER.format(key_said=said, model=FRONTIER_MODEL, key=text(key))


def aliases(mode: Mode) -> str:
    """Short names for the tiers there are."""
    lines = ["[aliases]                      # short names that clients may ask for"]
    lines += ['opus = "frontier"'] if mode.has_frontier else []
    lines += ['m25 = "local"'] if mode.has_local else []
    return "\n".join([*lines, ""])


def job_part(local: LocalModel, mode: Mode) -> str:
    """The first job, for the tiers there are."""
    if mode is Mode.NONE:
        return DIGEST
    small = mode.has_local and local.model == STARTER.model
    return JOB.format(
        watch=STARTER_WATCH if small else WATCH, tier=HERE if mode.has_local else PAID
    )


def write_starter(path: Path, local: LocalModel = STARTER, *, content: str = "") -> bool:
    """Write it with its folders; False and nothing changed where a file lies there already.
    `content` is its text, where it is not the one for both tiers.

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
        file.write(content or starter_toml(local))
    for folder in FOLDERS:
        (path.parent / folder).mkdir(exist_ok=True)
    return True


def text(value: str) -> str:
    """A TOML string. JSON's escapes are a part of TOML's."""
    return json.dumps(value, ensure_ascii=False)
