"""Metrics of a real main process, read as Prometheus reads them."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI, Quirk, Raw
from tests.story.service import FRONTIER, Service, eventually

pytestmark = pytest.mark.slow

OBSERVED = """
[tiers.local]
engine = "openai"
model = "small"
base_url = "{base_url}/v1"
"""


class Observed:
    """A running service with a fake server behind each tier."""

    def __init__(self, service: Service, local: FakeOpenAI, frontier: FakeAnthropic) -> None:
        self.service = service
        self.local = local
        self.frontier = frontier

    @property
    def key(self) -> str:
        """The clients' key."""
        return self.service.paths.client_key.read_text(encoding="ascii").strip()

    def page(self, headers: Mapping[str, str]) -> str:
        """`GET /metrics`. Raises `HTTPError`."""
        address = self.service.status()["address"]
        request = urllib.request.Request(f"{address}/metrics", headers=dict(headers))
        with urllib.request.urlopen(request, timeout=30) as reply:
            text: str = reply.read().decode()
        return text

    def read(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every sample, by its name and labels."""
        text = self.page({"authorization": f"Bearer {self.key}"})
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples with this name that have these labels."""
        return sum(
            value
            for (found, given), value in self.read().items()
            if found == name and labels.items() <= given
        )


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """A local tier and the frontier, both fakes; the frontier is what falls back."""
    folder: Path = tmp_path_factory.mktemp("metrics")
    with FakeOpenAI() as local, FakeAnthropic() as frontier:
        tiers = OBSERVED.format(base_url=local.base_url)
        tiers += FRONTIER.format(base_url=frontier.base_url)
        service = Service(folder, tiers, env={"FRONTIER_KEY": frontier.key})
        try:
            service.up(ready="")
            yield Observed(service, local, frontier)
        finally:
            service.__exit__(None, None, None)


def ask(
    observed: Observed, model: str, *, text: str = "say: one two", stream: bool = False
) -> None:
    """One request to its end."""
    reply = observed.service.client().chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], max_tokens=50, stream=stream
    )
    if isinstance(reply, openai.Stream):
        list(reply)


def test_a_request_shows_up_as_what_it_was(observed: Observed) -> None:
    """Tier, model, dialect, outcome, client, tokens, dollars, both times; streamed or not."""
    ask(observed, "frontier", stream=True)
    ask(observed, "frontier")
    labels = {"tier": "frontier", "model": "anthropic/claude-opus-4-6"}
    eventually(lambda: observed.value("twotier_requests_total", **labels) == 2)
    exact = {"dialect": "openai_chat", "outcome": "ok", "client": "default"}
    assert observed.value("twotier_requests_total", **labels, **exact) == 2
    spent = observed.frontier.billed_microusd / 1_000_000
    assert observed.value("twotier_cost_usd_total", **labels) == pytest.approx(spent)
    for kind in ("input", "output"):
        assert observed.value("twotier_tokens_total", type=kind, **labels) > 0
    assert observed.value("twotier_request_duration_seconds_count", **labels) == 2
    # Asked for a stream always, so that the first token is known even where the client waits.
    assert observed.value("twotier_time_to_first_token_seconds_count", **labels) == 2


def test_a_fallback_and_a_refusal_are_told_apart(observed: Observed) -> None:
    """A tier that failed and was replaced is no refusal; an unknown model is one."""
    observed.local.queue(Quirk.BROKEN)
    ask(observed, "auto", text="Check for new mail.")
    closed = {"tier": "local", "model": "small", "state": "closed"}
    assert observed.value("twotier_breaker_state", **closed) == 1
    assert observed.value("twotier_breaker_state", tier="local") == 1
    # Counted when the row is written, and the answer may be there before that.
    eventually(lambda: observed.value("twotier_fallbacks_total", tier="frontier") == 1)
    assert observed.value("twotier_requests_total", tier="local", outcome="error") == 1
    assert observed.value("twotier_refusals_total") == 0
    with pytest.raises(openai.NotFoundError):
        ask(observed, "nobody/knows")
    assert observed.value("twotier_refusals_total", code="model_not_found") == 1


def test_the_log_has_a_line_for_a_request_and_none_of_its_words(observed: Observed) -> None:
    """What the answer's headers say, what it took, and never a prompt, an answer or a key."""
    reply = observed.service.client().chat.completions.with_raw_response.create(
        model="frontier", messages=[{"role": "user", "content": "say: xylophone"}], max_tokens=50
    )
    text = reply.http_response.text
    line = eventually(lambda: logged(observed, reply.headers["x-twotier-request"]))
    for field in ("tier", "model", "rule"):
        assert line[field] == reply.headers[f"x-twotier-{field}"]
    assert f"{line['cost_microusd'] / 1_000_000:.6f}" == reply.headers["x-twotier-cost-usd"]
    whole = ("event", "outcome", "finish", "status", "dialect", "client")
    assert [line[field] for field in whole] == [
        "asked",
        "ok",
        "stop",
        200,
        "openai_chat",
        "default",
    ]
    assert line["bytes_out"] == len(text.encode())
    assert 0 < line["first_token_seconds"] <= line["seconds"]
    log = (observed.service.paths.logs / "main.log").read_text(encoding="utf-8")
    for secret in ("xylophone", observed.key, observed.frontier.key):
        assert secret not in log


QUOTING = b'{"error": {"message": "cannot read: xylophone", "type": "invalid_request_error"}}'


@pytest.mark.parametrize(("status", "tries"), [(400, 1), (500, 2)])
def test_an_upstream_that_quotes_the_prompt_is_heard_by_the_client_alone(
    observed: Observed, status: int, tries: int
) -> None:
    """Servers do that in their errors. The log and the ledger keep its status and its type."""
    observed.local.queue(*[Raw((QUOTING,), "application/json", status)] * tries)
    with pytest.raises(openai.APIStatusError, match="xylophone") as refused:
        ask(observed, "local", text="say: xylophone")
    request = refused.value.response.headers["x-twotier-request"]
    line = eventually(lambda: logged(observed, request))
    assert line["error"] == f"upstream_error: {status} invalid_request_error"
    places = [observed.service.paths.logs / "main.log", *observed.service.paths.state.glob("*.db*")]
    eventually(lambda: request.encode() in b"".join(path.read_bytes() for path in places[1:]))
    assert [path.name for path in places if b"xylophone" in path.read_bytes()] == []


def logged(observed: Observed, request: str) -> dict[str, Any] | None:
    """The log line of a request, once it is written."""
    text = (observed.service.paths.logs / "main.log").read_text(encoding="utf-8")
    found = [line for line in map(json.loads, text.splitlines()) if line.get("request") == request]
    return found[0] if found else None


def test_a_refused_request_has_a_line_of_its_own(observed: Observed) -> None:
    """Where no tier was asked, it is all there is to see."""
    with pytest.raises(openai.NotFoundError):
        ask(observed, "nobody/knows-this")
    log = (observed.service.paths.logs / "main.log").read_text(encoding="utf-8")
    lines = [line for line in map(json.loads, log.splitlines()) if line["event"] == "refused"]
    last = lines[-1]
    assert (last["status"], last["path"]) == (404, "/v1/chat/completions")
    assert last["client"] == "default"
    assert last["error"].startswith("model_not_found: ")


def test_the_page_needs_the_key(observed: Observed) -> None:
    """It names models and what they cost; without a key it is 401, and that is counted."""
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        observed.page({})
    refused.value.close()
    assert observed.value("twotier_refusals_total", code="invalid_api_key") >= 1


def test_a_key_without_money_looks_and_asks_for_nothing(observed: Observed) -> None:
    """What the docs give to Prometheus."""
    made = observed.service.command("key", "add", "prometheus", "--budget-usd", "0").stdout.strip()
    assert "twotier_requests_total" in observed.page({"authorization": f"Bearer {made}"})
    with pytest.raises(openai.APIStatusError) as refused:
        observed.service.client(made).chat.completions.create(
            model="local", messages=[{"role": "user", "content": "say: one"}]
        )
    assert refused.value.status_code == 402


def test_states_and_the_process_are_gauges(observed: Observed) -> None:
    """One state of a tier is 1, all others 0; the process is the one that serves."""
    assert observed.value("twotier_tier_state", tier="frontier", state="ready") == 1
    assert observed.value("twotier_tier_state", tier="frontier") == 1
    assert observed.value("twotier_build_info") == 1
    assert observed.value("twotier_ledger_rows_lost_total") == 0
    assert observed.value("process_resident_memory_bytes") > 10_000_000
    assert observed.value("process_cpu_seconds_total") > 0


def test_status_says_how_much_is_asked(observed: Observed) -> None:
    """In flight, and since the start; so do the metrics."""
    before = observed.service.status()["requests"]["since_start"]
    observed.local.queue(Quirk.SILENT)
    connection = http.client.HTTPConnection(urlsplit(observed.service.status()["address"]).netloc)
    body = {"model": "local", "messages": [{"role": "user", "content": "say: one"}]}
    headers = {"authorization": f"Bearer {observed.key}"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    line = f"{before + 1} requests since start, 1 in flight"
    eventually(lambda: line in observed.service.command("status").stdout)
    assert observed.value("twotier_requests_in_flight") == 1
    connection.close()
    eventually(lambda: observed.value("twotier_requests_in_flight") == 0)
    assert observed.value("twotier_requests_total", tier="local", outcome="cancelled") == 1
