"""Asks a server that somebody else runs about itself: which models it holds, which version it is.

Blocking and small, for commands and for a thread; never on the way of a request. A server that does
not answer in time, or in another form than documented, has told nothing: that is never an error.
"""

from __future__ import annotations

import http.client
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from twotier.engines.base import Traits
from twotier.engines.questions import Held, Question

ANSWER_BYTES_MAX = 1024 * 1024
ANSWER_SECONDS_MAX = 2.0
T = TypeVar("T")


def held(
    traits: Traits, base_url: str = "", *, key: str = "", seconds: float = ANSWER_SECONDS_MAX
) -> tuple[Held, ...] | None:
    """The models it holds in memory now; None where it does not tell."""
    for question in traits.held:
        answer = ask(question, base_url or traits.base_url, key=key, seconds=seconds)
        if answer is not None:
            return answer
    return None


def version(
    traits: Traits, base_url: str = "", *, key: str = "", seconds: float = ANSWER_SECONDS_MAX
) -> str:
    """The version it tells, empty where it tells none."""
    if traits.version is None:
        return ""
    answer = ask(traits.version, base_url or traits.base_url, key=key, seconds=seconds)
    return f"{traits.provider} {answer}" if answer else ""


def progress(traits: Traits, base_url: str, *, seconds: float = ANSWER_SECONDS_MAX) -> object:
    """How far it is with what it has in hand; None where it does not tell."""
    return None if traits.progress is None else ask(traits.progress, base_url, seconds=seconds)


def release(
    traits: Traits, base_url: str, *, model: str, key: str = "", seconds: float = ANSWER_SECONDS_MAX
) -> int | None:
    """Have it drop a model that it holds. The bytes that this one held, 0 where it does not tell;
    None where it does not hold it, or would not.
    """
    if traits.release is None:
        return None
    root, names = base_url or traits.base_url, {model, f"{model}:latest"}
    found = [
        one for one in held(traits, root, key=key, seconds=seconds) or () if one.model in names
    ]
    if not found:
        return None
    order = Question(traits.release.path, len)
    body = traits.release.body(found[0].model)
    done = ask(order, root, key=key, seconds=seconds, body=body)
    return None if done is None else found[0].bytes or 0


def ask(
    question: Question[T],
    base_url: str,
    *,
    key: str = "",
    seconds: float,
    body: bytes | None = None,
) -> T | None:
    """One question at the root of a server's address; with a body a POST."""
    try:
        return question.read(_got(base_url, question.path, key=key, seconds=seconds, body=body))
    except (OSError, http.client.HTTPException, ValueError, msgspec.DecodeError):
        return None


def _got(base_url: str, path: str, *, key: str, seconds: float, body: bytes | None) -> bytes:
    """The body of a 200. Raises `OSError` and `HTTPException`, and `ValueError` for any other."""
    parts = urlsplit(base_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=seconds)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        connection.request("GET" if body is None else "POST", path, body, headers=headers)
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise ValueError(f"status {response.status}")
        return response.read(ANSWER_BYTES_MAX)
    finally:
        connection.close()
