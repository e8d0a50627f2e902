"""The ledger against the server's own count, across a kill: nothing is lost, nothing made up."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.story.service import STARTER, Service, eventually

pytestmark = [pytest.mark.slow, pytest.mark.engine]

CLIENTS = 6
Sums = tuple[int, int, int]


def counted(base_url: str) -> Sums:
    """Prompt tokens read, those found in its cache, and tokens written, as llama.cpp counts."""
    with urllib.request.urlopen(f"{base_url}/metrics") as answer:
        page = answer.read().decode()

    def of(name: str) -> int:
        found = re.search(rf"^llamacpp:{name} (\S+)$", page, re.MULTILINE)
        assert found, page
        return round(float(found.group(1)))

    return of("prompt_tokens_total"), of("prompt_tokens_cached_total"), of("tokens_predicted_total")


def booked(path: Path, *, after: int) -> Sums:
    """The same of the rows that came later than the first so many, probes with them."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as book:
        rows = book.execute(
            "SELECT input_tokens, cache_read_tokens, output_tokens FROM usage"
            " ORDER BY rowid LIMIT -1 OFFSET ?",
            (after,),
        ).fetchall()
    fresh, cached, written = (sum(row[at] for row in rows) for at in range(3))
    return fresh, cached, written


def rows(path: Path, what: str = "1") -> int:
    """How many there are."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as book:
        return int(book.execute(f"SELECT count(*) FROM usage WHERE {what}").fetchone()[0])


def test_every_client_hears_the_truth_and_the_rows_are_what_the_server_did(tmp_path: Path) -> None:
    """Killed with six streams in it: each ends with an error, and has its row, marked. What the
    next server reads and writes is what the ledger says, to the token.
    """
    starter_engine_environment()
    starter_model()
    with Service(tmp_path, STARTER, "parallel = 6\n") as service:
        client, book = service.client(), service.paths.ledger

        def stream(number: int, tokens: int) -> str:
            messages: Any = [{"role": "user", "content": f"Tell story {number}, a long one."}]
            finish = "nothing"
            try:
                for chunk in client.chat.completions.create(
                    model="local", messages=messages, max_tokens=tokens, stream=True
                ):
                    for choice in chunk.choices:
                        finish = choice.finish_reason or finish
            except openai.APIError:
                return "error"
            return finish

        with ThreadPoolExecutor(CLIENTS) as threads:
            told = [threads.submit(stream, number, 2_000) for number in range(CLIENTS)]
            eventually(lambda: service.tier("local")["slots"]["in_use"] == CLIENTS)
            os.kill(service.tier("local")["pid"], signal.SIGKILL)
            assert {answer.result(60) for answer in told} <= {"error", "stop", "length"}
            assert "error" in [answer.result() for answer in told]
        errors = [answer.result() for answer in told].count("error")
        eventually(lambda: rows(book, "kind = 'request'") == CLIENTS)
        assert rows(book, "outcome = 'error' AND kind = 'request'") == errors
        assert rows(book, "settled = 'open'") == 0
        eventually(lambda: service.tier("local")["state"] == "ready", what="the next server")
        with ThreadPoolExecutor(CLIENTS) as threads:
            ended = [*threads.map(lambda number: stream(number, 5 + number), range(CLIENTS))]
        assert {*ended} <= {"stop", "length"}
        eventually(lambda: rows(book, "kind = 'request'") == 2 * CLIENTS)
        address = service.tier("local")["address"]
        before = dead_rows(book)
        eventually(
            lambda: booked(book, after=before) == counted(address), what="both counts are the same"
        )


def dead_rows(path: Path) -> int:
    """The rows of the first server's life, which its own count went away with."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as book:
        last = "SELECT count(*) FROM usage WHERE rowid <= (SELECT max(rowid) FROM usage WHERE {})"
        return int(
            book.execute(last.format("outcome = 'error' AND kind = 'request'")).fetchone()[0]
        )
