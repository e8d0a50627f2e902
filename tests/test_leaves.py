"""The small modules everything stands on: the lock, the client's key, the sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from twotier.domain.money import FREE, Attempt, Outcome, Settled, Settlement
from twotier.errors import AlreadyRunningError, EngineError
from twotier.keys import client_key
from twotier.lock import only_one
from twotier.say import fields, headers
from twotier.serve import private_socket, tcp_socket

HOLD = (
    "import sys;from pathlib import Path;from twotier.lock import only_one\n"
    "with only_one(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
)


def test_the_lock_is_held_across_processes_and_dies_with_its_holder(tmp_path: Path) -> None:
    """Also by SIGKILL; the refusal names the pid that holds it."""
    path = tmp_path / "main.lock"
    with subprocess.Popen(
        (sys.executable, "-c", HOLD, path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunningError, match=str(holder.pid)), only_one(path):
            pass
        holder.kill()
        holder.wait()
        with only_one(path):
            assert path.read_text() == f"{os.getpid()}\n"
    assert path.read_text() == ""


def test_the_clients_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    """The same at every start; 0600; not guessable."""
    path = tmp_path / "client.key"
    key = client_key(path)
    assert client_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert key.startswith("tt-")
    assert len(key) > 30
    assert [one.name for one in tmp_path.iterdir()] == ["client.key"]


def test_an_empty_key_file_is_no_key_and_an_open_one_is_closed(tmp_path: Path) -> None:
    """Nobody is locked out for good, and nobody else may read it from now on."""
    path = tmp_path / "client.key"
    path.write_text("\n")
    key = client_key(path)
    assert key.startswith("tt-")
    path.chmod(0o644)
    assert client_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_port_that_is_taken_is_named() -> None:
    """With the setting that changes it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(EngineError, match=f"{port}.*gateway.port"):
            tcp_socket("127.0.0.1", port)


def test_the_private_socket_is_the_owners_alone(tmp_path: Path) -> None:
    """Also where a file of a killed process still lies."""
    path = tmp_path / "main.sock"
    for _ in range(2):
        with private_socket(path):
            assert path.stat().st_mode & 0o777 == 0o600


def test_headers_and_log_say_the_same_words() -> None:
    """A decision carries its reason everywhere."""
    attempt = Attempt("r-0", "r", "local", "mlx-local", "a/b", "auto", "polling", FREE, 7)
    told = headers(attempt, None, failures=["frontier: full"], dropped=["seed"])
    assert told == {
        **dict.fromkeys(("x-twotier-request", "x-request-id", "request-id"), "r"),
        "x-twotier-tier": "local",
        "x-twotier-model": "mlx-local/a/b",
        "x-twotier-rule": "polling",
        "x-twotier-cost-usd": "0.000007",
        "x-twotier-cost": "reserved",
        "x-twotier-fallback": "frontier: full",
        "x-twotier-dropped": "seed",
    }
    assert headers(attempt, 1_500_000)["x-twotier-cost-usd"] == "1.500000"
    line = fields(attempt, Settlement(Settled.SETTLED, Outcome.OK, 3, first_token_seconds=0.12345))
    assert (line["rule"], line["model"]) == ("polling", "mlx-local/a/b")
    assert (line["outcome"], line["first_token_seconds"]) == ("ok", 0.123)
