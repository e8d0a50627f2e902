"""The X API v2 as far as watchers ask it: recent search, mentions and posts of a user.

Shapes as of https://docs.x.com/x-api (posts/recent-search, users/mentions, users/posts). What it
gives, newest first, is billed by the post, as the price list says; `billed` is its own account.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.fakes.serving import Served

TOKEN = "AAAA_fake_bearer_of_the_tests_0123456789"
START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
POST_MICROUSD = 5_000
EPOCH_MS = 1_288_834_974_657
PROBLEM = "https://api.x.com/2/problems"


class XApi(Served):
    """`asked` are the requests as (path, query); `now` is the API's own time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.posts: list[dict[str, Any]] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.billed = 0  # posts
        self.failing: list[tuple[int, dict[str, Any], dict[str, str]] | None] = []  # None: as usual
        self._number = 0

    @property
    def bill_microusd(self) -> int:
        """What it charges for all it gave."""
        return self.billed * POST_MICROUSD

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/2/tweets/search/recent", self.search)
        app.router.add_get("/2/users/{id}/mentions", self.of_user)
        app.router.add_get("/2/users/{id}/tweets", self.of_user)
        return app

    def post(self, text: str, *, author: str = "42", seconds: float = 60.0) -> dict[str, Any]:
        """Somebody posts, so many seconds after what was before."""
        self.now += timedelta(seconds=seconds)
        self._number += 1
        snowflake = (int(self.now.timestamp() * 1000) - EPOCH_MS) << 22 | self._number
        made = {
            "id": str(snowflake),
            "text": text,
            "author_id": author,
            "created_at": iso(self.now),
            "edit_history_tweet_ids": [str(snowflake)],
        }
        self.posts.append(made)
        return made

    def limit(self, seconds: float) -> None:
        """The next request is one too many, until so long from now."""
        reset = str(int((self.now + timedelta(seconds=seconds)).timestamp()))
        body = {"title": "Too Many Requests", "detail": "Too Many Requests", "status": 429}
        self.failing.append((429, {**body, "type": "about:blank"}, {"x-rate-limit-reset": reset}))

    async def search(self, request: web.Request) -> web.Response:
        return self._answer(request, least=10)

    async def of_user(self, request: web.Request) -> web.Response:
        return self._answer(request, least=5)

    def _answer(self, request: web.Request, *, least: int) -> web.Response:
        wanted = dict(request.query)
        self.asked.append((request.path, wanted))
        if self.failing and (ordered := self.failing.pop(0)) is not None:
            status, body, headers = ordered
            return web.json_response(body, status=status, headers=headers)
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            body = {"title": "Unauthorized", "type": "about:blank", "status": 401}
            return web.json_response({**body, "detail": "Unauthorized"}, status=401)
        if problem := self._problem(request, wanted, least=least):
            return web.json_response(problem, status=400)
        kept = [one for one in self.posts if self._matches(one, wanted)]
        kept.sort(key=lambda one: int(one["id"]), reverse=True)
        start = int(wanted.get("next_token", wanted.get("pagination_token", "p0"))[1:])
        count = int(wanted["max_results"])
        page = kept[start : start + count]
        self.billed += len(page)
        meta: dict[str, Any] = {"result_count": len(page)}
        if page:
            meta |= {"newest_id": page[0]["id"], "oldest_id": page[-1]["id"]}
        if start + count < len(kept):
            meta["next_token"] = f"p{start + count}"
        fields = {"id", "text", "edit_history_tweet_ids", *wanted["tweet.fields"].split(",")}
        rows = [{name: one[name] for name in one if name in fields} for one in page]
        return web.json_response({**({"data": rows} if rows else {}), "meta": meta})

    def _problem(
        self, request: web.Request, wanted: dict[str, str], *, least: int
    ) -> dict[str, Any] | None:
        count, recent = int(wanted.get("max_results", 0)), request.path.endswith("/recent")
        text = ""
        if not least <= count <= 100:
            text = (
                f"The `max_results` query parameter value [{count}] is not between {least} and 100"
            )
        if "start_time" in wanted and ("since_id" in wanted or "until_id" in wanted):
            text = "Invalid use of 'since_id' or 'until_id' with 'start_time'"
        if recent and "since_id" in wanted and moment_of(wanted["since_id"]) < self._week_ago():
            text = f"'since_id' must be a tweet id created after {iso(self._week_ago())}"
        if recent and wanted.get("start_time", "9") < iso(self._week_ago()):
            text = f"Invalid 'start_time': must be on or after {iso(self._week_ago())}"
        if not text:
            return None
        return {
            "errors": [{"parameters": {}, "message": text}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": f"{PROBLEM}/invalid-request",
        }

    def _matches(self, post: dict[str, Any], wanted: dict[str, str]) -> bool:
        number = int(post["id"])
        return (
            number > int(wanted.get("since_id", 0))
            and number < int(wanted.get("until_id", 1 << 63))
            and post["created_at"] >= wanted.get("start_time", "")
        )

    def _week_ago(self) -> datetime:
        return self.now - timedelta(days=7)


def moment_of(number: str) -> datetime:
    """When a post was made, from its number."""
    return datetime.fromtimestamp(((int(number) >> 22) + EPOCH_MS) / 1000, UTC)


def iso(moment: datetime) -> str:
    """A time as X writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
