"""opencode: a provider beside its own; with everything, its model and its small one too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twotier.connect.edits import JsonEdit
from twotier.connect.plan import Client, FileChange, Given, Home, Plan, first_of

QUIET = (
    '"autoupdate": false and "share": "disabled", and OPENCODE_DISABLE_AUTOUPDATE,'
    " _MODELS_FETCH, _LSP_DOWNLOAD and _DEFAULT_PLUGINS=1 keep it from calling anybody else; they"
    " are yours to set"
)


def plan(given: Given) -> Plan:
    """The provider with every name of ours."""
    models = {
        one.name: {
            "name": one.name,
            "limit": {"context": one.window_tokens, "output": one.answer_tokens},
        }
        for one in given.models
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "twotier",
        "options": {"baseURL": given.openai_url, "apiKey": f"{{file:{given.key_file}}}"},
        "models": models,
    }
    members: list[tuple[list[str], Any]] = [(["provider", "twotier"], provider)]
    use = f"opencode -m twotier/{given.model}   (or /models)"
    if given.everything:
        small = given.small or given.chosen
        members += [(["model"], f"twotier/{given.model}")]
        members += [(["small_model"], f"twotier/{small.name}")]
        use = "opencode"
    return Plan((FileChange(place(given.home), JsonEdit(members)),), "chat", use, (QUIET,))


def place(home: Home) -> Path:
    """Its configuration: the one that is there, else the usual one."""
    if named := home.env.get("OPENCODE_CONFIG"):
        return Path(named)
    both = [home.config("opencode", name) for name in ("opencode.json", "opencode.jsonc")]
    return next((path for path in both if path.exists()), both[0])


def found(home: Home) -> str:
    """The program, else its folder."""
    return first_of(home, "opencode", home.config("opencode"))


CLIENT = Client("opencode", "opencode", found, plan)
