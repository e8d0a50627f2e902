"""Continue (the editor's extension and `cn`): models of ours among its own."""

from __future__ import annotations

from twotier.connect.edits import BlockEdit
from twotier.connect.plan import Client, FileChange, Given, Home, Model, Plan, first_of

HEAD = "name: My models\nversion: 1.0.0\nschema: v1\n"
QUIET = "CONTINUE_TELEMETRY_ENABLED=0 keeps it from calling anybody else; it is yours to set"


def plan(given: Given) -> Plan:
    """Its list of models; with everything ours come first, which it then takes unasked."""
    folder = given.home.place(".continue", variable="CONTINUE_GLOBAL_DIR")
    first = sorted(given.models, key=lambda one: one.name != given.model)
    body = "".join(entry(one, given.openai_url) for one in first)
    files = (
        FileChange(folder / "config.yaml", BlockEdit(body, "models", given.everything, HEAD)),
        FileChange(folder / ".env", BlockEdit(f"TWOTIER_KEY={given.key}\n"), secret=True),
    )
    use = "cn" if given.everything else f"cn   (then: /model twotier {given.model})"
    return Plan(files, "chat", use, (QUIET,))


def entry(one: Model, url: str) -> str:
    """One model."""
    return (
        f"- name: twotier {one.name}\n"
        "  provider: openai\n"
        f"  model: {one.name}\n"
        f"  apiBase: {url}\n"
        "  apiKey: ${{ secrets.TWOTIER_KEY }}\n"
        "  roles: [chat, edit, apply]\n"
        "  capabilities: [tool_use]\n"
        "  defaultCompletionOptions:\n"
        f"    contextLength: {one.window_tokens}\n"
        f"    maxTokens: {one.answer_tokens}\n"
    )


def found(home: Home) -> str:
    """The program, else its folder."""
    return first_of(home, "cn", home.place(".continue", variable="CONTINUE_GLOBAL_DIR"))


CLIENT = Client("continue", "Continue", found, plan)
