"""aider: it has one address for all it calls OpenAI, so by default it gets a file of its own."""

from __future__ import annotations

import json

from twotier.connect.edits import BlockEdit
from twotier.connect.plan import Client, FileChange, Given, Home, Plan, first_of

QUIET = (
    "check-update: false, analytics-disable: true and show-release-notes: false keep it from"
    " calling anybody else; they are yours to set"
)
IN_FILE = "the key lies in the file: aider can take it from nowhere else but the environment"


def plan(given: Given) -> Plan:
    """Settings by aider's own names; `openai/` in front says that the address is asked."""
    lines = [
        f"model: openai/{given.model}",
        f"openai-api-base: {given.openai_url}",
        f"openai-api-key: {json.dumps(given.key)}",
        "show-model-warnings: false",
    ]
    if given.small:
        lines.append(f"weak-model: openai/{given.small.name}")
    body = "\n".join(lines) + "\n"
    home = given.home.folder
    path = home / ".aider.conf.yml" if given.everything else home / ".aider.twotier.yml"
    use = "aider" if given.everything else f"aider --config {given.home.shown(path)}"
    files = (FileChange(path, BlockEdit(body), secret=True),)
    return Plan(files, "chat", use, (IN_FILE, QUIET))


def found(home: Home) -> str:
    """The program, else its configuration."""
    return first_of(home, "aider", home.folder / ".aider.conf.yml", home.folder / ".aider")


CLIENT = Client("aider", "aider", found, plan)
