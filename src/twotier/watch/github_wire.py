"""GitHub's answers, read into posts and items. Pure, and never surprised: what does not have the
documented shape reads as empty.

A post is anything somebody wrote: a discussion, a comment, a reply, an issue. Its revision changes
when its text is edited, and with it the id of its item, so that an edit is a new item.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from twotier.domain.job import Item
from twotier.errors import NOT_READABLE
from twotier.watch.cut import cut, mark, one_line
from twotier.watch.visible import reason, visible

Row = Mapping[str, Any]

NEXT_LINK = re.compile(r'<([^<>\s]{1,2000})>\s*;\s*rel="next"')
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
POST = "id url body createdAt lastEditedAt viewerDidAuthor author { login }"
BEFORE = "pageInfo { hasPreviousPage startCursor }"
REPLIES = f"replies(last: $replies) {{ {BEFORE} nodes {{ {POST} }} }}"
COMMENTS = f"{BEFORE} nodes {{ {POST} {REPLIES} }}"
DISCUSSIONS = f"""
query($owner: String!, $name: String!, $first: Int!, $after: String, $comments: Int!, $replies: Int!) {{
  repository(owner: $owner, name: $name) {{
    discussions(first: $first, after: $after, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{
      pageInfo {{ hasNextPage endCursor }}
      nodes {{ {POST} number title updatedAt category {{ slug }}
        comments(last: $comments) {{ {COMMENTS} }} }}
    }}
  }}
  rateLimit {{ cost remaining resetAt }}
}}"""  # noqa: E501 - one line of GraphQL
OLDER_COMMENTS = f"""
query($id: ID!, $before: String, $count: Int!, $replies: Int!) {{
  node(id: $id) {{ ... on Discussion {{
    comments(last: $count, before: $before) {{ {COMMENTS} }} }} }}
}}"""
OLDER_REPLIES = f"""
query($id: ID!, $before: String, $count: Int!) {{
  node(id: $id) {{ ... on DiscussionComment {{
    replies(last: $count, before: $before) {{ {BEFORE} nodes {{ {POST} }} }} }} }}
}}"""


@dataclass(frozen=True, slots=True)
class Post:
    """What somebody wrote. `stamp` is when it got its present text, as ISO 8601 in UTC, which
    sorts as text. `mine`: the owner of the token wrote it.
    """

    id: str
    url: str
    author: str
    text: str
    stamp: str
    mine: bool = False

    @property
    def revision(self) -> str:
        """The same for the same text of the same post."""
        return f"{self.id}:{self.stamp}"


@dataclass(frozen=True, slots=True)
class Older:
    """What lies before a page: comments of the discussion `of`, or replies of the comment `of`."""

    of: str
    before: str
    replies: bool


@dataclass(frozen=True, slots=True)
class Thread:
    """A discussion. `posts` are its own text first, then comments and replies as far as read."""

    id: str
    title: str
    number: int
    category: str
    updated: str
    posts: tuple[Post, ...]
    older: tuple[Older, ...]


@dataclass(frozen=True, slots=True)
class Threads:
    """A page of discussions, the one changed last first; `after` is where the next one begins."""

    threads: tuple[Thread, ...]
    after: str


def threads_of(data: Any) -> Threads:
    """A page of discussions."""
    found = at(data, "repository", "discussions")
    page = at(found, "pageInfo")
    after = text(at(page, "endCursor")) if at(page, "hasNextPage") is True else ""
    return Threads(tuple(thread_of(row) for row in rows(at(found, "nodes"))), after)


def thread_of(row: Row) -> Thread:
    """One discussion with what is shown of its comments."""
    posts, older = comments_of(at(row, "comments"), text(row.get("id")))
    number = row.get("number")
    return Thread(
        id=text(row.get("id")),
        title=one_line(visible(text(row.get("title")))),
        number=number if isinstance(number, int) else 0,
        category=text(at(row, "category", "slug")),
        updated=stamp(row.get("updatedAt")),
        posts=(post_of(row), *posts),
        older=older,
    )


def comments_of(connection: Any, discussion: str) -> tuple[tuple[Post, ...], tuple[Older, ...]]:
    """Comments with their replies, and what lies before them."""
    posts: list[Post] = []
    older = [*before(connection, discussion, replies=False)]
    for row in rows(at(connection, "nodes")):
        replies, more = replies_of(at(row, "replies"), text(row.get("id")))
        posts += [post_of(row), *replies]
        older += more
    return tuple(posts), tuple(older)


def replies_of(connection: Any, comment: str) -> tuple[tuple[Post, ...], tuple[Older, ...]]:
    """Replies, and what lies before them."""
    posts = tuple(post_of(row) for row in rows(at(connection, "nodes")))
    return posts, tuple(before(connection, comment, replies=True))


def before(connection: Any, of: str, *, replies: bool) -> Iterator[Older]:
    """Where the page before this one ends, if there is one."""
    page = at(connection, "pageInfo")
    cursor = text(at(page, "startCursor"))
    if at(page, "hasPreviousPage") is True and cursor:
        yield Older(of, cursor, replies)


def post_of(row: Row) -> Post:
    """What GraphQL says of a discussion, comment or reply."""
    return Post(
        id=text(row.get("id")),
        url=link(row.get("url")),
        author=line(at(row, "author", "login")),
        text=visible(text(row.get("body"))),
        stamp=stamp(row.get("lastEditedAt")) or stamp(row.get("createdAt")),
        mine=row.get("viewerDidAuthor") is True,
    )


def item_of(post: Post, title: str, *, bytes_max: int) -> Item:
    """A post as an item."""
    shown, left_out = cut(post.text, bytes_max=bytes_max)
    return Item(
        post.revision,
        title,
        shown,
        post.url,
        bytes_cut=left_out,
        author=post.author,
        at=post.stamp,
        link=post.url,
    )


def rest_post(row: Row, *, heading: str = "") -> Post:
    """What REST says of an issue or a comment. Its revision is its text: labels and reactions
    change an issue's time too.
    """
    shown = visible("\n\n".join(part for part in (heading, text(row.get("body"))) if part))
    identity = text(row.get("node_id")) or text(row.get("html_url"))
    return Post(
        id=f"{identity}:{mark(shown)[:16]}",
        url=link(row.get("html_url")),
        author=line(at(row, "user", "login")),
        text=shown,
        stamp=stamp(row.get("created_at")),
    )


def refusal(status: int, headers: Mapping[str, str], *, raw: bytes) -> tuple[str, str]:
    """Why GitHub gave no page: its own words, and what to do about it."""
    said = reason(at(decoded(raw), "message"))
    limited = headers.get("x-ratelimit-remaining") == "0" or "rate limit" in said.lower()
    if status == 429 or (status == 403 and (limited or "retry-after" in headers)):
        return said or "the rate limit is reached", "give the job a longer period"
    advice = {
        401: "the token is wrong or has expired; make a new one",
        403: "the token may not read this; see docs/watchers.md for the scopes it needs",
        404: "is the name right, and may the token see it?",
    }
    return said or f"status {status}", advice.get(status, "it is tried again at the next look")


def graphql_errors(body: Any) -> list[tuple[str, str]]:
    """The (type, message) of each error: GraphQL says them with status 200."""
    found = at(body, "errors")
    if not isinstance(found, Sequence) or isinstance(found, str) or not found:
        return []
    return [
        (text(at(one, "type")), reason(at(one, "message")) or "an error without a word")
        for one in found[:3]
    ]


def wait_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """When to come back: `retry-after`, else the reset of a limit that is used up."""
    after = headers.get("retry-after", "")
    if after.isdecimal() and len(after) < 7:
        return float(after)
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal() and len(reset) < 12:
        return max(0.0, float(reset) - now.timestamp())
    return None


def next_page(headers: Mapping[str, str]) -> str:
    """The address of the next page, empty on the last one."""
    found = NEXT_LINK.search(headers.get("link", "")[:8_000])
    return found.group(1) if found else ""


def page_link(api_url: str) -> str:
    """The page for people behind an API address, as notifications name their subjects."""
    found = re.fullmatch(
        r"https://(?:api\.(github\.com)|([\w.:-]+)/api/v3)/repos/([\w.-]+/[\w.-]+)/(\w+)/([\w.-]+)",
        api_url,
    )
    if found is None:
        return ""
    host, kind = found.group(1) or found.group(2), found.group(4)
    kinds = {"issues": "issues", "pulls": "pull", "commits": "commit"}
    at_end = f"{kinds[kind]}/{found.group(5)}" if kind in kinds else kind
    return f"https://{host}/{found.group(3)}/{at_end}"


def decoded(raw: bytes) -> Any:
    """JSON, or None for what is none."""
    try:
        return json.loads(raw)
    except NOT_READABLE:
        return None


def rows(value: Any) -> list[Row]:
    """The objects of a list; GraphQL puts null where somebody may not look."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def at(value: Any, *names: str) -> Any:
    """What lies under these names, None where a step is missing."""
    for step in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def text(value: Any) -> str:
    """A text, empty for anything else."""
    return value if isinstance(value, str) else ""


def line(value: Any) -> str:
    """A name or a title, short and on one line; empty for what is no text, as nobody's name is."""
    return reason(value)


def stamp(value: Any) -> str:
    """A time as GitHub writes it, empty for anything else: it is compared as text."""
    found = text(value)
    return found if STAMP.fullmatch(found) else ""


def link(value: Any) -> str:
    """An address for people, empty for what is none."""
    found = text(value)
    return (
        found
        if found.startswith("https://") and len(found) <= 2_000 and found.isprintable()
        else ""
    )
