"""A real llama.cpp server is killed with its slots full: the next one is given 1, 2, then 4."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.story.service import STARTER, Service, eventually

pytestmark = [pytest.mark.slow, pytest.mark.engine]


def text_of(answer: Future[str]) -> str:
    """What came, or the class of the error."""
    try:
        return answer.result(60)
    except openai.APIStatusError as error:
        return f"{error.status_code}"


def test_nobody_is_lost_and_the_next_server_is_eased_in(tmp_path: Path) -> None:
    """Four were in it and are told so; four waited, and are answered, one and two at a time."""
    starter_engine_environment()
    starter_model()
    service = Service(tmp_path, STARTER, "parallel = 4\n")
    try:
        service.up(ready="")
        eventually(lambda: service.tier("local")["state"] == "ready", what="local ready")
        client = service.client()

        def ask(tokens: int) -> str:
            messages: Any = [{"role": "user", "content": "Count to a thousand."}]
            completions = client.chat.completions
            answer = completions.create(model="local", messages=messages, max_tokens=tokens)
            return answer.choices[0].finish_reason

        def slots() -> dict[str, int]:
            found: dict[str, int] = service.tier("local")["slots"]
            return found

        with ThreadPoolExecutor(8) as threads:
            answers = [threads.submit(ask, 400) for _ in range(4)]
            eventually(lambda: slots()["in_use"] == 4)
            answers += [threads.submit(ask, 4) for _ in range(4)]
            eventually(lambda: (slots()["in_use"], slots()["waiting"]) == (4, 4))
            os.kill(service.tier("local")["pid"], signal.SIGKILL)
            eventually(lambda: slots()["admitted"] == 1)
            seen: list[dict[str, int]] = []

            def all_done() -> bool:
                seen.append(slots())
                return all(answer.done() for answer in answers)

            eventually(all_done)
        told = [text_of(answer) for answer in answers]
        assert told.count("502") == 4
        assert {*told} <= {"502", "length", "stop"}
        steps = [step for step, _ in groupby(one["admitted"] for one in seen)]
        assert steps in ([1, 2], [1, 2, 4])
        later = [one for one in seen if one["waiting"] < 4]
        assert all(one["in_use"] <= one["admitted"] for one in later)
        assert eventually(lambda: slots()["admitted"] == 4)
    finally:
        service.__exit__(None, None, None)
