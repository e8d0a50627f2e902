"""sd_notify as systemd hears it: real datagram sockets, by path and in the abstract namespace."""

from __future__ import annotations

import os
import socket
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from twotier.service.notify import Notifier

KINDS = ["path", *(["abstract"] if sys.platform == "linux" else [])]


@contextmanager
def heard(folder: Path, kind: str) -> Iterator[tuple[str, socket.socket]]:
    """An address as it stands in the variable, and the socket that listens there."""
    name = uuid.uuid4().hex
    told = f"@{name}" if kind == "abstract" else str(folder / "n.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listens:
        listens.bind(f"\0{name}" if kind == "abstract" else told)
        listens.settimeout(20)
        yield told, listens


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_arrives(tmp_path: Path, kind: str) -> None:
    """One datagram for each, with its status in one line."""
    with heard(tmp_path, kind) as (address, listens):
        notifier = Notifier(address)
        notifier.ready("listening\nat 8484")
        notifier.status("well")
        notifier.alive()
        notifier.reloading(monotonic_seconds=1.5)
        notifier.stopping("x" * 500)
        notifier.status("")  # says nothing
        notifier.ready()
        got = [listens.recv(4096).decode() for _ in range(6)]
    assert got == [
        "READY=1\nSTATUS=listening at 8484",
        "STATUS=well",
        "WATCHDOG=1",
        "RELOADING=1\nMONOTONIC_USEC=1500000",
        f"STOPPING=1\nSTATUS={'x' * 200}",
        "READY=1",
    ]


def test_the_variables_are_taken_out_of_the_environment() -> None:
    """No child of ours may speak for us; a watchdog for somebody else is not ours."""
    pid = os.getpid()
    env = {
        "NOTIFY_SOCKET": "/run/n",
        "WATCHDOG_USEC": "60000000",
        "WATCHDOG_PID": str(pid),
        "A": "b",
    }
    assert Notifier.taken(env, pid=pid) == Notifier("/run/n", 60.0)
    assert env == {"A": "b"}
    others = {"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(pid + 1)}
    assert Notifier.taken(others, pid=pid) == Notifier("@n", None)
    assert Notifier.taken({"NOTIFY_SOCKET": "n", "WATCHDOG_USEC": "x"}, pid=pid) == Notifier()
    assert Notifier.taken({"WATCHDOG_USEC": "1000000"}, pid=pid) == Notifier()
    assert Notifier.taken({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "0"}, pid=pid) == Notifier("/n")


def test_nobody_listens_and_nothing_happens(tmp_path: Path) -> None:
    """Neither without a manager, nor where it has gone."""
    Notifier().ready("well")
    Notifier(str(tmp_path / "gone")).alive()
