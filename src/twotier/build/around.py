"""What `twotier init` finds on a machine: servers, models, names of keys, and other programs.

Only looks. Of the environment it takes names and never a value; of other programs' files whether
they are there. Servers are asked for their list of models, all at the same time.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from twotier.build.machine import memory_bytes
from twotier.build.shelves import shelves
from twotier.config.starter import FRONTIER_KEY_NAME, STARTER, LocalModel
from twotier.models import discover
from twotier.models.discover import FoundModel, FoundServer
from twotier.models.starter import STARTER as STARTER_FILE

# A model on disk is only suggested where it and its working memory can fit at all.
MODEL_SHARE_MAX = 0.7
KEY_NAMES = (
    *(FRONTIER_KEY_NAME, "OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY"),
    *("GOOGLE_API_KEY", "MISTRAL_API_KEY", "DEEPSEEK_API_KEY", "XAI_API_KEY", "GROQ_API_KEY"),
)
# They list what they can embed or hear beside what can answer.
NO_CHAT = ("embed", "rerank", "whisper", "bge-")
OPENCLAW = (
    *((".openclaw", "openclaw.json"), (".clawdbot", "clawdbot.json")),
    *((".moltbot", "moltbot.json"), (".moldbot", "moldbot.json")),
)


@dataclass(frozen=True, slots=True)
class Around:
    """What there is. `keys` are names of variables that are set. `openclaw` and `claude_code` are
    the file and the folder of those programs, None where there is none.
    """

    servers: tuple[FoundServer, ...] = ()
    models: tuple[FoundModel, ...] = ()
    keys: tuple[str, ...] = ()
    memory_bytes: int = 0
    openclaw: Path | None = None
    claude_code: Path | None = None

    @property
    def local(self) -> LocalModel | None:
        """A server that answers, else the largest model on disk that fits; None for neither."""
        for server in self.servers:
            if model := first_chat_model(server.models):
                return of_server(server, model)
        for model_file in self.models:
            if fits(model_file, self.memory_bytes):
                return LocalModel(
                    engine=model_file.engine,
                    model=str(model_file.path),
                    said=f"Found: {model_file.text()}.",
                )
        return None

    @property
    def has_key(self) -> bool:
        """Whether the frontier's usual key is set."""
        return FRONTIER_KEY_NAME in self.keys


async def look_around(
    env: Mapping[str, str], *, home: Path, places: Sequence[discover.Place] = discover.PLACES
) -> Around:
    """Look at everything: 0.3 seconds for all servers, and the time to list some folders."""
    return Around(
        servers=await discover.servers(places),
        models=shelves().found(),
        keys=tuple(name for name in KEY_NAMES if env.get(name, "").strip()),
        memory_bytes=memory_bytes(),
        openclaw=openclaw_file(env, home),
        claude_code=claude_folder(env, home),
    )


def suggestion(servers: Sequence[FoundServer]) -> LocalModel:
    """The local tier of a configuration that must have one: the starter model where else nothing
    is found.
    """
    total = int(psutil.virtual_memory().total)
    found = Around(tuple(servers), memory_bytes=total).local
    return found or Around(models=shelves().found(), memory_bytes=total).local or STARTER


def of_server(server: FoundServer, model: str) -> LocalModel:
    """A tier that is asked of a server somebody else runs."""
    return LocalModel(
        engine=server.engine,
        model=model,
        base_url=f"{server.base_url}/v1",
        said=f"Found: {server.text()}. Something else keeps it running.",
    )


def first_chat_model(names: Sequence[str]) -> str:
    """The first that can answer, as far as its name says; empty for none."""
    chat = (name for name in names if not any(word in name.lower() for word in NO_CHAT))
    return next(chat, "")


def fits(model: FoundModel, memory: int) -> bool:
    """Whether this machine can serve it, by its size alone."""
    usable = model.engine != "mlx_lm" or sys.platform == "darwin"
    small = model.size_bytes < memory * MODEL_SHARE_MAX
    return usable and small and model.path.name != STARTER_FILE.file


def openclaw_file(env: Mapping[str, str], home: Path) -> Path | None:
    """Its configuration, under the names it has had."""
    named = env.get("OPENCLAW_CONFIG_PATH")
    state = env.get("OPENCLAW_STATE_DIR")
    candidates = [
        *([Path(named).expanduser()] if named else []),
        *([Path(state).expanduser() / "openclaw.json"] if state else []),
        *(home / folder / name for folder, name in OPENCLAW),
    ]
    return next((path for path in candidates if path.is_file()), None)


def claude_folder(env: Mapping[str, str], home: Path) -> Path | None:
    """The folder of Claude Code's settings."""
    named = env.get("CLAUDE_CONFIG_DIR")
    folder = Path(named).expanduser() if named else home / ".claude"
    return folder if folder.is_dir() else None
