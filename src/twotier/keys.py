"""The keys that clients of the gateway send.

The default one is made once and kept in a file of its own, so that `twotier key show` can print it.
Named ones are printed when they are made and never again: the key file holds their SHA-256 alone.
A key is 24 random bytes, so its digest needs no salt and cannot be guessed back. Whoever changes
the file does it under its lock and moves a whole new file into place; a main that runs is told
afterwards and reads it again.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from twotier.domain.money import MICROUSD_PER_USD
from twotier.domain.tier import TierPolicy
from twotier.errors import ConfigError, NotFoundError, UsageError
from twotier.lock import one_at_a_time

PREFIX = "tt-"
DEFAULT = "default"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# Names that stand in the ledger for somebody else.
DASHBOARD = "dashboard"
TAKEN = (DEFAULT, DASHBOARD, "cli", "worker")
KEYS_MAX = 1_000
VERSION: Literal[1] = 1

Period = Literal["day", "week", "month"]
AtLimit = Literal["stop", "local-only"]


class ClientKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One client: what its key may do. `digest` is the key's SHA-256 in hex.

    The entry `default` holds the default key's policy and budget, and no digest.
    `limit_microusd` is None where the key has no budget of its own.
    """

    name: str
    digest: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    policy: TierPolicy = TierPolicy.AUTO
    limit_microusd: Annotated[int, msgspec.Meta(ge=0)] | None = None
    period: Period = "day"
    at_limit: AtLimit = "stop"


def told(key: ClientKey | None) -> dict[str, Any]:
    """What a key may do, as plain values; None: the default one before anybody said otherwise."""
    if key is None:
        return {
            "name": DEFAULT,
            "policy": TierPolicy.AUTO.value,
            "budget": None,
            "created_at": None,
        }
    budget = None
    if key.limit_microusd is not None:
        usd = str(Decimal(key.limit_microusd) / MICROUSD_PER_USD)
        budget = {"limit_usd": usd, "period": key.period, "at_limit": key.at_limit}
    made = key.created.isoformat()
    return {"name": key.name, "policy": key.policy.value, "budget": budget, "created_at": made}


def listed(
    entries: Mapping[str, ClientKey], used: Mapping[str, str], *, spent: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Every client, the default one first: what it may do, when it asked last, and what it has
    spent of its budget, in dollars; null where nobody knows.
    """
    named = [told(one) for name, one in entries.items() if name != DEFAULT]
    return [
        one | {"used_at": used.get(one["name"]), "spent_usd": spent.get(one["name"])}
        for one in (told(entries.get(DEFAULT)), *named)
    ]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: Literal[1]
    keys: list[ClientKey]


def client_key(path: Path) -> str:
    """The default key at `path`, made first if there is none.

    Written beside and moved into place, so that a kill never leaves half a token. An empty file is
    none. A file that others could read is closed to them: what they read stays valid until the
    owner removes the file.
    """
    if path.exists() and (key := path.read_text(encoding="utf-8", errors="replace").strip()):
        path.chmod(0o600)
        return key
    key = new_key()
    replace(path, key + "\n")
    return key


def new_key() -> str:
    """A key that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(24)


def digest(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def replace(path: Path, text: str) -> None:
    """Put a whole file for the owner alone in the place of another, or none at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


class KeyFile:
    """The named keys on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Mapping[str, ClientKey]:
        """Every entry by its name. Raises `ConfigError` for a file that cannot be used."""
        try:
            found = msgspec.json.decode(self.path.read_bytes(), type=_File).keys
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError, ValueError) as exc:
            raise self._unusable(str(exc)) from exc
        by_name = {key.name: key for key in found}
        digests = {key.digest for key in found}
        if len(by_name) < len(found) or len(digests) < len(found):
            raise self._unusable("a name or a key stands in it twice")
        for key in found:
            if not NAME.fullmatch(key.name) or (key.name == DEFAULT) != (not key.digest):
                raise self._unusable(f"the entry {key.name[:70]!r} is not one of ours")
        return by_name

    def add(self, entry: ClientKey) -> None:
        """Add one. Raises `UsageError` for a name that is taken or none."""
        if not NAME.fullmatch(entry.name):
            raise UsageError("a key's name is 1 to 64 of a-z, 0-9, - and _, and begins with a-z0-9")
        if entry.name in TAKEN:
            raise UsageError(f"the name {entry.name!r} is taken; choose another")
        with self._changing() as keys:
            if entry.name in keys:
                raise UsageError(
                    f"there is a key {entry.name!r} already; `twotier key set {entry.name}` changes"
                    f" what it may do, `twotier key remove {entry.name}` ends it"
                )
            if len(keys) >= KEYS_MAX:
                raise UsageError(f"there are {KEYS_MAX} keys; remove one that is not used")
            keys[entry.name] = entry

    def remove(self, name: str) -> None:
        """Forget one. Raises `NotFoundError`."""
        with self._changing() as keys:
            if keys.pop(name, None) is None:
                raise nobody(name, keys)

    def change(self, name: str, changes: Mapping[str, object], *, now: datetime) -> ClientKey:
        """Change what one may do; `default` is there from the first change on."""
        with self._changing() as keys:
            entry = keys.get(name)
            if entry is None and name == DEFAULT:
                entry = ClientKey(name=DEFAULT, digest="", created=now)
            if entry is None:
                raise nobody(name, keys)
            keys[name] = changed = msgspec.structs.replace(entry, **changes)
        return changed

    @contextmanager
    def _changing(self) -> Generator[dict[str, ClientKey]]:
        """The entries to change, written when the block ends well. One writer at a time."""
        with one_at_a_time(self.path.with_suffix(".lock")):
            keys = dict(self.read())
            yield keys
            text = msgspec.json.encode(_File(VERSION, [*keys.values()]))
            replace(self.path, msgspec.json.format(text, indent=2).decode() + "\n")

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError(
            f"{self.path} cannot be used: {why}; restore it, or move it away and make the keys anew"
            " with `twotier key add`"
        )


def nobody(name: str, keys: Mapping[str, ClientKey]) -> NotFoundError:
    """The one sentence for a name without a key."""
    known = ", ".join(sorted(keys)) or "none"
    return NotFoundError(f"no key {name!r}; there are: {known}")
