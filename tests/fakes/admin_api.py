"""Anthropic's Admin API as far as bills go: pages of daily buckets behind an admin key.

Shapes as of https://platform.claude.com/docs/en/api/admin/cost_report/retrieve and
.../usage_report/retrieve_messages: amounts in cents as decimal text, no result for an empty day.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from aiohttp import web

from tests.fakes.serving import Served

KEY = "sk-ant-admin-fake"
DAYS_A_PAGE = 2


class AdminApi(Served):
    """`costs` and `usages` are results by day; `asked` are the questions as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.costs: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.usages: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.endless = False
        self.status = 200

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/organizations/cost_report", self.cost)
        app.router.add_get("/v1/organizations/usage_report/messages", self.usage)
        return app

    def charge(self, day: str, cents: str, *, model: str | None = "claude-opus-4-6") -> None:
        """One line of the cost report."""
        search = model is None
        self.costs[day].append(
            {
                "currency": "USD",
                "amount": cents,
                "workspace_id": None,
                "description": "Web Search Usage" if search else f"{model} Usage",
                "cost_type": "web_search" if search else "tokens",
                "context_window": None if search else "0-200k",
                "model": model,
                "service_tier": None if search else "standard",
                "token_type": None if search else "output_tokens",
            }
        )

    def count(self, day: str, *, fresh: int = 0, output: int = 0) -> None:
        """One line of the usage report."""
        self.usages[day].append(
            {
                "uncached_input_tokens": fresh,
                "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
                "cache_read_input_tokens": 0,
                "output_tokens": output,
                "server_tool_use": {"web_search_requests": 0},
                "api_key_id": None,
                "workspace_id": None,
                "model": "claude-opus-4-6",
                "service_tier": "standard",
                "context_window": "0-200k",
                "inference_geo": "not_available",
            }
        )

    async def cost(self, request: web.Request) -> web.Response:
        return self.page(request, self.costs)

    async def usage(self, request: web.Request) -> web.Response:
        return self.page(request, self.usages)

    def page(self, request: web.Request, results: dict[str, list[dict[str, Any]]]) -> web.Response:
        query = {name: request.query.getall(name) for name in request.query}
        self.asked.append((request.path, query))
        if self.status != 200:
            return web.Response(status=self.status, headers={"location": "http://elsewhere"})
        if request.headers.get("x-api-key") != KEY or "anthropic-version" not in request.headers:
            error = {"type": "authentication_error", "message": "invalid x-api-key"}
            return web.json_response({"type": "error", "error": error}, status=401)
        first = date.fromisoformat(query.get("page", query["starting_at"])[0][:10])
        end = date.fromisoformat(query["ending_at"][0][:10])
        days = [first + timedelta(days=n) for n in range(min(DAYS_A_PAGE, (end - first).days))]
        after = first + timedelta(days=DAYS_A_PAGE)
        more = self.endless or after < end
        buckets = [
            {
                "starting_at": f"{day.isoformat()}T00:00:00Z",
                "ending_at": f"{(day + timedelta(days=1)).isoformat()}T00:00:00Z",
                "results": results[day.isoformat()],
            }
            for day in days
        ]
        following = f"{first if self.endless else after}" if more else None
        return web.json_response({"data": buckets, "has_more": more, "next_page": following})
