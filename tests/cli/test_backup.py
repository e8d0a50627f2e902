"""`twotier backup` beside a real main and worker that go on, and `twotier restore` after them."""

from __future__ import annotations

import asyncio
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.cli.standin import CANARY, start, twotier
from tests.cli.test_real_main import CONFIG, lines_until, model_server, worker_ready

LIMIT = '[[budgets]]\nperiod = "day"\nlimit_usd = 10\n'


@pytest.mark.slow
def test_what_was_backed_up_comes_back_and_nothing_else_is_lost(tmp_path: Path) -> None:
    """A backup of a running twotier, more work after it, then the way back: sums, runs and keys are
    those of the backup, what was there lies aside, and nothing may be spent until its owner looked.
    """

    async def scenario() -> None:
        home = tmp_path / "home"
        home.mkdir()
        at = ("--config", str(home / "twotier.toml"))
        async with model_server(tmp_path) as port:
            (home / "twotier.toml").write_text(CONFIG.format(port=port) + LIMIT)
            before, archive = await first_life(home, at)
            refused = await twotier(*at, "restore", str(archive), "--yes")
            assert (refused.code, "twotier down" in refused.err) == (1, True)
            await twotier(*at, "ask", "Once more?", "--model", "local")
            assert (await twotier(*at, "down")).code == 0
            await way_back(home, at, archive=archive, before=before)
            await new_machine(tmp_path / "other", archive)

    asyncio.run(scenario())


async def first_life(home: Path, at: tuple[str, ...]) -> tuple[dict[str, Any], Path]:
    """What there was when the backup was made, and the backup. Main still runs."""
    up = await start(*at, "up", env={"TOY_FRONTIER_KEY": CANARY})
    assert up.stdout is not None
    await lines_until(up.stdout, "twotier down")
    await worker_ready(*at)
    assert (await twotier(*at, "key", "add", "phone")).code == 0
    assert (await twotier(*at, "job", "run", "hello")).code == 0
    before = await seen(at)
    done = await twotier(*at, "backup", str(home))
    assert done.code == 0, done.err
    archive = Path(done.out.strip())
    names = names_in(archive)
    assert {"state/ledger.db", "state/work.db", "state/engine.db", "state/keys.json"} <= names
    assert {"config/twotier.toml", "manifest.json"} <= names
    assert not [name for name in names if name.endswith((".lock", ".sock", "-wal", ".log"))]
    return before, archive


def names_in(archive: Path) -> set[str]:
    """Its members. Only its owner can read it."""
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with tarfile.open(archive) as opened:
        return set(opened.getnames())


async def seen(at: tuple[str, ...]) -> dict[str, Any]:
    """Runs, keys and what was spent, as a person would look them up."""
    words = ("runs", "key list", "spend --by job")
    documents = [(await twotier(*at, *word.split(), "--json")).document for word in words]
    runs, keys, spent = documents
    return {
        "runs": [run["id"] for run in runs["runs"]],
        "keys": [key["name"] for key in keys["keys"]],
        "spent": [(row["key"], row["requests"]) for row in spent["rows"]],
    }


async def way_back(
    home: Path, at: tuple[str, ...], *, archive: Path, before: dict[str, Any]
) -> None:
    """Restored, looked at, confirmed."""
    (home / ".twotier" / "work.db").unlink()  # what people restore for
    done = await twotier(*at, "restore", str(archive), "--yes", "--json")
    assert done.code == 0, done.err
    aside = Path(done.document["kept_aside"])
    assert (aside / "ledger.db").exists()
    assert done.document["settings_written"] == done.document["settings_kept"] == []
    up = await start(*at, "up", env={"TOY_FRONTIER_KEY": CANARY})
    assert up.stdout is not None
    await lines_until(up.stdout, "twotier down")
    await worker_ready(*at)
    assert await seen(at) == before
    paid = await twotier(*at, "ask", "Hello?", "--model", "frontier")
    assert (paid.code, "twotier spend confirm" in paid.err) == (4, True), paid.err
    confirmed = await twotier(*at, "spend", "confirm")
    assert (confirmed.code, "restored" in confirmed.out + confirmed.err) == (0, True)
    assert (await twotier(*at, "down")).code == 0
    assert await up.wait() == 0


async def new_machine(home: Path, archive: Path) -> None:
    """Nothing is there: the configuration comes too. A second time, what is there stays."""
    at = ("--config", str(home / "twotier.toml"))
    done = await twotier(*at, "restore", str(archive), "--yes")
    assert done.code == 0, done.err
    assert f"{home}/twotier.toml" in done.out
    (home / "twotier.toml").write_text("[gateway]\nport = 0\n")
    again = await twotier(*at, "restore", str(archive), "--yes")
    assert "left as it is" in again.out
    assert (home / "twotier.toml").read_text() == "[gateway]\nport = 0\n"


def test_there_is_nothing_to_back_up_and_no_folder_for_it(tmp_path: Path) -> None:
    """Both say what to do, and leave nothing behind."""

    async def scenario() -> None:
        config = ("--config", str(tmp_path / "twotier.toml"))
        empty = await twotier(*config, "backup", str(tmp_path))
        assert (empty.code, "is --config the right one?" in empty.err) == (1, True)
        nowhere = await twotier(*config, "backup", str(tmp_path / "no" / "where.tar.gz"))
        assert (nowhere.code, "mkdir" in nowhere.err) == (2, True)
        missing = await twotier(*config, "restore", str(tmp_path / "no.tar.gz"), "--yes")
        assert (missing.code, "twotier backup" in missing.err) == (1, True)

    asyncio.run(scenario())
    assert [path.name for path in tmp_path.iterdir()] == [".twotier"]
