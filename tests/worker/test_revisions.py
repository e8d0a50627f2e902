"""A job's settings, changed, compared and put back: real worker, real command line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.worker.playing_main import inbox_home, playing_main, worker
from tests.worker.test_trials import said

pytestmark = pytest.mark.slow


def test_a_change_is_taken_at_once_compared_and_put_back(tmp_path: Path) -> None:
    """Comments stay; a wrong value changes nothing; the file is as it was in the end."""

    async def scenario() -> None:
        home = inbox_home(tmp_path, every="1h")
        config = home / "twotier.toml"
        config.write_text(f"# mine\n{config.read_text(encoding='utf-8')}", encoding="utf-8")
        first = config.read_text(encoding="utf-8")
        words = ("--config", str(config))
        async with playing_main(home), worker(home) as child:
            code, out, err = await said("job", "set", "inbox", "every=2h", "enabled=true", *words)
            assert (code, "the worker has it" in err) == (0, True), err
            assert '-every = "1h"\n+every = "2h"' in out
            assert (await child.get("/jobs/inbox"))["trigger"] == "every 2h"
            assert config.read_text(encoding="utf-8").startswith("# mine\n")
            code, _, err = await said("job", "set", "inbox", "tier=cheap", *words)
            assert (code, "tier" in err) == (2, True)
            code, _, err = await said("job", "set", "inbox", "name=x", *words)
            assert (code, "cannot be set here" in err) == (2, True)
            code, out, err = await said("job", "diff", "inbox", *words)
            assert '-every = "1h"\n+every = "2h"' in out
            assert "revisions: 2, 1" in err
            code, _, err = await said("job", "revert", "inbox", "7", *words)
            assert (code, "there is no revision 7; there are: 2, 1" in err) == (1, True)
            code, out, _ = await said("job", "revert", "inbox", *words)
            assert (code, '+every = "1h"' in out) == (0, True)
            assert config.read_text(encoding="utf-8") == first
            assert (await child.get("/jobs/inbox"))["trigger"] == "every 1h"
            code, out, _ = await said("job", "revert", "inbox", "2", *words)
            assert (code, '+every = "2h"' in out) == (0, True)
        code, _, err = await said("job", "set", "inbox", "every=3h", *words)
        assert (code, "it counts from the next `twotier up` on" in err) == (0, True)

    asyncio.run(scenario())
