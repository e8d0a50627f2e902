"""Codex: by default a profile of its own (`codex -p twotier`), so nothing it does now changes."""

from __future__ import annotations

from typing import Any

from twotier.connect.edits import TomlEdit
from twotier.connect.plan import Client, FileChange, Given, Home, Plan, first_of

QUIET = (
    "check_for_update_on_startup = false, [analytics] enabled = false and [features] plugins, apps"
    " and remote_plugin = false keep it from calling anybody else; they are yours to set"
)
PATCH = (
    "to a name it does not know it offers its shell and no apply_patch; docs/clients.md has the"
    " alias that brings it"
)


def plan(given: Given) -> Plan:
    """The provider, and a model of ours: in the profile, or in its configuration itself."""
    home, chosen = given.home, given.chosen
    top: dict[str, Any] = {
        "model": chosen.name,
        "model_provider": "twotier",
        "model_context_window": chosen.window_tokens,
    }
    provider: dict[str, Any] = {
        "name": "twotier",
        "base_url": given.openai_url,
        "wire_api": "responses",
    }
    auth: dict[str, Any] = {"command": "/bin/cat", "args": [str(given.key_file)]}
    tables = {"model_providers.twotier": provider, "model_providers.twotier.auth": auth}
    name = "config.toml" if given.everything else "twotier.config.toml"
    path = home.place(".codex", name, variable="CODEX_HOME")
    use = "codex" if given.everything else "codex -p twotier"
    return Plan((FileChange(path, TomlEdit(top, tables)),), "responses", use, (PATCH, QUIET))


def found(home: Home) -> str:
    """The program, else its folder."""
    return first_of(home, "codex", home.place(".codex", variable="CODEX_HOME"))


CLIENT = Client("codex", "Codex", found, plan)
