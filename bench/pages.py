"""How long a page of the dashboard takes where the ledger holds much, and what its stream costs.

`BENCH_PAGES_ROWS` says how many requests of the last two months lie in the file (1,000,000).
"""

from __future__ import annotations

import http.client
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

from bench.figures import Figure, spread
from bench.ledger import fill
from bench.service import Service
from twotier.cli.client import Peer
from twotier.clock import SystemClock
from twotier.ledger.rollups import days_of_rows, rebuild
from twotier.ledger.store import transaction

ROWS = int(os.environ.get("BENCH_PAGES_ROWS", "1000000"))
DAYS = 60
LOADS = 15
MILLI = 1e3
CONFIG = """
[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
base_url = "http://127.0.0.1:9"
key = "env:FRONTIER_KEY"

[[budgets]]
period = "day"
limit_usd = 1000

[[budgets]]
period = "month"
limit_usd = 1000
"""
PAGES = {
    "overview": "",
    "decisions": "decisions",
    "decisions, a filter that finds nothing": "decisions?rule=nobody",
    "decisions, a job": "decisions?job=job-3",
    "spend": "spend",
    "spend, 30 days by model": "spend?by=model&span=30d",
}


def figures(folder: Path) -> Iterator[Figure]:
    """A minute to make the rows, then seconds."""
    place = folder / "pages"
    with Service(place, CONFIG, cache=folder / "cache") as service:
        paths = service.paths
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (paths.state / name).unlink(missing_ok=True)
    made(paths.ledger)
    with service:
        host = f"127.0.0.1:{service.port}"
        cookie = entered(host, Peer(paths.main_socket, "main does not run"))
        for name, at in PAGES.items():
            took = [loaded(host, at, cookie=cookie) for _ in range(LOADS)]
            yield Figure(
                f"page `{name}`, {ROWS:,} requests in the ledger",
                "<= 500 ms",
                f"{spread(took)} ms, the first {took[0]:.0f}",
            )


def made(path: Path) -> None:
    """A ledger whose last row is a minute old."""
    fill(path, rows=ROWS, days=DAYS, end=SystemClock().now() - timedelta(minutes=1))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(
            "INSERT INTO decisions (request_id, created_ms, options, rule, because, task, refusal,"
            " refusal_code) SELECT request_id, created_ms, json_array(json_object('tier', tier)),"
            " rule, json_array(json_object('rule', rule, 'effect', 'chose', 'text', 'as it is')),"
            " json_object('job', job, 'client', client, 'kind', 'unknown'), '', ''"
            " FROM usage ORDER BY created_ms"
        )
        with transaction(connection):
            rebuild(connection, days_of_rows(connection))


def entered(host: str, main: Peer) -> str:
    """The cookie of a session."""
    code = str(main.post("/control/dashboard")["code"])
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": f"http://{host}"}
    with connected(host) as line:
        line.request("POST", "/ui/login", urlencode({"code": code}), headers)
        return str(line.getresponse().getheader("set-cookie")).partition(";")[0]


def loaded(host: str, at: str, *, cookie: str) -> float:
    """Milliseconds from the request to the end of the page."""
    with connected(host) as line:
        began = time.perf_counter()
        line.request("GET", f"/ui/{at}", headers={"cookie": cookie})
        answer = line.getresponse()
        answer.read()
        took = (time.perf_counter() - began) * MILLI
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"/ui/{at} answered {answer.status}")
    return took


@contextmanager
def connected(host: str) -> Iterator[http.client.HTTPConnection]:
    """A connection for one request."""
    line = http.client.HTTPConnection(host, timeout=60)
    try:
        yield line
    finally:
        line.close()
