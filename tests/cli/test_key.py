"""`twotier key` as a person types it: with and without a main, right and wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.cli.standin import Done, standin, twotier


def run(folder: Path, *words: str) -> Done:
    """One `twotier key` while nothing runs."""
    config = folder / "twotier.toml"
    config.touch()
    return asyncio.run(twotier("--config", str(config), "key", *words))


def test_without_a_main_the_file_is_changed_all_the_same(tmp_path: Path) -> None:
    """The key is all that stdout holds, so that it can be piped; the list tells what is known."""
    done = run(tmp_path, "add", "phone", "--policy", "local-only", "--budget-usd", "2.50")
    assert done.code == 0
    assert len(done.out.split()) == 1
    assert done.out.startswith("tt-")
    assert "phone: policy local-only, budget $2.50 per day, then stop. It is not" in done.err
    listed = run(tmp_path, "list")
    assert listed.out.splitlines()[0].split()[:3] == ["NAME", "POLICY", "BUDGET"]
    assert listed.out.splitlines()[1].split()[:3] == ["default", "auto", "none"]
    assert "phone    local-only  $2.50 per day, then stop  -" in listed.out
    changed = run(tmp_path, "set", "phone", "--period", "month", "--at-limit", "local-only")
    assert changed.out == "phone: policy local-only, budget $2.50 per month, then local-only\n"
    assert run(tmp_path, "set", "phone", "--no-budget").out.endswith("budget none\n")
    assert run(tmp_path, "remove", "phone").out == "removed phone\n"
    assert "phone" not in run(tmp_path, "list").out


def test_a_running_main_is_told_of_each_change(tmp_path: Path) -> None:
    """Once it has answered, the change is in force; it also knows who asked when."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            at = ("--config", str(stand.config), "key")
            for words in (("add", "phone"), ("set", "phone", "--policy", "auto")):
                assert (await twotier(*at, *words)).code == 0
                assert stand.asked[-1][:2] == ("POST", "/control/keys/reload")
            listed = await twotier(*at, "list", "--json")
            phone = listed.document["keys"][1]
            assert (phone["name"], phone["used_at"]) == ("phone", "2026-02-03T07:12:03+00:00")
            assert (await twotier(*at, "remove", "phone")).code == 0
            assert stand.asked[-1][:2] == ("POST", "/control/keys/reload")

    asyncio.run(scenario())


def test_a_main_that_cannot_take_it_in_is_not_passed_over(tmp_path: Path) -> None:
    """A key that was removed and still works must not look removed."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            error = {"error": {"message": "no room", "code": "internal_error"}}
            stand.answers["POST /control/keys/reload"] = (500, error)
            at = ("--config", str(stand.config), "key")
            done = await twotier(*at, "add", "phone")
            assert done.out.startswith("tt-")
            assert done.code == 1
            assert "written, but not yet in force: no room" in done.err

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("add Phone", "a key's name is 1 to 64 of a-z"),
        ("add default", "the name 'default' is taken"),
        ("add phone --budget-usd five", "write dollars, for example 5 or 2.50"),
        ("add phone --budget-usd nan", "write dollars, for example 5 or 2.50"),
        ("add phone --budget-usd -1", "between 0 and"),
        ("add phone --budget-usd 1e30", "between 0 and"),
        ("add phone --policy everything", "Invalid value"),
        ("set default", "nothing to change"),
        ("set default --no-budget --budget-usd 3", "exclude one another"),
        ("remove default", "client.key; remove that file"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(tmp_path: Path, words: str, said: str) -> None:
    """Exit code 2, and no key file that was not there before."""
    done = run(tmp_path, *words.split())
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / ".twotier" / "keys.json").exists()


def test_a_name_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    """In JSON as well."""
    run(tmp_path, "add", "phone")
    done = run(tmp_path, "remove", "fone", "--json")
    assert done.code == 1
    assert json.loads(done.out)["error"]["code"] == "not_found"
    assert "there are: phone" in done.err


def test_a_key_belongs_to_a_configuration(tmp_path: Path) -> None:
    """Without one it would lie in a folder that nobody looks into."""
    done = asyncio.run(twotier("--config", str(tmp_path / "none.toml"), "key", "add", "phone"))
    assert done.code == 1
    assert "no configuration at" in done.err
    assert list(tmp_path.iterdir()) == []
