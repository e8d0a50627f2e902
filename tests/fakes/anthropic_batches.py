"""The fake's Message Batches: submitted, listed, looked at, cancelled, read; half the price.

A batch is `in_progress` while `holds` is set, and ends at the next look when it is not. What is
wrong with a request is told in its result, as in the real API, and what happens to a batch by a
`Fault`, queued for those that come next. Wire format: the models of the official SDK
(anthropic.types.messages); https://platform.claude.com/docs/en/build-with-claude/batch-processing.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from aiohttp import web

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
PAGE = 20
Refusal = tuple[int, str, str]


class Fault(StrEnum):
    """What may become of a batch."""

    ERRORED = "errored"
    OVERLOADED = "overloaded"  # errored too, and another time it may do
    EXPIRED = "expired"
    LOST = "lost"  # it is taken, and the connection breaks before the answer
    BUSY = "busy"  # 529 to the submission
    REFUSED = "refused"  # 403 to the submission


class Api(Protocol):
    """What a batch needs of the fake around it."""

    def admitted(self, request: web.Request) -> tuple[web.Response | None, str]: ...
    def invalid(self, body: Any, request: web.Request) -> Refusal | None: ...
    def composed(self, body: dict[str, Any], request_id: str) -> dict[str, Any]: ...
    def error(self, request_id: str, error: Refusal) -> web.Response: ...
    def reply_headers(self, request_id: str) -> dict[str, str]: ...


@dataclass
class Made:
    """One batch. `results` are its lines, once it has ended."""

    id: str
    requests: list[dict[str, Any]]
    fault: Fault | None
    created_at: datetime
    status: str = "in_progress"
    cancelled_at: datetime | None = None
    ended_at: datetime | None = None
    results: list[dict[str, Any]] = field(default_factory=list)

    def told(self, base_url: str) -> dict[str, Any]:
        """As the wire says it."""
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        for line in self.results:
            counts[line["result"]["type"]] += 1
        counts["processing"] = len(self.requests) - sum(counts.values())
        ended = self.status == "ended"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": self.status,
            "request_counts": counts,
            "created_at": stamp(self.created_at),
            "expires_at": stamp(self.created_at + timedelta(hours=24)),
            "ended_at": stamp(self.ended_at),
            "cancel_initiated_at": stamp(self.cancelled_at),
            "archived_at": None,
            "results_url": f"{base_url}/v1/messages/batches/{self.id}/results" if ended else None,
        }


class FakeBatches:
    """See the module. `made` are the batches, the oldest first."""

    def __init__(self, api: Api, base_url: Callable[[], str]) -> None:
        self.made: list[Made] = []
        self.holds = False
        self.looks = 0
        self._api = api
        self._base_url = base_url
        self._faults: deque[Fault | None] = deque()

    def queue(self, *faults: Fault | None) -> None:
        """What the next batches meet, one each."""
        self._faults.extend(faults)

    def add_foreign(self) -> Made:
        """A batch that somebody else with the same account made."""
        batch = Made(f"msgbatch_other{len(self.made)}", [], None, datetime.now(UTC))
        batch.requests = [{"custom_id": "not-ours", "params": {}}]
        batch.status, batch.ended_at = "ended", datetime.now(UTC)
        batch.results = [{"custom_id": "not-ours", "result": {"type": "expired"}}]
        self.made.append(batch)
        return batch

    def add_to(self, router: web.UrlDispatcher) -> None:
        """The paths."""
        path = "/v1/messages/batches"
        router.add_post(path, self._create)
        router.add_get(path, self._list)
        router.add_get(f"{path}/{{id}}", self._look)
        router.add_get(f"{path}/{{id}}/results", self._results)
        router.add_post(f"{path}/{{id}}/cancel", self._cancel)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        refused, request_id = self._api.admitted(request)
        if refused is not None:
            return refused
        fault = self._faults.popleft() if self._faults else None
        if fault is Fault.BUSY:
            return self._api.error(request_id, (529, "overloaded_error", "Overloaded"))
        if fault is Fault.REFUSED:
            return self._api.error(request_id, (403, "permission_error", "no batches for this key"))
        requests = json.loads(await request.read()).get("requests")
        if problem := malformed(requests):
            return self._api.error(request_id, (400, "invalid_request_error", problem))
        batch = Made(f"msgbatch_fake{len(self.made):04d}", requests, fault, datetime.now(UTC))
        batch.results = []
        self.made.append(batch)
        if fault is Fault.LOST:
            assert request.transport is not None
            request.transport.abort()
        return self._said(batch, request_id)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        refused, request_id = self._api.admitted(request)
        if refused is not None:
            return refused
        newest = self.made[::-1]
        if after := request.query.get("after_id"):
            ids = [one.id for one in newest]
            newest = newest[ids.index(after) + 1 :]
        page = newest[: int(request.query.get("limit", PAGE))]
        for batch in page:
            self._move(batch, request)
        body = {
            "data": [batch.told(self._base_url()) for batch in page],
            "has_more": len(newest) > len(page),
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
        }
        return web.json_response(body, headers=self._api.reply_headers(request_id))

    async def _look(self, request: web.Request) -> web.StreamResponse:
        refused, request_id = self._api.admitted(request)
        if refused is not None:
            return refused
        batch = self._found(request)
        if batch is None:
            return self._api.error(request_id, (404, "not_found_error", "no such batch"))
        self.looks += 1
        self._move(batch, request)
        return self._said(batch, request_id)

    async def _results(self, request: web.Request) -> web.StreamResponse:
        refused, request_id = self._api.admitted(request)
        if refused is not None:
            return refused
        batch = self._found(request)
        if batch is None or batch.status != "ended":
            return self._api.error(request_id, (404, "not_found_error", "no results yet"))
        text = "".join(json.dumps(line) + "\n" for line in batch.results)
        headers = self._api.reply_headers(request_id)
        return web.Response(text=text, content_type="application/binary", headers=headers)

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        refused, request_id = self._api.admitted(request)
        if refused is not None:
            return refused
        batch = self._found(request)
        if batch is None or batch.status == "ended":
            problem = "this batch has ended already" if batch else "no such batch"
            return self._api.error(request_id, (400, "invalid_request_error", problem))
        batch.status, batch.cancelled_at = "canceling", datetime.now(UTC)
        return self._said(batch, request_id)

    def _found(self, request: web.Request) -> Made | None:
        return next((one for one in self.made if one.id == request.match_info["id"]), None)

    def _said(self, batch: Made, request_id: str) -> web.Response:
        headers = self._api.reply_headers(request_id)
        return web.json_response(batch.told(self._base_url()), headers=headers)

    def _move(self, batch: Made, request: web.Request) -> None:
        """On to its end, if nothing holds it."""
        if batch.status == "ended" or (self.holds and batch.status == "in_progress"):
            return
        batch.results = [
            {"custom_id": one["custom_id"], "result": self._result(batch, one["params"], request)}
            for one in batch.requests
        ]
        batch.status, batch.ended_at = "ended", datetime.now(UTC)

    def _result(self, batch: Made, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        if batch.status == "canceling":
            return {"type": "canceled"}
        if batch.fault is Fault.EXPIRED:
            return {"type": "expired"}
        problem = self._api.invalid(body, request)
        if batch.fault is Fault.ERRORED:
            problem = (400, "invalid_request_error", "messages: something is wrong")
        if batch.fault is Fault.OVERLOADED:
            problem = (529, "overloaded_error", "Overloaded")
        if problem is not None:
            error = {"type": problem[1], "message": problem[2]}
            wrapped = {"type": "error", "error": error, "request_id": f"req_{batch.id}"}
            return {"type": "errored", "error": wrapped}
        return {"type": "succeeded", "message": self._api.composed(body, f"req_{batch.id}")}


def malformed(requests: Any) -> str:
    """What is wrong with a submission as a whole."""
    if not isinstance(requests, list) or not requests:
        return "requests: at least one is needed"
    ids = [one.get("custom_id", "") for one in requests]
    if len(set(ids)) < len(ids) or not all(CUSTOM_ID.fullmatch(one) for one in ids):
        return "requests.custom_id: unique, 1 to 64 letters, digits, _ and -"
    if any(one["params"].get("stream") for one in requests):
        return "requests.params.stream: batches do not stream"
    return ""


def stamp(moment: datetime | None) -> str | None:
    """RFC 3339."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
