"""A real OTLP receiver: takes traces over HTTP, decodes them with OpenTelemetry's own classes."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.fakes.serving import Served


class Collector(Served):
    """See the module. `bodies` are the bytes as they came, `resources` what they came from."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[Span] = []
        self.resources: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []

    def application(self) -> web.Application:
        """`POST /v1/traces`, and nothing else."""
        application = web.Application()
        application.router.add_post("/v1/traces", self._take)
        return application

    async def _take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        body = await request.read()
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(plain(resource.resource.attributes))
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")

    def spans_of(self, **attributes: Any) -> list[Span]:
        """The spans that came so far with these attributes, dots written as two underscores."""
        wanted = {name.replace("__", "."): value for name, value in attributes.items()}
        return [span for span in self.spans if wanted.items() <= plain(span.attributes).items()]


def plain(attributes: Any) -> dict[str, Any]:
    """Attributes as a dictionary."""
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: plain_value(pair.value) for pair in pairs}


def plain_value(value: AnyValue) -> Any:
    """A value as Python has it; a list as a tuple."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(plain_value(one) for one in value.array_value.values)
    return getattr(value, str(kind))
