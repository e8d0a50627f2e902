"""What a probe found is obeyed by the router, and belongs to one version of a server."""

from __future__ import annotations

import asyncio
from pathlib import Path

from msgspec.structs import replace

from tests.ledger.toys import HandClock, free, settled
from tests.router.test_tree import LOCAL
from twotier.learned.verdicts import ENDS_KEPT_MAX, Verdicts
from twotier.ledger.book import Book
from twotier.ledger.findings import ProbeRow


def row(name: str, passed: int, *, at: int = 1, version: str = "1", probe: str = "p") -> ProbeRow:
    """A row that was asked three times."""
    return ProbeRow(probe, name, at, "local", LOCAL.ref, "mlx_lm", version, 0, passed, 3)


def followed(*, trusted: bool = False) -> Verdicts:
    """Of the local tier."""
    verdicts = Verdicts()
    verdicts.follow(LOCAL, engine="mlx_lm", trusted=trusted)
    verdicts.settle_on("local", "1")
    return verdicts


def found(verdicts: Verdicts) -> list[ProbeRow]:
    """The rows that count now."""
    return list(verdicts.standings["local"].rows)


def test_a_tier_below_the_bar_is_kept_from_tool_work_until_it_does_better() -> None:
    """With the figures and with what to do; one that was never probed is not kept from anything."""

    async def scenario() -> None:
        verdicts = followed()
        assert verdicts.untooled == {}
        await verdicts.put("local", [row("single", 3), row("parallel", 1)])
        why = verdicts.untooled["local"]
        assert "parallel 33 % of 90 %" in why
        assert "models probe local --show" in why
        await verdicts.put("local", [row("single", 3), row("parallel", 3)])
        assert verdicts.untooled == {}

    asyncio.run(scenario())


def test_the_owners_word_overrules_a_probe() -> None:
    """`tools = true`: shown as below the bar, and asked nevertheless."""

    async def scenario() -> None:
        verdicts = followed(trusted=True)
        await verdicts.put("local", [row("single", 0)])
        assert verdicts.untooled == {}
        assert verdicts.standings["local"].below

    asyncio.run(scenario())


def test_a_probe_judges_the_version_it_asked() -> None:
    """Its server was upgraded meanwhile: of the new one nothing is known."""

    async def scenario() -> None:
        verdicts = followed()
        verdicts.settle_on("local", "2")
        await verdicts.put("local", [row("single", 0, version="1")])
        assert not found(verdicts)
        assert verdicts.untooled == {}
        verdicts.settle_on("local", "1")
        assert "single 0 %" in verdicts.untooled["local"]

    asyncio.run(scenario())


def test_the_last_probe_of_a_version_counts_after_a_restart(tmp_path: Path) -> None:
    """An upgraded server was never probed; a rolled back one is what it was."""
    path, clock = tmp_path / "ledger.db", HandClock()

    async def probed() -> None:
        book = await Book.open(path, clock=clock)
        verdicts = followed()
        await verdicts.open(book)
        await verdicts.put("local", [row("single", 3, at=1, probe="p1")])
        await verdicts.put("local", [row("single", 0, at=2, probe="p2"), row("json", 1, at=2)])
        await book.close()

    async def restarted() -> None:
        book = await Book.open(path, clock=clock)
        verdicts = followed()
        await verdicts.open(book)
        verdicts.settle_on("local", "2")
        assert not found(verdicts)
        assert verdicts.untooled == {}
        verdicts.settle_on("local", "1")
        assert {one.row: one.passed for one in found(verdicts)} == {"single": 0, "json": 1}
        assert "single 0 %" in verdicts.untooled["local"]
        await book.close()

    asyncio.run(probed())
    asyncio.run(restarted())


def test_the_ends_of_probes_are_kept_for_who_asked_and_not_for_ever() -> None:
    """A probe that was left takes none of them."""
    verdicts = followed()
    verdicts(free("x"), settled())
    assert verdicts.end_of("r-x") is None
    verdicts(free("y", kind="probe"), settled())
    assert verdicts.end_of("r-y") == settled()
    assert verdicts.end_of("r-y") is None
    for number in range(3 * ENDS_KEPT_MAX):
        verdicts(replace(free("z", kind="probe"), request_id=str(number)), settled())
    assert len(verdicts._ends) <= ENDS_KEPT_MAX
