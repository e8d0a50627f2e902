"""Open WebUI: a server with settings in its own database, so it gets its environment as a file."""

from __future__ import annotations

from twotier.connect.edits import WholeEdit
from twotier.connect.plan import Client, FileChange, Given, Home, Plan, first_of

FIRST = (
    "it reads these at its first start and keeps them; later, change them under Admin Settings,"
    " Connections"
)
DOCKER = (
    "in a container 127.0.0.1 is the container: use host.docker.internal in the address, and see"
    " [gateway] host and allowed_hosts"
)


def plan(given: Given) -> Plan:
    """Variables for `docker run --env-file` or a shell."""
    text = (
        "ENABLE_OPENAI_API=true\n"
        "ENABLE_OLLAMA_API=false\n"
        f"OPENAI_API_BASE_URL={given.openai_url}\n"
        f"OPENAI_API_KEY={given.key}\n"
        f"DEFAULT_MODELS={given.model}\n"
    )
    path = given.key_file.with_name("open-webui.env")
    files = (FileChange(path, WholeEdit(text), secret=True),)
    shown = given.home.shown(path)
    use = f"set -a; . {shown}; open-webui serve   (or docker run --env-file {shown} ...)"
    return Plan(files, "chat", use, (FIRST, DOCKER))


def found(home: Home) -> str:
    """The program."""
    return first_of(home, "open-webui")


CLIENT = Client("open-webui", "Open WebUI", found, plan)
