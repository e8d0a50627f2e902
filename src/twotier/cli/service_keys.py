"""Secrets that only a terminal has, and where a service finds them.

A variable exported in a shell is not there for a program that launchd or systemd starts. It is
never written into a unit, which every program of the user can read. On request it is moved: into a
file of its owner's alone, or into the system's keyring; the configuration then names that place.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from twotier.cli.output import say
from twotier.cli.service_place import ENV, Service, every_place
from twotier.config.edit import put
from twotier.config.job_files import job_files
from twotier.config.load import Loaded, check_text
from twotier.config.paths import make_private
from twotier.config.secrets import KEYRING_USER, from_file
from twotier.config.starter import FRONTIER_KEY
from twotier.config.write import put_file, rewrite
from twotier.errors import ConfigError, UsageError

FOLDER = "secrets"
WAYS = ("file", "keyring")


def say_keys(service: Service) -> None:
    """Which secrets a service will not see, and what to do."""
    names = [one.removeprefix(ENV) for one in service.in_terminal()]
    if names:
        say(
            f"as a service it has no {', '.join(names)}: a terminal's variables are not there, and"
            " they are never written into its file. `twotier service install --move-keys file` (or"
            " keyring) moves those that are set here"
        )


def moved(loaded: Loaded, *, to: str) -> list[str]:
    """Every secret of the terminal that is set, into its new place; the places. What is not set
    stays as it is, and is said.
    """
    if to not in WAYS:
        raise UsageError(f"--move-keys {to!r} is not known; use one of {', '.join(WAYS)}")
    done = []
    for place in dict.fromkeys(one for one in every_place(loaded) if one.startswith(ENV)):
        name = place.removeprefix(ENV)
        secret = os.environ.get(name, "").strip()
        if not secret:
            say(f"{name} is not set here, so there is nothing to move")
            continue
        new = in_keyring(name, secret) if to == "keyring" else in_file(loaded, name, secret=secret)
        named(loaded, place, new=new)
        say(f"{name} lies at {new} now, and the configuration says so; `unset {name}`")
        done.append(new)
    return done


def in_file(loaded: Loaded, name: str, *, secret: str) -> str:
    """A file for its owner alone, beside the configuration. Raises `ConfigError` where another
    secret lies there.
    """
    folder = loaded.home / FOLDER
    make_private(folder)
    path = folder / f"{name.lower().replace('_', '-')}.key"
    there = from_file(path)
    if there is not None and there != secret:
        raise ConfigError(f"{path} holds another secret; remove it, or `unset {name}`")
    put_file(path, f"{secret}\n".encode())
    return f"file:{FOLDER}/{path.name}"


def in_keyring(name: str, secret: str) -> str:
    """The system's keyring. Raises `ConfigError` where there is none, or it does not give it back:
    a service could then not read it either.
    """
    try:
        keyring: Any = importlib.import_module("keyring")
        errors: Any = importlib.import_module("keyring.errors")
    except ImportError as exc:
        raise ConfigError(
            "a keyring needs the keyring package; run `pip install 'twotier[keyring]'`"
        ) from exc
    try:
        keyring.set_password(name, KEYRING_USER, secret)
        kept = keyring.get_password(name, KEYRING_USER)
    except errors.KeyringError as exc:
        raise ConfigError(
            f"the system keyring cannot be used ({type(exc).__name__}); `--move-keys file`"
        ) from exc
    if kept != secret:
        raise ConfigError("the system keyring does not give back what it got; `--move-keys file`")
    return f"keyring:{name}"


def named(loaded: Loaded, place: str, *, new: str) -> None:
    """The new place wherever the old one stands: in the configuration and in the jobs' files."""
    text = loaded.path.read_text(encoding="utf-8")
    changed = replaced(text, place, new=new)
    for name, tier in loaded.config.tiers.items():
        if place == FRONTIER_KEY and tier.key is None and tier.engine is None:
            changed = put(changed, f"tiers.{name}", key="key", to=new)
    check_text(changed, loaded.path)
    for file in job_files(loaded.home):
        rewritten(file.path, place, new=new)
    if changed != text:
        rewrite(loaded.path, changed)


def rewritten(path: Path, place: str, *, new: str) -> None:
    """One job's file."""
    text = path.read_text(encoding="utf-8")
    if (changed := replaced(text, place, new=new)) != text:
        rewrite(path, changed)


def replaced(text: str, place: str, *, new: str) -> str:
    """A text with the place that a string of it names, in either kind of quotes."""
    for quote in "\"'":
        text = text.replace(f"{quote}{place}{quote}", f"{quote}{new}{quote}")
    return text
