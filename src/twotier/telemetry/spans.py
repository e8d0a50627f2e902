"""One OpenTelemetry span for each attempt, by the GenAI conventions, sent to an OTLP collector.

Only where it is configured: the SDK is an extra, and nothing of it is imported before. A span is
made when its attempt has ended, with the client's own span as its parent where it sent a
`traceparent`; that header goes no further. No prompt, no answer and no sentence of an error is in
it. Sending is the business of a thread of the SDK's: a collector that is away or slow costs spans,
never answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit

from twotier import __version__
from twotier.domain.clock import Clock
from twotier.domain.money import MICROUSD_PER_USD, Attempt, Outcome, Settlement
from twotier.errors import ConfigError, UpstreamError
from twotier.telemetry.exposition import storable

OPERATIONS: Mapping[str, str] = {
    "openai_chat": "chat",
    "openai_responses": "chat",
    "anthropic_messages": "chat",
    "anthropic_count": "count_tokens",
    "openai_completions": "text_completion",
    "openai_embeddings": "embeddings",
}
INSTALL = "pip install 'twotier[otel]'"
PATH = "/v1/traces"
SPANS_WAITING_MAX = 8_192
EXPORT_SECONDS_MAX = 5.0
LAST_SECONDS_MAX = 2.0  # for the last batch when the process ends
NANO = 1_000_000_000
Attribute = str | int | float | tuple[str, ...]
PORTS = {"http": 80, "https": 443}


class Spans:
    """Hears of each attempt's end; a listener of `Ground.told`.

    `server` tells the base address of a tier's server, empty while it has none.
    """

    def __init__(self, endpoint: str, *, server: Callable[[str], str], clock: Clock) -> None:
        """Raises `ConfigError` where the extra is not installed."""
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace import SpanKind, Status, StatusCode
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as exc:
            raise ConfigError(
                "telemetry.otlp_endpoint needs the OpenTelemetry SDK, which is not installed; run"
                f" `{INSTALL}`, or take the setting out"
            ) from exc
        resource = Resource.create({"service.name": "twotier", "service.version": __version__})
        # Nothing of ours runs at the interpreter's exit: a collector that hangs would hold it up.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(traces_at(endpoint), timeout=EXPORT_SECONDS_MAX)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=SPANS_WAITING_MAX)
        )
        self._start = self._provider.get_tracer("twotier", __version__).start_span
        self._context = TraceContextTextMapPropagator().extract
        self._kind, self._failed = SpanKind.CLIENT, Status(StatusCode.ERROR)
        self._server = server
        self._clock = clock

    def __call__(self, attempt: Attempt, end: Settlement) -> None:
        """Make the span of an attempt, and queue it."""
        ended = int(self._clock.now().timestamp() * NANO)
        described = attributes(attempt, end, server=self._server(attempt.tier))
        span = self._start(
            f"{described['gen_ai.operation.name']} {attempt.model}",
            context=self._context({"traceparent": attempt.trace}) if attempt.trace else None,
            kind=self._kind,
            attributes=described,
            start_time=ended - int(end.total_seconds * NANO),
        )
        if end.outcome is Outcome.ERROR:
            span.set_status(self._failed)
        span.end(ended)

    def close(self) -> None:
        """Send what waits. Blocks, but not for longer than `LAST_SECONDS_MAX`."""
        last = threading.Thread(target=self._provider.shutdown, name="twotier-spans", daemon=True)
        last.start()
        last.join(LAST_SECONDS_MAX)


def installed() -> bool:
    """Whether the extra is there, without loading it."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ImportError:  # not even the package above it
        return False


def traces_at(endpoint: str) -> str:
    """Where traces go: the configured address, with OTLP's own path unless it is there."""
    base = endpoint.rstrip("/")
    return base if base.endswith(PATH) else base + PATH


def attributes(attempt: Attempt, end: Settlement, *, server: str) -> dict[str, Attribute]:
    """The span in OpenTelemetry's words, and in ours below `twotier.`; only what is known.

    One text that cannot be sent would cost all spans of its batch.
    """
    usage, first = end.usage, end.first_token_seconds
    at = urlsplit(server)
    told: dict[str, Attribute | None] = {
        "gen_ai.operation.name": OPERATIONS.get(attempt.dialect, "chat"),
        "gen_ai.provider.name": attempt.provider,
        "gen_ai.request.model": attempt.model,
        "gen_ai.response.model": end.model_served or None,
        "gen_ai.response.finish_reasons": (end.finish,) if end.finish else None,
        "gen_ai.response.time_to_first_chunk": first,
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": (
            usage.cache_write_tokens + usage.cache_write_1h_tokens
        ),
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        "server.address": at.hostname or None,
        "server.port": (at.port or PORTS.get(at.scheme)) if at.hostname else None,
        "error.type": error_type(end),
        "twotier.request": attempt.request_id,
        "twotier.attempt": attempt.id,
        "twotier.tier": attempt.tier,
        "twotier.rule": attempt.rule,
        "twotier.dialect": attempt.dialect,
        "twotier.client": attempt.client,
        "twotier.job": attempt.job or None,
        "twotier.outcome": end.outcome.value,
        "twotier.repairs": end.repairs or None,
        "twotier.cost_usd": end.cost_microusd / MICROUSD_PER_USD,
    }
    return {
        name: storable(value) if isinstance(value, str) else value
        for name, value in told.items()
        if value is not None
    }


def error_type(end: Settlement) -> str | None:
    """The upstream's status where it gave one, else the code of our error (see errors.md)."""
    if end.outcome is not Outcome.ERROR:
        return None
    code = end.error.partition(":")[0]
    given = code == UpstreamError.code and end.upstream_status >= 400
    return str(end.upstream_status) if given else code
