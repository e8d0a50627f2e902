"""What `twotier doctor` finds, for pages: the command itself, as a child that is told no secret.

The checks open files, connect and hash for seconds; in a process of their own they hold nobody up,
and a page says what the command says. Of a secret in our environment the child hears that there is
one and not what it is: more it does not ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from twotier.config.load import Loaded
from twotier.config.secrets import places
from twotier.config.starter import FRONTIER_KEY
from twotier.errors import DeadlineError, TwotierError
from twotier.supervisor.process import inherited

SECONDS_MAX = 60.0
THERE = "set"
# Where the program itself looks for what it needs.
OWN = ("TWOTIER_CACHE", "PYTHONPATH", "OLLAMA_MODELS", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Doctor:
    """Runs it once for each call."""

    loaded: Loaded

    async def __call__(self) -> dict[str, Any]:
        """Its findings, `{"ok": ..., "findings": [...]}`. Raises `TwotierError`."""
        words = ("-m", "twotier", "--config", str(self.loaded.path), "doctor", "--json")
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            env=dict(environment(self.loaded, os.environ)),
            cwd=self.loaded.home,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(SECONDS_MAX):
                out, _ = await child.communicate()
        except TimeoutError as exc:
            raise DeadlineError(
                f"no findings within {SECONDS_MAX:.0f} s; type `twotier doctor`"
            ) from exc
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await asyncio.shield(child.wait())
        return read(out)


def read(out: bytes) -> dict[str, Any]:
    """What the child printed. Raises `TwotierError`."""
    try:
        found = msgspec.json.decode(out, type=dict[str, Any])
    except msgspec.MsgspecError as exc:
        raise TwotierError("the doctor ended without findings; type `twotier doctor`") from exc
    if "findings" not in found:
        raise TwotierError(str(found.get("error", {}).get("message", "type `twotier doctor`")))
    return found


def environment(loaded: Loaded, ours: Mapping[str, str]) -> Mapping[str, str]:
    """The usual few variables, and which secrets there are."""
    named = [place for place in (*places(loaded.config), FRONTIER_KEY) if place.startswith("env:")]
    secrets = {place.removeprefix("env:") for place in named}
    there = {name: THERE for name in secrets if ours.get(name, "").strip()}
    return {**inherited(ours), **{name: ours[name] for name in OWN if name in ours}, **there}
