"""Style, scripts and pictures: read once, named with their digest, so that browsers keep them."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from twotier.errors import NotFoundError

FOLDER = Path(__file__).with_name("static")
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOREVER = "public, max-age=31536000, immutable"
DIGEST_CHARACTERS = 10


@dataclass(frozen=True, slots=True)
class Static:
    """One file. `packed` is the same, gzipped: it holds no secret that a length could tell."""

    body: bytes
    packed: bytes
    media_type: str
    digest: str


@cache
def files() -> dict[str, Static]:
    """Every file that is handed out, by its name below `static/`."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in TYPES:
            body = path.read_bytes()
            digest = sha256(body).hexdigest()[:DIGEST_CHARACTERS]
            name = path.relative_to(FOLDER).as_posix()
            packed = gzip.compress(body, mtime=0)
            found[name] = Static(body, packed, TYPES[path.suffix], digest)
    return found


def link(name: str) -> str:
    """A file's place below `/ui/`, with its digest."""
    return f"static/{name}?v={files()[name].digest}"


async def served(request: Request) -> Response:
    """One file. Raises `NotFoundError`."""
    found = files().get(request.path_params["name"])
    if found is None:
        raise NotFoundError("there is no such file")
    packs = "gzip" in request.headers.get("accept-encoding", "")
    body = found.packed if packs else found.body
    right = request.query_params.get("v") == found.digest
    headers = {"vary": "accept-encoding", "cache-control": FOREVER if right else "no-cache"}
    if packs:
        headers["content-encoding"] = "gzip"
    return Response(body, headers=headers, media_type=found.media_type)
