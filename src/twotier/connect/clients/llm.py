"""llm: models of ours beside its own, and the key among its keys."""

from __future__ import annotations

from pathlib import Path

from twotier.connect.edits import BlockEdit, JsonEdit, WholeEdit
from twotier.connect.plan import Client, FileChange, Given, Home, Plan, first_of

MAC = ("Library", "Application Support", "io.datasette.llm")


def folder(home: Home) -> Path:
    """Where it keeps its own, by its own rule."""
    if named := home.env.get("LLM_USER_PATH"):
        return Path(named)
    return home.place(*MAC) if home.mac else home.config("io.datasette.llm")


def plan(given: Given) -> Plan:
    """One entry for each name of ours; with everything, the one it takes unasked."""
    entries = (
        f"- model_id: twotier-{one.name}\n"
        f"  model_name: {one.name}\n"
        f"  api_base: {given.openai_url}\n"
        "  api_key_name: twotier\n"
        "  supports_tools: true\n"
        for one in given.models
    )
    where = folder(given.home)
    files = [
        FileChange(where / "extra-openai-models.yaml", BlockEdit("".join(entries))),
        FileChange(where / "keys.json", JsonEdit([(["twotier"], given.key)]), secret=True),
    ]
    use = f"llm -m twotier-{given.model} 'Hello'"
    if given.everything:
        chosen = WholeEdit(f"twotier-{given.model}", replaces=True)
        files.append(FileChange(where / "default_model.txt", chosen))
        use = "llm 'Hello'"
    return Plan(tuple(files), "chat", use)


def found(home: Home) -> str:
    """The program, else its folder."""
    return first_of(home, "llm", folder(home))


CLIENT = Client("llm", "llm", found, plan)
