"""What is posted to a job becomes an item of it, once its signature was looked at.

Main takes the post from whoever knows the address, and hands it on; the secret is held here alone.
A job that there is not, one that takes no posts and a wrong signature are told with the same words:
whoever has no secret learns nothing. The same post is one item however often it is sent; who means
two by two equal ones sends a time with each.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from twotier.domain.clock import Clock
from twotier.domain.job import Item, Job
from twotier.errors import ConfigError, ForbiddenError, RequestError
from twotier.jobs.items import ItemStore
from twotier.jobs.signature import content, is_signed

LOG = logging.getLogger("twotier.jobs")

UNKNOWN = "-"  # what a post to nobody is compared with, so that it takes as long
ITEM_BYTES_MAX = 12_000  # where the job does not say
REFUSED = (
    "nothing here takes this post: there is no such job, or the signature does not fit; send"
    " x-twotier-signature: sha256=HMAC of the body with the job's webhook_secret, see docs/jobs.md"
)


class Hooks:
    """Takes posts. `job` finds a job by its name; `secret` the secret of one that takes posts, and
    raises `ConfigError` where it has none; `look` is called when there is something new.
    """

    def __init__(
        self,
        items: ItemStore,
        *,
        job: Callable[[str], Job | None],
        secret: Callable[[str], str],
        look: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._items = items
        self._job = job
        self._secret = secret
        self._look = look
        self._clock = clock

    async def take(self, name: str, body: bytes, *, headers: Mapping[str, str]) -> dict[str, Any]:
        """Store it. Raises `ForbiddenError` without a word about why, `RequestError` for a body
        that is no text.
        """
        job, secret = self._job(name), self._secret_of(name)
        signed = is_signed(secret or UNKNOWN, body, headers=headers, now=self._clock.now())
        if job is None or not job.enabled or not secret or not signed:
            LOG.warning("post refused", extra={"job": name[:64] if job else "unknown"})
            raise ForbiddenError(REFUSED)
        bytes_max = int((job.watch or {}).get("item_bytes_max", ITEM_BYTES_MAX))
        item = self._item(body, content(body, headers), bytes_max=bytes_max)
        new = await self._items.put(name, item)
        LOG.info("post taken", extra={"job": name, "item": item.id, "new": new})
        if new:
            self._look()
        return {"item": item.id, "new": new}

    def _secret_of(self, name: str) -> str:
        try:
            return self._secret(name)
        except ConfigError as exc:
            LOG.warning("post without a secret", extra={"because": exc.message})
            return ""

    def _item(self, body: bytes, signed: bytes, *, bytes_max: int) -> Item:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise RequestError("the body is not text in UTF-8; post text or JSON") from exc
        if not text.strip():
            raise RequestError("the body is empty; post the text the job is to work on")
        head = body[:bytes_max].decode("utf-8", errors="ignore")
        at, name = self._clock.now(), sha256(signed).hexdigest()[:32]
        title = f"post-{at:%Y%m%dT%H%M%SZ}-{name[:6]}"
        left_out = len(body) - len(head.encode())
        return Item(name, title, head, "webhook", bytes_cut=left_out, at=at.isoformat())
