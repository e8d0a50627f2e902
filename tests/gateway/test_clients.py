"""Who has a key: as the file says, from the moment it is read again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from twotier.domain.money import Budget
from twotier.domain.task import Caller
from twotier.domain.tier import TierPolicy
from twotier.errors import ConfigError
from twotier.gateway.clients import Clients
from twotier.keys import ClientKey, KeyFile, digest

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def add(file: KeyFile, name: str, **rights: Any) -> None:
    """A client whose key is `tt-NAME`."""
    file.add(ClientKey(name=name, digest=digest(f"tt-{name}").hex(), created=NOW, **rights))


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    """A key file with one client."""
    made = KeyFile(tmp_path / "keys.json")
    add(made, "phone", policy=TierPolicy.LOCAL_ONLY, limit_microusd=7, period="week")
    return made


def clients(file: KeyFile) -> Clients:
    """Everybody with a key."""
    return Clients(file, default_key="tt-right", zone="Europe/Berlin")


def test_each_digest_leads_to_its_client(file: KeyFile) -> None:
    """The default key is always among them."""
    known = clients(file)
    assert known.callers[digest("tt-right")] == Caller(client="default")
    assert known.callers[digest("tt-phone")] == Caller(client="phone", policy=TierPolicy.LOCAL_ONLY)
    assert known.named == ["phone"]


def test_a_clients_budget_is_its_own_and_stops_by_default(file: KeyFile) -> None:
    """In the zone of everybody's budgets; who has none has none."""
    known = clients(file)
    budget = Budget("phone", "week", "Europe/Berlin", None, 7, "stop", client="phone", of_key=True)
    assert known.budgets == [budget]
    assert known.budgets_of("phone") == (budget,)
    assert not known.budgets_of("default")


def test_what_changes_in_the_file_holds_after_the_next_reading(file: KeyFile) -> None:
    """Added, changed, removed; also what the default key may do."""
    known = clients(file)
    add(file, "laptop")
    file.change("default", {"policy": TierPolicy.FRONTIER, "limit_microusd": 3}, now=NOW)
    file.remove("phone")
    assert known.named == ["phone"]
    known.reload()
    assert known.named == ["laptop"]
    assert digest("tt-phone") not in known.callers
    assert known.callers[digest("tt-right")].policy is TierPolicy.FRONTIER
    assert [budget.client for budget in known.budgets] == ["default"]


def test_a_broken_file_changes_nothing(file: KeyFile) -> None:
    """Nobody is locked out by it, and nobody let in."""
    known = clients(file)
    before = (known.callers, known.entries, known.budgets)
    file.path.write_text("{")
    with pytest.raises(ConfigError):
        known.reload()
    assert (known.callers, known.entries, known.budgets) == before
