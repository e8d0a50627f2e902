"""No number of clients uses up the open files that the process needs to go on."""

from __future__ import annotations

import http.client
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.story.service import Service
from twotier.serve.files import FILES_A_CONNECTION, OWN_FILES, shared_out

CLIENTS = 300
SOMEWHERE = '[tiers.local]\nengine = "openai"\nmodel = "x"\nbase_url = "http://127.0.0.1:9"\n'


@pytest.mark.parametrize("files", [0, 64, 256, 1_024, 8_192, 10**6])
@pytest.mark.parametrize("wanted", [1, 50, 2_000])
def test_all_that_may_come_at_once_fits(files: int, wanted: int) -> None:
    """Connections, those turned away, upstreams and those not accepted yet; never none at all."""
    connections, backlog = shared_out(files, wanted)
    assert 1 <= connections <= wanted
    assert backlog >= 1
    if files >= 2 * OWN_FILES:
        assert OWN_FILES + backlog + FILES_A_CONNECTION * connections <= files


def test_with_room_nobody_gets_less_than_was_configured() -> None:
    """The usual case."""
    assert shared_out(20_000, 2_000) == (2_000, 2_048)


def limited(folder: Path, limit: str) -> Service:
    """The program under a limit of open files, as a shell sets it."""
    shell = ("bash", "-c", f'ulimit {limit}; exec "$@"', "bash")
    return Service(folder, SOMEWHERE, program=(*shell, sys.executable, "-m", "twotier"))


def answered(service: Service) -> int:
    """How many of many clients are answered while all the others stay connected.

    And while they do, the program goes on: it takes a connection on its private socket and opens
    its ledger.
    """
    port = int(service.status()["address"].rpartition(":")[2])
    count = 0
    with ExitStack() as held:
        for _ in range(CLIENTS):
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            held.callback(client.close)
            with suppress(OSError, http.client.HTTPException):
                client.request("GET", "/healthz")
                reply = client.getresponse()
                reply.read()
                count += reply.status == 200
        assert service.status()["spend_today_usd"] == "0.000000"
    return count


@pytest.mark.slow
def test_many_clients_leave_the_program_the_files_it_needs(tmp_path: Path) -> None:
    """Where the limit cannot be raised, those beyond it are turned away."""
    with limited(tmp_path, "-n 256") as service:
        assert 0 < answered(service) < CLIENTS


@pytest.mark.slow
def test_a_limit_that_may_be_raised_is_no_limit(tmp_path: Path) -> None:
    """As on a fresh Mac: 256, and far more for those who ask."""
    with limited(tmp_path, "-Sn 256") as service:
        assert answered(service) == CLIENTS
