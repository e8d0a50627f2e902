"""OpenClaw: a provider with a price of zero and its window; with everything, its primary model."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from twotier.connect.edits import BlockEdit, JsonEdit
from twotier.connect.jsonc import Node, find, read
from twotier.connect.plan import Client, FileChange, Given, Home, Model, Plan, first_of
from twotier.errors import ConfigError

FREE = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}
WINDOW = (
    "a model's cost is told as 0: its own sum would not know which tier has answered, and"
    " `twotier spend --by client` does"
)
BEATS = (
    "its heartbeats and cron jobs name no job to us; `twotier key set openclaw --policy local-only`"
    " keeps all of it on this machine"
)
RELOAD = "a gateway of OpenClaw's that runs takes the file in by itself; the key is in its .env"


def plan(given: Given) -> Plan:
    """The provider; the key goes into its `.env`, which a configuration may name."""
    folder = given.home.place(".openclaw", variable="OPENCLAW_STATE_DIR")
    named = given.home.env.get("OPENCLAW_CONFIG_PATH")
    path = Path(named) if named else folder / "openclaw.json"
    provider = {
        "baseUrl": given.openai_url,
        "apiKey": "${TWOTIER_KEY}",
        "api": "openai-completions",
        "models": [model(one) for one in given.models],
    }
    members: list[tuple[list[str], Any]] = [(["models", "providers", "twotier"], provider)]
    defaults, there = ["agents", "defaults"], document(path)
    if (listed := find(there, (*defaults, "models"))) and listed.node.members:
        # With one entry in this map, every model that is not in it is refused.
        refs = (f"twotier/{one.name}" for one in given.models)
        members += [([*defaults, "models", ref], {}) for ref in refs]
    use = f"/model twotier/{given.model}   (in a chat; --all makes it the primary model)"
    if given.everything:
        one = find(there, (*defaults, "model"))
        plain = one is not None and isinstance(one.node.value, str)
        key = [*defaults, "model"] if plain else [*defaults, "model", "primary"]
        members.append((key, f"twotier/{given.model}"))
        use = "openclaw"
    files = (
        FileChange(path, JsonEdit(members)),
        FileChange(folder / ".env", BlockEdit(f"TWOTIER_KEY={given.key}\n"), secret=True),
    )
    return Plan(files, "chat", use, (WINDOW, BEATS, RELOAD))


def model(one: Model) -> dict[str, Any]:
    """One model, with what OpenClaw would take for 200,000 tokens otherwise."""
    return {
        "id": one.name,
        "name": f"{one.name} (twotier)",
        "input": ["text"],
        "cost": FREE,
        "contextWindow": one.window_tokens,
        "maxTokens": one.answer_tokens,
    }


def document(path: Path) -> Node:
    """Its configuration as it is; an empty one where it cannot be read, which `put` then says."""
    with suppress(OSError, ConfigError, UnicodeError):
        return read(path.read_text(encoding="utf-8"))
    return read("")


def found(home: Home) -> str:
    """The program, else its folder."""
    return first_of(home, "openclaw", home.place(".openclaw", variable="OPENCLAW_STATE_DIR"))


CLIENT = Client("openclaw", "OpenClaw", found, plan)
