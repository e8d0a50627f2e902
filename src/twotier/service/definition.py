"""What a job of launchd's or a unit of systemd's runs: its file in, a command out. Pure.

Only what can be carried over exactly is read. A unit that needs what a plain command cannot have (a
file of variables, steps before it, specifiers of its own) is refused with the line that says so.
"""

from __future__ import annotations

import plistlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any
from xml.parsers.expat import ExpatError

from twotier.domain.secret import sounds_secret
from twotier.errors import EngineError

_SPECIFIER = re.compile(r"%(.)")
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")
_REFUSED = ("EnvironmentFile", "ExecStartPre", "ExecCondition", "User", "RootDirectory")
_REFUSED_KEYS = ("Sockets", "UserName", "GroupName", "RootDirectory", "EnableGlobbing")
_PREFIXES = "-:"  # of ExecStart: "may fail", "no variables"; others change who runs it
PORT = "{port}"
_PORT_FLAG = re.compile(r"(--port[= ])(\d+)")
_HOST_FLAG = re.compile(r"(--host[= ])\S+")
_SECRET_FLAG = re.compile(r"(?:^|\s)(--?(?:api[-_]key|hf[-_]token|hft|token|password|secret))[=\s]")
_SHELLS = ("sh", "bash", "zsh", "dash")
# What these listen on when their command does not say.
PORTS: Mapping[str, int] = {"mlx_lm": 8080, "llama_cpp": 8080, "vllm": 8000, "ollama": 11434}
OLLAMA = "OLLAMA_HOST"  # its one way to be told where to listen
_KINDS: tuple[tuple[str, str], ...] = (
    (r"mlx[-_]lm", "mlx_lm"),
    (r"llama-server|llama_cpp|llama\.cpp", "llama_cpp"),
    (r"\bvllm\b", "vllm"),
    (r"\bollama\b", "ollama"),
)


@dataclass(frozen=True, slots=True)
class Definition:
    """One command as its owner runs it."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Movable:
    """The same command for any port: `{port}` stands where it goes. `port` is the one it had.

    `left_out` are variables that hold a secret: those are never written into a configuration.
    """

    definition: Definition
    engine: str
    model: str
    port: int
    left_out: tuple[str, ...] = ()


def from_plist(data: bytes) -> Definition:
    """Of a property list. Raises `EngineError`."""
    try:
        found: Any = plistlib.loads(data)
    except (plistlib.InvalidFileException, ExpatError, ValueError) as exc:
        raise EngineError(f"the property list cannot be read: {exc}") from exc
    if not isinstance(found, dict):
        raise EngineError("the property list cannot be read: it is no dictionary")
    argv = found.get("ProgramArguments") or [found.get("Program")]
    if not argv[0]:
        raise EngineError("the property list has neither ProgramArguments nor Program")
    if program := found.get("Program"):
        argv = [program, *argv[1:]]
    for name in _REFUSED_KEYS:
        if name in found:
            raise EngineError(f"the job has {name}, which a plain command has not")
    env = {str(name): str(value) for name, value in found.get("EnvironmentVariables", {}).items()}
    folder = str(found.get("WorkingDirectory", "/"))  # launchd's own default
    return Definition(tuple(str(word) for word in argv), env, folder)


def from_unit(text: str, *, home: str) -> Definition:
    """Of a unit file of the user's own. Raises `EngineError` for what cannot be carried over."""
    found = settings(text)
    for name in _REFUSED:
        if name in found:
            raise EngineError(f"the unit has {name}=, which a plain command has not")
    if len(found.get("ExecStart", ())) != 1:
        raise EngineError("the unit needs exactly one ExecStart=")
    words = [word for line in found.get("Environment", ()) for word in words_of(line)]
    env = dict(word.split("=", 1) for word in words if "=" in word)
    env = {name: specified(value, home=home) for name, value in env.items()}
    command = found["ExecStart"][0].lstrip(_PREFIXES)
    argv = words_of(specified(command, home=home))
    if not argv or argv[0][0] in "@+!|":
        raise EngineError(f"ExecStart={found['ExecStart'][0]} is not a plain command")
    if ":" not in found["ExecStart"][0].removesuffix(command):
        argv = [expanded(word, env) for word in argv]
    # systemd's own default is the home; `~` is a word of its own there, and means the same.
    folder = specified(found.get("WorkingDirectory", ("~",))[-1], home=home).lstrip("-")
    folder = f"{home}{folder[1:]}" if folder.startswith("~") else folder
    return Definition(tuple(argv), env, folder)


def words_of(line: str) -> list[str]:
    """Its words, quotes undone. Raises `EngineError`."""
    try:
        return shlex.split(line)
    except ValueError as exc:
        raise EngineError(f"the unit has a line that cannot be read ({exc}): {line}") from exc


def settings(text: str) -> dict[str, tuple[str, ...]]:
    """The lines of `[Service]`: each name with its values; an empty one forgets the others."""
    found: dict[str, tuple[str, ...]] = {}
    section = ""
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped
        elif section == "[Service]" and "=" in stripped and stripped[0] not in "#;":
            name, _, value = stripped.partition("=")
            name, value = name.strip(), value.strip()
            found[name] = (*found.get(name, ()), value) if value else ()
    return {name: values for name, values in found.items() if values}


def specified(text: str, *, home: str) -> str:
    """With `%h` and `%%` put in. Raises `EngineError` for other specifiers."""

    def one(match: re.Match[str]) -> str:
        known = {"h": home, "%": "%"}
        if match.group(1) not in known:
            raise EngineError(f"the unit uses %{match.group(1)}, which only systemd can say")
        return known[match.group(1)]

    return _SPECIFIER.sub(one, text)


def expanded(word: str, env: Mapping[str, str]) -> str:
    """With the unit's own variables put in, and `$$` for `$`. Raises `EngineError` for others."""

    def one(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2)
        if name is None:
            return "$"
        if name not in env:
            raise EngineError(f"the command uses ${name}, which the unit does not set")
        return env[name]

    return _VARIABLE.sub(one, word)


def movable(definition: Definition, *, model: str = "") -> Movable:
    """The command for any port. Raises `EngineError` where its model or port cannot be seen."""
    words = " ".join(definition.argv)
    if found := _SECRET_FLAG.search(f"{words} "):
        raise EngineError(
            f"the command holds a secret ({found.group(1)}), and a configuration holds none; take"
            " it out of the job first: nobody but twotier reaches its new port"
        )
    engine = next((name for pattern, name in _KINDS if re.search(pattern, words)), "openai")
    named = model or flag(definition.argv, "--model", "--hf-repo", "-hf")
    if not named and "llama-server" in words:  # for others it may be python's `-m MODULE`
        named = flag(definition.argv, "-m")
    if not named:
        raise EngineError("the command does not say which model it serves; name it: --model NAME")
    secret = tuple(sorted(name for name in definition.env if sounds_secret(name)))
    env = {name: value for name, value in definition.env.items() if name not in secret}
    if engine == "ollama":
        port = env.get(OLLAMA, "").rpartition(":")[2]
        moved = replace(definition, env={**env, OLLAMA: f"127.0.0.1:{PORT}"})
    else:
        port = flag(definition.argv, "--port") or found_in(_PORT_FLAG, words)
        moved = replace(definition, argv=elsewhere(definition.argv, engine=engine), env=env)
    if not port.isdecimal() and engine not in PORTS:
        raise EngineError(f"the command's port is {port!r}, and has to be a number")
    return Movable(moved, engine, named, int(port) if port.isdecimal() else PORTS[engine], secret)


def elsewhere(argv: tuple[str, ...], *, engine: str) -> tuple[str, ...]:
    """The command with `{port}` in place of its port, on loopback. Raises `EngineError`."""
    shell = (
        PurePath(argv[0]).name in _SHELLS
    )  # what is added behind its line never reaches the server
    moved = with_flag(argv, "--port", value=PORT)
    if moved == argv:
        moved = tuple(_PORT_FLAG.sub(rf"\g<1>{PORT}", word) for word in argv)
    if moved == argv:
        if engine not in PORTS or shell:
            raise EngineError("the command does not say its port (--port N), so it cannot move")
        moved = (*argv, "--port", PORT)
    if engine == "vllm" and not shell and "--host" not in " ".join(argv):
        moved = (*moved, "--host", "127.0.0.1")  # its default is every address
    moved = with_flag(moved, "--host", value="127.0.0.1")
    return tuple(_HOST_FLAG.sub(r"\g<1>127.0.0.1", word) for word in moved)


def flag(argv: tuple[str, ...], *names: str) -> str:
    """The value of the first of these flags that is there, empty if none is."""
    for wanted in names:
        for word, after in zip(argv, (*argv[1:], ""), strict=True):
            name, equals, value = word.partition("=")
            if name == wanted:
                return value if equals else after
    return ""


def with_flag(argv: tuple[str, ...], name: str, *, value: str) -> tuple[str, ...]:
    """The same words, this flag with another value where it is there."""
    words = list(argv)
    for place, word in enumerate(argv):
        if word == name and place + 1 < len(words):
            words[place + 1] = value
        elif word.startswith(f"{name}="):
            words[place] = f"{name}={value}"
    return tuple(words)


def found_in(pattern: re.Pattern[str], text: str) -> str:
    """The second group of the first hit, empty without one."""
    hit = pattern.search(text)
    return hit.group(2) if hit else ""
