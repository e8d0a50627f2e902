"""`twotier ask --file`: what is in the files goes along, or, with `--split`, the lines that matter.

With `--split` the local tier reads all of it, through main and `local-only`, and only the lines it
picks are in the question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from twotier.agent.mcp_server import asks_of
from twotier.agent.model import MainClient
from twotier.cli.client import Peer, error_of
from twotier.cli.output import say
from twotier.cli.peers import main_of
from twotier.clock import SystemClock
from twotier.config.paths import paths_of
from twotier.domain.tier import TierPolicy, TierState
from twotier.errors import TierUnavailableError, UsageError
from twotier.tools.reading import Limits, Reading, marked
from twotier.tools.splitting import Split, split, worth

FILE_BYTES_MAX = 2_000_000
FILES_MAX = 60
SECONDS_MAX = 1_800.0
GONE = {TierState.DOWN.value, TierState.NO_KEY.value, TierState.QUARANTINED.value}


def with_files(
    config: Path, prompt: str, *, files: Sequence[Path], split: bool
) -> tuple[str, Split | None]:
    """The question with its material, and what was picked of that, where it was.

    Raises `UsageError`, `ToolError`, `NotRunningError`, and what `able_to_write` raises.
    """
    texts = texts_of(files)
    if split and worth(prompt, texts):
        able_to_write(main_of(config), prompt)
        picked = asyncio.run(picked_of(config, prompt, texts=texts))
        return picked.prompt(prompt), picked
    if split:
        say("Short enough to be read whole, so it is not split.")
    items = (marked(name, text) for name, text in texts.items())
    return "\n\n".join((prompt, *items)), None


def able_to_write(main: Peer, prompt: str) -> None:
    """Before minutes of reading: whether a frontier tier could be asked at all. Raises what its
    answer would be refused with.
    """
    told = main.post("/control/route", {"prompt": prompt, "policy": TierPolicy.FRONTIER.value})
    if told["refusal"]:
        error = {"code": told["refusal_code"], "message": told["refusal"]}
        raise error_of({"error": error}, 0)
    tiers = {one["name"]: one for one in main.get("/control/status")["tiers"]}
    asked = [tiers[one["tier"]] for one in told["options"] if one["tier"] in tiers]
    if asked and all(one["state"] in GONE for one in asked):
        because = "; ".join(f"{one['name']}: {one['because']}" for one in asked)
        raise TierUnavailableError(f"nobody could write from what is read: {because}")


async def picked_of(config: Path, task: str, *, texts: Mapping[str, str]) -> Split:
    """What the local tier picks."""
    clock = SystemClock()
    async with MainClient(paths_of(config).main_socket) as client:
        limits = Limits(
            window_tokens=await client.local_window(), calls_max=1_000, seconds_max=SECONDS_MAX
        )
        reading = Reading(asks_of(client), limits, key="split", now=clock.monotonic)
        picked = await split(task, texts, reading=reading)
    left_out = f", {picked.left_out} more did not fit" if picked.left_out else ""
    say(
        f"[{reading.tier}, {reading.model}: {len(picked.extracts)} extracts from"
        f" {picked.pieces} pieces{left_out}, {reading.tokens:,} tokens]"
    )
    return picked


def texts_of(files: Sequence[Path]) -> dict[str, str]:
    """Their texts by their names. Raises `UsageError`."""
    if len(files) > FILES_MAX:
        raise UsageError(f"at most {FILES_MAX} files at once")
    texts: dict[str, str] = {}
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as exc:
            raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc
        if b"\0" in content or len(content) > FILE_BYTES_MAX:
            raise UsageError(f"{path} is no text file of at most {FILE_BYTES_MAX:,} bytes")
        texts[str(path)] = content.decode("utf-8", errors="replace")
    return texts
