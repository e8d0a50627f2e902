"""Which of the four modes a machine begins with, and the sentences that say why. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from twotier.build.around import Around
from twotier.config.job_templates import template_names, template_of
from twotier.config.schema import Config
from twotier.config.starter import FRONTIER_KEY, FRONTIER_KEY_NAME, STARTER, LocalModel, Mode
from twotier.config.values import secret_place
from twotier.errors import UsageError
from twotier.models.verdict import gigabytes

SHOWN_MAX = 3
MEANS = {
    Mode.BOTH: "a local model for the many small things, Claude for the few hard ones",
    Mode.LOCAL: "everything on this machine; nothing costs money",
    Mode.FRONTIER: "everything by API; a budget stops it",
    Mode.NONE: "no model: watchers, digests and messages work; what needs a model waits",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed. Everything may be left out."""

    mode: Mode | None = None
    local: LocalModel | None = None
    frontier_key: str = ""
    job: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    yes: bool = False
    as_json: bool = False

    @property
    def asks_for_tiers(self) -> bool:
        """Whether it says what a configuration should be."""
        return bool(self.mode or self.local or self.frontier_key)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be written. `key` is the place of the frontier's key."""

    mode: Mode
    local: LocalModel
    key: str
    key_found: bool
    because: str


def choose(around: Around, wanted: Wanted) -> Choice:
    """The mode that was asked for, else the one that what was found is enough for."""
    local = wanted.local or around.local
    has_key = bool(wanted.frontier_key) or around.has_key
    mode = wanted.mode or usual(has_local=local is not None, has_key=has_key)
    if wanted.local and not mode.has_local:
        raise UsageError(f"--local goes with --mode both or local, not with {mode}")
    if wanted.frontier_key and not mode.has_frontier:
        raise UsageError(f"--frontier-key goes with --mode both or frontier, not with {mode}")
    because = "you asked for it" if wanted.mode else found_text(local, has_key=has_key)
    return Choice(
        mode, local or STARTER, wanted.frontier_key or FRONTIER_KEY, has_key, because=because
    )


def usual(*, has_local: bool, has_key: bool) -> Mode:
    """Where nothing is there at all, the starter model answers: local."""
    if has_key:
        return Mode.BOTH if has_local else Mode.FRONTIER
    return Mode.LOCAL


def found_text(local: LocalModel | None, *, has_key: bool) -> str:
    """Why that is the usual one here."""
    key = "a key for the frontier" if has_key else "no key for the frontier"
    if local is not None:
        return f"there is a local model, and {key}"
    if has_key:
        return f"there is {key}, and no local model"
    return "there is neither a model nor a key: the starter model answers, and does no real work"


def mode_of(config: Config) -> Mode:
    """The mode of a configuration that is there."""
    sides = {tier.is_local for tier in config.tiers.values()}
    if sides == {True, False}:
        return Mode.BOTH
    return Mode.LOCAL if True in sides else Mode.FRONTIER if sides else Mode.NONE


def jobs_of(mode: Mode) -> list[str]:
    """The templates that can run there: none that wants a side which is not."""
    cannot = set() if mode.has_local else {"local-only"}
    cannot |= set() if mode.has_frontier else {"frontier"}
    if mode is Mode.NONE:
        return []
    return [name for name in template_names() if template_of(name).tier not in cannot]


def place_of_key(text: str) -> str:
    """A place such as env:NAME. Raises `UsageError`, and never repeats what may be a key."""
    try:
        return secret_place(text) if text else ""
    except ValueError as exc:
        raise UsageError(f"--frontier-key {exc}") from exc


def found_lines(
    around: Around, *, login: str = "", commands: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """What was seen, a line each: what, and what of it. `login` is how Claude Code is paid for.
    `commands` are those that there are, so that none is named that is not.
    """
    for server in around.servers:
        yield "server", server.text()
    if not around.servers:
        yield "server", "none answers (Ollama, LM Studio, llama-server, mlx-lm, vLLM)"
    for model in around.models[:SHOWN_MAX]:
        yield "model", f"{model.name} ({model.size_bytes / 1e9:.1f} GB, {model.engine})"
    if not around.models:
        yield "model", "none on this disk"
    if (more := len(around.models) - SHOWN_MAX) > 0:
        yield "model", f"and {more} more: `twotier models list`"
    yield "memory", gigabytes(around.memory_bytes)
    yield "keys", keys_text(around.keys)
    if around.openclaw is not None:
        way = ": `twotier import openclaw` takes its jobs along" if "import" in commands else ""
        yield "OpenClaw", f"{around.openclaw}{way}"
    if around.claude_code is not None:
        way = ": `twotier connect claude-code`" if "connect" in commands else ""
        paid = f" {login}" if login else ""
        yield "Claude Code", f"{around.claude_code}{paid}{way}"


def keys_text(names: tuple[str, ...]) -> str:
    """Names alone. Only the frontier's usual one is put to use by itself."""
    if not names:
        return f"none in the environment ({FRONTIER_KEY_NAME} and others)"
    others = [name for name in names if name != FRONTIER_KEY_NAME]
    said = [FRONTIER_KEY_NAME] if FRONTIER_KEY_NAME in names else []
    return ", ".join([*said, *(f"{name} (for a tier of your own)" for name in others)])
