"""Spans of a real main process, as a real OTLP receiver gets them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.absent import without
from tests.fakes.anthropic_api import Behaviour, FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI, Quirk
from tests.fakes.otlp import Collector, plain
from tests.story.service import FRONTIER, Service, eventually
from tests.story.test_metrics import OBSERVED

pytestmark = pytest.mark.slow

SPANS = """
[telemetry]
otlp_endpoint = "{base_url}"
"""
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}  # milliseconds; the SDK's own setting


class Watched:
    """A running service, a fake behind each tier, and a collector."""

    def __init__(self, service: Service, local: FakeOpenAI, frontier: FakeAnthropic) -> None:
        self.service = service
        self.local = local
        self.frontier = frontier

    def ask(self, model: str, text: str, **headers: str) -> str:
        """One streamed request; returns its id."""
        reply = self.service.client().chat.completions.with_raw_response.create(
            model=model,
            messages=[{"role": "user", "content": text}],
            max_tokens=50,
            stream=True,
            extra_headers=headers,
        )
        list(reply.parse())
        return reply.headers["x-twotier-request"]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """One receiver."""
    with Collector() as made:
        yield made


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Watched]:
    """A local tier and the frontier, both fakes."""
    folder: Path = tmp_path_factory.mktemp("spans")
    with FakeOpenAI() as local, FakeAnthropic() as frontier:
        tiers = OBSERVED.format(base_url=local.base_url)
        tiers += FRONTIER.format(base_url=frontier.base_url)
        tiers += SPANS.format(base_url=collector.base_url)
        with running(folder, tiers, FRONTIER_KEY=frontier.key, **SOON) as service:
            yield Watched(service, local, frontier)


@contextmanager
def running(folder: Path, configuration: str, **env: str) -> Iterator[Service]:
    """A service that listens; no job is waited for."""
    service = Service(folder, configuration, env=env)
    try:
        service.up(ready="")
        yield service
    finally:
        service.__exit__(None, None, None)


def span_of(collector: Collector, request: str, **more: str) -> Span:
    """The span of a request, once it has come."""
    found = eventually(lambda: collector.spans_of(twotier__request=request, **more))
    assert len(found) == 1
    return found[0]


def test_an_attempt_is_a_child_of_the_clients_span(watched: Watched, collector: Collector) -> None:
    """With what it took, by the conventions; the upstream hears nothing of the trace."""
    sent = f"00-{TRACE}-{PARENT}-01"
    request = watched.ask("frontier", "say: one two", traceparent=sent)
    span = span_of(collector, request)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert span.name == "chat claude-opus-4-6"
    assert span.kind == Span.SpanKind.SPAN_KIND_CLIENT
    told = plain(span.attributes)
    assert told["gen_ai.provider.name"] == "anthropic"
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["gen_ai.usage.output_tokens"] > 0
    assert (told["server.address"], told["server.port"]) == ("127.0.0.1", watched.frontier.port)
    assert told["twotier.tier"] == "frontier"
    seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    assert 0 < told["gen_ai.response.time_to_first_chunk"] <= seconds
    assert collector.resources[0]["service.name"] == "twotier"
    assert "traceparent" not in watched.frontier.headers[-1]


@pytest.mark.parametrize("sent", ["", "nonsense", "x" * 500, f"00-{'0' * 32}-{PARENT}-01"])
def test_without_a_span_of_the_client_a_trace_begins_here(
    watched: Watched, collector: Collector, sent: str
) -> None:
    """Also where what it sent is no `traceparent`."""
    span = span_of(collector, watched.ask("local", "say: one", traceparent=sent))
    assert span.parent_span_id == b""
    assert span.trace_id.hex() != TRACE


def test_each_try_is_a_span_and_an_error_has_a_type(watched: Watched, collector: Collector) -> None:
    """A fallback has two, in one trace of the client; the failed one says by what."""
    watched.local.queue(Quirk.BROKEN)
    request = watched.ask("auto", "Check for new mail.", traceparent=f"00-{TRACE}-{PARENT}-01")
    failed = span_of(collector, request, twotier__tier="local")
    went = span_of(collector, request, twotier__tier="frontier")
    assert failed.trace_id == went.trace_id == bytes.fromhex(TRACE)
    assert plain(failed.attributes)["error.type"] == "500"
    assert failed.status.code == Status.StatusCode.STATUS_CODE_ERROR
    assert failed.status.message == ""
    assert "error.type" not in plain(went.attributes)


def test_no_span_holds_a_prompt_an_answer_or_a_key(watched: Watched, collector: Collector) -> None:
    """Nor does an error that quotes them."""
    watched.frontier.queue(Behaviour.OVERLOADED_IN_STREAM)
    with pytest.raises(openai.APIError):
        watched.ask("frontier", "say: xylophone")
    span_of(collector, watched.ask("frontier", "say: xylophone"))
    key = watched.service.paths.client_key.read_text(encoding="ascii").strip()
    for secret in ("xylophone", key, watched.frontier.key):
        assert not [body for body in collector.bodies if secret.encode() in body]


def test_the_last_spans_are_sent_when_it_stops(tmp_path: Path) -> None:
    """Those that still waited for company."""
    with FakeOpenAI() as local, Collector() as collector:
        tiers = OBSERVED.format(base_url=local.base_url)
        tiers += SPANS.format(base_url=collector.base_url)
        with running(tmp_path, tiers) as service:
            reply = service.client().chat.completions.create(
                model="local", messages=[{"role": "user", "content": "say: one"}]
            )
            assert reply.choices[0].finish_reason == "stop"
            assert collector.spans == []
        assert len(collector.spans) == 1


def test_a_collector_that_is_away_costs_spans_and_no_answers(tmp_path: Path) -> None:
    """And does not keep the program from stopping."""
    with FakeOpenAI() as local:
        tiers = OBSERVED.format(base_url=local.base_url)
        tiers += SPANS.format(base_url="http://127.0.0.1:9")
        with running(tmp_path, tiers, **SOON) as service:
            for _ in range(3):
                service.client().chat.completions.create(
                    model="local", messages=[{"role": "user", "content": "say: one"}]
                )
            service.command("down")
            assert service.process is not None
            assert service.process.wait(40) == 0


def test_without_the_extra_the_start_says_what_to_install(tmp_path: Path) -> None:
    """One sentence, exit code 2, no traceback; without the setting nothing of it is needed."""
    with FakeOpenAI() as local, without(tmp_path, "opentelemetry") as env:
        tiers = OBSERVED.format(base_url=local.base_url)
        folder = tmp_path / "wanted"
        folder.mkdir()
        wanted = Service(folder, tiers, SPANS.format(base_url="http://127.0.0.1:4318"), env=env)
        done: subprocess.CompletedProcess[str] = wanted.command("up", code=2)
        assert "pip install 'twotier[otel]'" in done.stderr
        assert "Traceback" not in done.stderr
        folder = tmp_path / "not-wanted"
        folder.mkdir()
        with running(folder, tiers, **env) as service:
            service.client().chat.completions.create(
                model="local", messages=[{"role": "user", "content": "say: one"}]
            )
