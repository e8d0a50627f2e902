"""GitHub as far as watchers ask it: discussions by GraphQL, the rest by REST.

Shapes as of https://docs.github.com/graphql (Discussion, DiscussionComment, RateLimit) and
https://docs.github.com/rest (issues, releases, activity/notifications; best practices for limits).
Its time is its own: each change is a minute later than the one before. A 304 is not counted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from tests.fakes.serving import Served

TOKEN = "ghp_FakeTokenOfTheTests0123456789abcdef"
REPO = "octo/blog"
ME = "octo-owner"
START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MORE_RETRY_SECONDS = 60
# Every name that a query may hold: fields of the schema, and words of the language.
SCHEMA_WORDS = """
query repository owner name discussions first after last before orderBy field direction nodes id
pageInfo hasNextPage hasPreviousPage endCursor startCursor number title url body createdAt
updatedAt lastEditedAt viewerDidAuthor author login category slug comments replies totalCount
rateLimit cost remaining resetAt node on Discussion DiscussionComment UPDATED_AT DESC String Int
ID"""
SCHEMA = frozenset(re.findall(r"\w+", SCHEMA_WORDS))


@dataclass
class Post:
    """A discussion, a comment or a reply. `below` are its comments, or a comment's replies."""

    id: str
    url: str
    author: str
    body: str
    created: datetime
    updated: datetime
    title: str = ""
    number: int = 0
    category: str = "general"
    edited: datetime | None = None
    below: list[Post] = field(default_factory=list)


class GithubApi(Served):
    """One repository. `asked` are the requests as (method, path with query); `charged` counts those
    that came off the rate limit. `failing`: the next answers as (status, body, headers).
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.discussions: list[Post] = []
        self.issues: list[dict[str, Any]] = []
        self.comments: list[dict[str, Any]] = []
        self.releases: list[dict[str, Any]] = []
        self.notifications: list[dict[str, Any]] = []
        self.notified = START  # when the notifications changed last
        self.poll_seconds = 60
        self.asked: list[tuple[str, str]] = []
        self.tokens: list[str] = []
        self.charged = 0
        self.failing: list[tuple[int, Any, dict[str, str]]] = []
        self.down = False
        self.edits_touch = False  # whether an edit moves its discussion's `updatedAt`
        self._ids = 0

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self.door])
        app.router.add_post("/graphql", self.graphql)
        app.router.add_post("/api/graphql", self.graphql)  # where GitHub Enterprise has it
        for at in ("", "/api/v3"):
            app.router.add_get(f"{at}/repos/{{owner}}/{{name}}/issues", self.listed_issues)
            app.router.add_get(f"{at}/repos/{{owner}}/{{name}}/issues/comments", self.listed)
            app.router.add_get(f"{at}/repos/{{owner}}/{{name}}/releases", self.listed_releases)
            app.router.add_get(f"{at}/notifications", self.listed_notifications)
        return app

    # -- what people do

    def discuss(self, title: str, body: str, *, author: str = "ann") -> Post:
        """Somebody opens a discussion."""
        post = self._post(body, author)
        post.title, post.number = title, len(self.discussions) + 1
        post.url = f"https://github.com/{REPO}/discussions/{post.number}"
        self.discussions.append(post)
        return post

    def comment(self, under: Post, body: str, *, author: str = "ben", touch: bool = True) -> Post:
        """Somebody comments on a discussion, or replies to a comment."""
        post = self._post(body, author)
        top = self._top(under)
        post.url = f"{top.url}#discussioncomment-{self._ids}"
        under.below.append(post)
        if touch:
            top.updated = self.now
        return post

    def edit(self, post: Post, body: str) -> None:
        """Somebody changes what stands there."""
        self._tick()
        post.body, post.edited, post.updated = body, self.now, self.now
        if self.edits_touch:
            self._top(post).updated = self.now

    def open_issue(self, title: str, body: str | None, **more: Any) -> dict[str, Any]:
        """Somebody opens an issue; `pull=True` for a pull request."""
        at, number = self._tick(), len(self.issues) + 1
        kind = "pull" if more.pop("pull", False) else "issues"
        issue: dict[str, Any] = {
            "id": self._ids,
            "node_id": f"I_{self._ids}",
            "number": number,
            "title": title,
            "body": body,
            "state": "open",
            "user": {"login": more.pop("author", "ann")},
            "html_url": f"https://github.com/{REPO}/{kind}/{number}",
            "created_at": at,
            "updated_at": at,
            **({"pull_request": {"html_url": "x"}} if kind == "pull" else {}),
            **more,
        }
        self.issues.append(issue)
        return issue

    def say(self, issue: dict[str, Any], body: str, *, author: str = "ben") -> dict[str, Any]:
        """Somebody comments on an issue, which touches it."""
        at = self._tick()
        issue["updated_at"] = at
        made = {
            "id": self._ids,
            "node_id": f"IC_{self._ids}",
            "body": body,
            "user": {"login": author},
            "html_url": f"{issue['html_url']}#issuecomment-{self._ids}",
            "created_at": at,
            "updated_at": at,
        }
        self.comments.append(made)
        return made

    def change(self, thing: dict[str, Any], **news: Any) -> None:
        """Change an issue or a comment, as an edit or a label does."""
        thing.update(news, updated_at=self._tick())

    def release(self, tag: str, body: str, **more: Any) -> dict[str, Any]:
        """Somebody publishes a release."""
        at = self._tick()
        made: dict[str, Any] = {
            "id": self._ids,
            "tag_name": tag,
            "name": f"Release {tag}",
            "body": body,
            "draft": False,
            "prerelease": False,
            "author": {"login": "ann"},
            "html_url": f"https://github.com/{REPO}/releases/tag/{tag}",
            "created_at": at,
            "published_at": at,
            **more,
        }
        self.releases.append(made)
        return made

    def notify(self, title: str, *, reason: str = "mention", number: int = 1) -> dict[str, Any]:
        """GitHub notifies the owner of the token."""
        at = self._tick()
        made = {
            "id": str(self._ids),
            "unread": True,
            "reason": reason,
            "updated_at": at,
            "subject": {
                "title": title,
                "url": f"https://api.github.com/repos/{REPO}/issues/{number}",
                "latest_comment_url": None,
                "type": "Issue",
            },
            "repository": {"full_name": REPO, "html_url": f"https://github.com/{REPO}"},
        }
        self.notifications.append(made)
        self.notified = self.now
        return made

    def refuse(self, status: int, body: Any, **headers: str) -> None:
        """The next answer is this one; `retry_after="60"` is the header Retry-After."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.failing.append((status, body, named))

    # -- what it answers

    @web.middleware
    async def door(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """The token, the limits, and the failures a test orders."""
        self.asked.append((request.method, request.path_qs))
        self.tokens.append(request.headers.get("authorization", ""))
        if not request.headers.get("user-agent"):
            return web.Response(status=403, text="Request forbidden by administrative rules.")
        if self.down:
            return web.Response(status=502, text="<html>unicorn</html>")
        if self.failing:
            status, body, headers = self.failing.pop(0)
            return web.Response(
                status=status,
                body=body if isinstance(body, bytes) else json.dumps(body).encode(),
                headers={"content-type": "application/json", **self._limits(), **headers},
            )
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return web.json_response(
                {
                    "message": "Bad credentials",
                    "documentation_url": "https://docs.github.com/rest",
                    "status": "401",
                },
                status=401,
            )
        reply: web.StreamResponse = await handler(request)
        self.charged += reply.status != 304
        reply.headers.update(self._limits())
        return reply

    async def graphql(self, request: web.Request) -> web.Response:
        body = await request.json()
        query, wanted = str(body["query"]), body.get("variables", {})
        words = set(re.findall(r"[A-Za-z_]\w*", re.sub(r"\$\w+", "", query)))
        if unknown := words - SCHEMA:
            text = f"Field '{min(unknown)}' doesn't exist on type 'Query'"
            return web.json_response({"errors": [{"message": text}]})
        if "node(" in query:
            return web.json_response({"data": {"node": self._below(query, wanted)}})
        if f"{wanted['owner']}/{wanted['name']}" != REPO:
            return web.json_response({"data": {"repository": None}, "errors": [MISSING]})
        ordered = sorted(self.discussions, key=lambda post: post.updated, reverse=True)
        start = cursor_at(wanted.get("after"))
        if start is None:
            return web.json_response({"data": None, "errors": [BAD_CURSOR]})
        count = int(wanted["first"])
        nodes = [self._discussion(post, wanted) for post in ordered[start : start + count]]
        page = {
            "hasNextPage": start + count < len(ordered),
            "endCursor": cursor_of(start + len(nodes)),
        }
        limit = {"cost": 1, "remaining": 4_999, "resetAt": iso(self.now + timedelta(hours=1))}
        found = {"discussions": {"nodes": nodes, "pageInfo": page}}
        return web.json_response({"data": {"repository": found, "rateLimit": limit}})

    async def listed_issues(self, request: web.Request) -> web.Response:
        kept = [one for one in self.issues if one["updated_at"] >= request.query.get("since", "")]
        return self._page(request, by_update(kept))

    async def listed(self, request: web.Request) -> web.Response:
        kept = [one for one in self.comments if one["updated_at"] >= request.query.get("since", "")]
        return self._page(request, by_update(kept))

    async def listed_releases(self, request: web.Request) -> web.Response:
        return self._page(request, self.releases[::-1])

    async def listed_notifications(self, request: web.Request) -> web.Response:
        modified = format_datetime(self.notified, usegmt=True)
        headers = {"last-modified": modified, "x-poll-interval": str(self.poll_seconds)}
        if request.headers.get("if-modified-since") == modified:
            return web.Response(status=304, headers=headers)
        since = request.query.get("since", "")
        kept = [one for one in self.notifications if one["updated_at"] >= since]
        return self._page(request, kept[::-1], headers=headers)

    # -- the parts of it

    def _page(
        self, request: web.Request, rows: list[Any], *, headers: dict[str, str] | None = None
    ) -> web.Response:
        if "repos" in request.path and REPO not in request.path:
            return web.json_response({"message": "Not Found", "status": "404"}, status=404)
        size, number = int(request.query.get("per_page", 30)), int(request.query.get("page", 1))
        body = json.dumps(rows[(number - 1) * size : number * size]).encode()
        tag = f'W/"{hashlib.sha256(body).hexdigest()}"'
        told = {"etag": tag, "content-type": "application/json; charset=utf-8", **(headers or {})}
        if request.headers.get("if-none-match") == tag:
            return web.Response(status=304, headers=told)
        if number * size < len(rows):
            following = request.url.update_query(page=str(number + 1))
            told["link"] = f'<{following}>; rel="next", <{following}>; rel="last"'
        return web.Response(body=body, headers=told)

    def _discussion(self, post: Post, wanted: dict[str, Any]) -> dict[str, Any]:
        comments = [self._comment(one, wanted) for one in post.below]
        return {
            **told(post),
            "number": post.number,
            "title": post.title,
            "category": {"slug": post.category},
            "comments": last_of(comments, int(wanted["comments"])),
        }

    def _comment(self, post: Post, wanted: dict[str, Any]) -> dict[str, Any]:
        replies = [told(one) for one in post.below]
        return {**told(post), "replies": last_of(replies, int(wanted["replies"]))}

    def _below(self, query: str, wanted: dict[str, Any]) -> dict[str, Any] | None:
        """What comes before a cursor, among a discussion's comments or a comment's replies."""
        post = next((one for one in every(self.discussions) if one.id == wanted["id"]), None)
        if post is None:
            return None
        name = "comments" if "on Discussion {" in query else "replies"
        above = name == "comments"
        rows = [self._comment(one, wanted) if above else told(one) for one in post.below]
        before = cursor_at(wanted.get("before"))
        return {name: last_of(rows[:before], int(wanted["count"]))}

    def _limits(self) -> dict[str, str]:
        reset = int((self.now + timedelta(hours=1)).timestamp())
        return {
            "x-ratelimit-limit": "5000",
            "x-ratelimit-remaining": "4990",
            "x-ratelimit-reset": str(reset),
        }

    def _post(self, body: str, author: str) -> Post:
        self._tick()
        return Post(f"D_{self._ids}", "", author, body, self.now, self.now)

    def _top(self, post: Post) -> Post:
        return next(one for one in self.discussions if any(p is post for p in every([one])))

    def _tick(self) -> str:
        self.now += timedelta(minutes=1)
        self._ids += 1
        return iso(self.now)


MISSING = {
    "type": "NOT_FOUND",
    "path": ["repository"],
    "message": "Could not resolve to a Repository with the name 'octo/none'.",
}
BAD_CURSOR = {"type": "INVALID_CURSOR_ARGUMENTS", "message": "`x` does not appear to be a cursor."}


def told(post: Post) -> dict[str, Any]:
    """The fields that discussions, comments and replies share."""
    return {
        "id": post.id,
        "url": post.url,
        "body": post.body,
        "createdAt": iso(post.created),
        "updatedAt": iso(post.updated),
        "lastEditedAt": iso(post.edited) if post.edited else None,
        "viewerDidAuthor": post.author == ME,
        "author": {"login": post.author} if post.author else None,  # null for a deleted account
    }


def last_of(rows: list[dict[str, Any]], count: int) -> dict[str, Any]:
    """A connection asked for its last rows."""
    start = max(0, len(rows) - count)
    page = {"hasPreviousPage": start > 0, "startCursor": cursor_of(start)}
    return {"totalCount": len(rows), "pageInfo": page, "nodes": rows[start:]}


def every(posts: Iterable[Post]) -> Iterable[Post]:
    """All of them and what is below."""
    for post in posts:
        yield post
        yield from every(post.below)


def by_update(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As `sort=updated&direction=asc` gives them."""
    return sorted(rows, key=lambda one: str(one["updated_at"]))


def iso(moment: datetime) -> str:
    """A time as GitHub writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def cursor_of(place: int) -> str:
    """A cursor nobody should look into."""
    return f"Y3Vyc29y{place}"


def cursor_at(cursor: str | None) -> int | None:
    """Where it stands; None for what is no cursor."""
    if not cursor:
        return 0
    return int(cursor[8:]) if cursor.startswith("Y3Vyc29y") else None
