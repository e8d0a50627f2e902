"""What macOS says of power and Spotlight, as others recorded it, and what is taken out of it."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from twotier.service.mac import Power, hidden, indexing, outermost, power
from twotier.service.redact import redacted

LAPTOP = """\
Battery Power:
 Sleep On Power Button 1
 lowpowermode         0
 sleep                1
AC Power:
 Sleep On Power Button 1
 autorestart          0
 powernap             1
 disksleep            10
 sleep                10 (sleep prevented by sharingd, caffeinate)
 displaysleep         10
 womp                 1
"""


def test_power_is_that_of_the_mains() -> None:
    """The battery's settings are other ones; what the machine does not have is unknown."""
    assert power(LAPTOP) == Power(10, 10, restarts=False)
    assert power("AC Power:\n autorestart 1\n sleep 0\n") == Power(0, None, restarts=True)
    assert power("Battery Power:\n sleep 1\n") == Power()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/:\n\tIndexing enabled. \n", True),
        ("/:\n\tIndexing disabled.\n", False),
        ("/Volumes/x:\n\tError: unknown indexing state.\n", None),
    ],
)
def test_spotlight_says_whether_it_indexes(text: str, expected: bool | None) -> None:
    """Or does not say."""
    assert indexing(text) is expected


def test_folders_that_spotlight_passes_over() -> None:
    """By a dot, or by their ending; and a folder inside another one is asked about once."""
    assert hidden(PurePath("/Users/a/.cache/hub"))
    assert hidden(PurePath("/Users/a/models.noindex/x"))
    assert not hidden(PurePath("/Users/a/models"))
    folders = [PurePath("/a/b/c"), PurePath("/a/b"), PurePath("/x"), PurePath("/a/b")]
    assert outermost(folders) == [PurePath("/x"), PurePath("/a/b")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path = /Users/ada/Library/x.plist", "path = <path>"),
        ("\t\tHF_TOKEN => hf_abcdefghij", "\t\tHF_TOKEN => <value>"),
        ("the job com.ada.mlx of Ada", "the job com.<name>.mlx of <name>"),
        ("host adas-mac.local", "host <name>.local"),
        ("Serial Number (system): C02ABC", "Serial Number (system): <serial>"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer <key>"),
        ("api_key=whatever-it-is next", "api_key=<secret> next"),
        ("use sk-12345678abcd now", "use <key> now"),
        ("from 192.168.1.7 to 127.0.0.1", "from <ip> to 127.0.0.1"),
        ("ether a4:83:e7:00:11:22", "ether <mac>"),
        ("ada@example.org", "<mail>"),
        ('"id":"4D9A2F0E-1234-4321-ABCD-1234567890AB"', '"id":"<uuid>"'),
        ("key 0123456789abcdef0123456789abcdef", "key <hash>"),
        ("~/models/x.gguf at http://127.0.0.1:8080/v1", "<path> at http://127.0.0.1:8080/v1"),
    ],
)
def test_what_nobody_else_should_know_is_taken_out(text: str, expected: str) -> None:
    """Names, paths, serials, addresses, keys."""
    assert redacted(text, names=["ada", "Ada", "adas-mac", "a"]) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Pages wired down:                        1234567.",
        "vm.swapusage: total = 2048.00M  used = 900.25M  free = 1147.75M  (encrypted)",
        "kern.memorystatus_vm_pressure_level: 1",
        '"largestProcess" : "python3.11", "pageSize" : 16384',
        "\tlast terminating signal = Killed: 9",
        "/usr/bin/python3 /opt/homebrew/bin/x",
        "token" * 20_000,  # names without a value, once read to the end from each of them
        "a-" * 50_000,
        "\n" * 100_000,
    ],
)
def test_what_the_file_is_for_stays(text: str) -> None:
    """Numbers, and the system's own words."""
    assert redacted(text, names=["ada"]) == text
