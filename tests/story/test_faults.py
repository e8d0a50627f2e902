"""Pulling plugs on the whole program: nothing is lost, nothing is silent, nothing is done twice."""

from __future__ import annotations

import os
import signal
import threading
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model, tiny_minimax
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import FRONTIER, INBOX, LOCAL_SERVER, STARTER, Service, eventually, mlx

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(300)]

NEWS = (
    "The town council met on Tuesday and decided to close the old bridge for repairs."
    " The work takes six months and costs two million euros. Buses use the north road."
)
# Tokens that would end the tiny model's answer, so that it goes on to its limit.
NEVER_END = {str(token): -100 for token in range(2, 7)}


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The starter engine alone, not started yet; whatever is left of it is ended."""
    starter_engine_environment()
    starter_model()
    inbox = INBOX.format(every="1s", tier="local-only")
    service = Service(tmp_path_factory.mktemp("starter"), STARTER, inbox)
    try:
        yield service
    finally:
        service.__exit__(None, None, None)


def runs(service: Service) -> None:
    """Whichever of these tests comes first starts it; they leave it as it was."""
    if service.process is None or service.process.poll() is not None:
        service.up()
    eventually(lambda: service.tier("local")["state"] == "ready")


def long_stream(client: openai.OpenAI, **more: Any) -> openai.Stream[Any]:
    """An answer that takes a while."""
    stream: openai.Stream[Any] = client.chat.completions.create(
        model="local",
        messages=[{"role": "user", "content": "Tell me a very long story about a river."}],
        max_tokens=1_500,
        stream=True,
        **more,
    )
    return stream


def test_a_request_waits_while_the_engine_loads(starter: Service) -> None:
    """Asked before the model is there: the answer comes, later, and no error before."""
    starter.up(ready="")
    reply = starter.client().chat.completions.create(
        model="local", messages=[{"role": "user", "content": "hello"}], max_tokens=4
    )
    assert reply.choices[0].finish_reason in ("stop", "length")


@pytest.mark.parametrize("kind", ["llama_cpp", "mlx_lm"])
def test_a_killed_engine_is_an_error_then_a_restart(tmp_path: Path, kind: str) -> None:
    """SIGKILL in mid-stream: the client sees an error, the next request is served."""
    starter_model()
    local = mlx(tiny_minimax()) if kind == "mlx_lm" else STARTER
    more: dict[str, Any] = {"extra_body": {"logit_bias": NEVER_END}} if kind == "mlx_lm" else {}
    with Service(tmp_path, local) as service:
        first = service.tier("local")["pid"]
        stream = long_stream(service.client(), **more)
        chunks = iter(stream)
        for _ in range(3):
            next(chunks)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(openai.APIError):
            list(chunks)
        # Sent while the engine is down: it waits for the restart and is answered.
        reply = service.client().chat.completions.create(
            model="local", messages=[{"role": "user", "content": "hello"}], max_tokens=8
        )
        assert reply.choices[0].finish_reason in ("stop", "length")
        assert service.tier("local")["pid"] != first
        row = eventually(lambda: marked(service))
        assert row["estimated"] == 1
        assert "SIGKILL" in (service.paths.logs / "main.log").read_text(encoding="utf-8")


def marked(service: Service) -> dict[str, Any] | None:
    """The local row once something in it is marked as estimated."""
    row = service.spend()["local"]
    return row if row["estimated"] else None


def test_a_prompt_the_engine_finds_too_long_has_its_name(starter: Service) -> None:
    """Digits are a token each: the estimate lets them pass until it has learned what the engine
    counts, the engine never does. Both say what to do.
    """
    runs(starter)
    with pytest.raises(openai.BadRequestError) as caught:
        starter.client().chat.completions.create(
            model="local", messages=[{"role": "user", "content": "1 2 3 4 5 6 7 8 " * 900}]
        )
    assert caught.value.code == "context_length_exceeded"
    said = caught.value.message
    assert "shorten the prompt" in said or "do not fit its window" in said


def test_a_killed_main_charges_what_was_open_and_adopts_the_engine(tmp_path: Path) -> None:
    """SIGKILL with a paid request in flight: charged at its bound, marked; one engine, the same."""
    starter_engine_environment()
    starter_model()
    with FakeAnthropic() as fake:
        frontier = FRONTIER.format(base_url=fake.base_url)
        service = Service(tmp_path, STARTER, frontier, env={"FRONTIER_KEY": fake.key})
        try:
            kill_with_a_request_in_flight(service, fake)
        finally:
            service.__exit__(None, None, None)


def kill_with_a_request_in_flight(service: Service, fake: FakeAnthropic) -> None:
    """The story itself."""
    service.up()
    client = service.client()
    engine = service.tier("local")["pid"]
    worker = service.status()["worker"]["pid"]
    asking = threading.Thread(target=ask_and_lose, args=(client,))
    asking.start()
    held = eventually(lambda: reserved(service))
    eventually(lambda: len(fake.bodies) or None)
    service.kill()
    asking.join(60)
    assert not asking.is_alive()
    eventually(lambda: not psutil.pid_exists(worker), what="the worker ends with main")
    assert psutil.pid_exists(engine)
    service.up()
    row = service.spend()["frontier"]
    assert row["unknown"] == 1
    assert Decimal(row["reserved_usd"]) == 0
    assert Decimal(row["cost_usd"]) == held
    assert held >= Decimal(fake.billed_microusd) / 1_000_000
    assert service.status()["ledger"]["recovered"] == 1
    assert service.tier("local")["pid"] == engine
    reply = service.client().chat.completions.create(
        model="local", messages=[{"role": "user", "content": "hello"}], max_tokens=4
    )
    assert reply.choices[0].finish_reason in ("stop", "length")


def reserved(service: Service) -> Decimal | None:
    """What is held for the frontier, once there is something."""
    row = service.spend().get("frontier")
    return Decimal(row["reserved_usd"]) or None if row else None


def ask_and_lose(client: openai.OpenAI) -> None:
    """A request whose answer never comes."""
    with pytest.raises(openai.APIError):
        client.chat.completions.create(
            model="frontier", messages=[{"role": "user", "content": "fake:stall say: a b c d e"}]
        )


def test_a_dropped_file_is_summarised_once_also_across_a_kill(starter: Service) -> None:
    """inbox/ to outbox/, three lines, once; killed in mid-run it goes on after the restart."""
    runs(starter)
    (starter.folder / "inbox" / "one.txt").write_text(NEWS, encoding="utf-8")
    summary = starter.folder / "outbox" / "one.summary.txt"
    eventually(summary.exists, seconds=120)
    assert len(summary.read_text(encoding="utf-8").strip().splitlines()) == 3
    (done,) = eventually(lambda: starter.runs(state="done"))
    assert (done["items"], done["model_calls"], done["tier"]) == (1, 1, "local")

    (starter.folder / "inbox" / "two.txt").write_text(NEWS.upper(), encoding="utf-8")
    running = eventually(lambda: [run for run in starter.runs(state="running") if run["items"]])
    starter.kill()
    starter.up()
    second = starter.folder / "outbox" / "two.summary.txt"
    eventually(second.exists, seconds=120)
    resumed = eventually(
        lambda: [run for run in starter.runs() if run["id"] == running[0]["id"] and run["ended_at"]]
    )
    assert resumed[0]["state"] in ("done", "late")
    stamps = {path.name: path.stat().st_mtime_ns for path in (summary, second)}
    quiet = len(starter.runs(state="quiet"))
    eventually(lambda: len(starter.runs(state="quiet")) > quiet + 2)
    found = {path.name: path.stat().st_mtime_ns for path in (starter.folder / "outbox").iterdir()}
    assert found == stamps


def test_an_empty_poll_asks_no_model(starter: Service) -> None:
    """The engine's own counters stand still while the job looks and finds nothing."""
    runs(starter)
    starter.client().chat.completions.create(
        model="local", messages=[{"role": "user", "content": "hello"}], max_tokens=4
    )
    before, quiet = counters(starter), len(starter.runs(state="quiet"))
    eventually(lambda: len(starter.runs(state="quiet")) >= quiet + 4)
    assert counters(starter) == before
    assert all(run["model_calls"] == 0 for run in starter.runs(state="quiet"))


def counters(service: Service) -> list[str]:
    """What llama.cpp itself counts of prompts and answers."""
    with urllib.request.urlopen(service.tier("local")["address"] + "/metrics", timeout=60) as page:
        lines = page.read().decode().splitlines()
    names = ("llamacpp:prompt_tokens_total", "llamacpp:tokens_predicted_total")
    return [line for line in lines if line.startswith(names)]


def test_a_limit_holds_and_free_work_goes_on(tmp_path: Path) -> None:
    """At the cap the frontier is refused with 402, `auto` goes local, and the CLI exits with 4."""
    budget = '[[budgets]]\nperiod = "day"\nlimit_usd = 0.001\n'
    with FakeAnthropic() as fake, FakeOpenAI() as near:
        frontier = FRONTIER.format(base_url=fake.base_url)
        local = LOCAL_SERVER.format(base_url=f"{near.base_url}/v1")
        env = {"FRONTIER_KEY": fake.key}
        with Service(tmp_path, local, frontier, budget, env=env) as service:
            with pytest.raises(openai.APIStatusError) as caught:
                service.client().chat.completions.create(
                    model="frontier", messages=[{"role": "user", "content": "say: dear"}]
                )
            assert caught.value.status_code == 402
            assert "0.001" in caught.value.message or "$0.00" in caught.value.message
            raw = service.client().chat.completions.with_raw_response.create(
                model="auto", messages=[{"role": "user", "content": "hello"}], max_tokens=4
            )
            assert raw.headers["x-twotier-tier"] == "local"
            assert "frontier" in raw.headers["x-twotier-fallback"]
            service.command("ask", "--model", "frontier", "say: dear", code=4)
            assert not fake.bill
            assert not fake.bodies


def test_a_second_main_is_refused_and_down_ends_everything(starter: Service) -> None:
    """One main per folder; `down` leaves no process and no socket behind."""
    runs(starter)
    engine, worker = starter.tier("local")["pid"], starter.status()["worker"]["pid"]
    second = starter.command("up", code=1)
    assert "already" in second.stderr
    starter.command("down")
    assert starter.process is not None
    assert starter.process.wait(60) == 0
    for pid in (engine, worker):
        eventually(lambda pid=pid: not psutil.pid_exists(pid))  # type: ignore[misc]
    starter.command("status", code=3)
