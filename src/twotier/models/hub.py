"""The Hugging Face hub, as far as a model's figures and files need it.

Blocking and standard library only: the command line asks, never the gateway. `HF_ENDPOINT` names
another server, `HF_TOKEN` gives its token, both as the hub's own client has them. The token goes to
that host alone, by its own redirects too: large files come by redirect from others, which never see
it. What a server says is bounded in size, and a name of a file is only believed where it stays
inside the model's folder.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote, urlsplit

from twotier.errors import NOT_READABLE, EngineError
from twotier.models import gguf, safetensors
from twotier.models.describe import CONFIG_BYTES_MAX, config_of, of_header, of_parts, shown
from twotier.models.estimate import Model
from twotier.models.safetensors import Weights

ENDPOINT = "https://huggingface.co"
ANSWER_SECONDS_MAX = 30.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024
FILES_MAX = 100_000
PIECE_BYTES = 1024 * 1024
REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}")
SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository. `digest` is its SHA-256, or the git id (SHA-1) of a small one."""

    name: str
    size_bytes: int
    digest: str

    @property
    def large(self) -> bool:
        """Kept outside git, with a SHA-256 of its bytes."""
        return bool(SHA256.fullmatch(self.digest))


@dataclass(frozen=True, slots=True)
class Repo:
    """A model on the hub at one commit."""

    name: str
    commit: str
    files: tuple[HubFile, ...]
    licence: str = ""
    gated: bool = False


@dataclass(frozen=True, slots=True)
class Hub:
    """Where it is, and how to be known there."""

    endpoint: str = ENDPOINT
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Hub:
        """By the variables its own client reads. Raises `EngineError` for an address of no use."""
        endpoint = environment.get("HF_ENDPOINT", "").rstrip("/") or ENDPOINT
        if not endpoint.startswith(("http://", "https://")):
            raise EngineError("HF_ENDPOINT has to begin with https://")
        return cls(endpoint, environment.get("HF_TOKEN", ""))

    def repo(self, name: str) -> Repo:
        """What a repository holds now. Raises `EngineError`."""
        if not REPO.fullmatch(name):
            raise EngineError(f"{name!r} is no name of a model on the hub; those are OWNER/NAME")
        raw = self._json(f"/api/models/{name}/revision/main?blobs=true", what=name)
        rows = raw.get("siblings")
        if not isinstance(rows, list) or len(rows) > FILES_MAX:
            raise EngineError(f"the hub's answer about {name} cannot be read")
        commit = str(raw.get("sha", ""))
        if not SHA1.fullmatch(commit):
            raise EngineError(f"the hub names no commit of {name}")
        files = tuple(found for row in rows if (found := _file(row)))
        card = raw.get("cardData")
        licence = shown(card.get("license", "")) if isinstance(card, dict) else ""
        return Repo(name, commit, files, licence, bool(raw.get("gated")))

    def bytes_of(self, repo: Repo, file: HubFile, *, begin: int = 0, size: int) -> bytes:
        """A piece of a file. Raises `EngineError`."""
        return self._read(self.open(repo, file, begin=begin, end=begin + size), size)

    def open(
        self, repo: Repo, file: HubFile, *, begin: int = 0, end: int | None = None
    ) -> http.client.HTTPResponse:
        """The file's bytes from `begin` on; read as they come. Raises `EngineError`."""
        path = f"/{repo.name}/resolve/{repo.commit}/{quote(file.name)}"
        last = "" if end is None else str(end - 1)
        wanted = {"Range": f"bytes={begin}-{last}"} if begin or last else {}
        answer = self._get(path, what=f"{repo.name}/{file.name}", headers=wanted)
        if begin and answer.status != http.client.PARTIAL_CONTENT:
            answer.close()
            raise EngineError(f"the hub does not send parts of {file.name}; try again later")
        return answer

    def _json(self, path: str, *, what: str) -> dict[str, Any]:
        try:
            found = json.loads(self._read(self._get(path, what=what), ANSWER_BYTES_MAX))
        except NOT_READABLE as exc:
            raise EngineError(f"the hub's answer about {what} is no JSON") from exc
        return found if isinstance(found, dict) else {}

    def _get(
        self, path: str, *, what: str, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        request = urllib.request.Request(f"{self.endpoint}{path}", headers=dict(headers or {}))  # noqa: S310 - http(s) alone, see `of`
        if self.token:
            # Not carried along by redirects, so that the stores of files never see it.
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        try:
            answer = _OPENER.open(request, timeout=ANSWER_SECONDS_MAX)
        except urllib.error.HTTPError as exc:
            exc.close()
            raise EngineError(_refusal(exc.code, what, known=bool(self.token))) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise self._unreached(exc) from exc
        return cast("http.client.HTTPResponse", answer)

    def _read(self, answer: http.client.HTTPResponse, size: int) -> bytes:
        """So much of an answer, at most; it is closed then."""
        with answer:
            try:
                return answer.read(size)
            except (OSError, http.client.HTTPException) as exc:
                raise self._unreached(exc) from exc

    def _unreached(self, exc: Exception) -> EngineError:
        why = getattr(exc, "reason", exc)
        host = self.endpoint.partition("://")[2].rpartition("@")[2]
        return EngineError(
            f"the hub at {host} cannot be reached ({getattr(why, 'strerror', None) or why});"
            " look at the network, or set HF_ENDPOINT to a mirror"
        )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Small files are sent on to another path of the hub, which asks for the token again."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """The next request. Raises `EngineError` for one that is not as safe as this one."""
        here, there = urlsplit(req.full_url), urlsplit(newurl)
        if there.scheme not in ("https", here.scheme):
            raise EngineError(f"the hub sends us on to {there.scheme}://: not followed")
        follows = super().redirect_request(req, fp, code, msg, headers, newurl)
        token = req.unredirected_hdrs.get("Authorization")
        if follows and token and (here.scheme, here.netloc) == (there.scheme, there.netloc):
            follows.add_unredirected_header("Authorization", token)
        return follows


_OPENER = urllib.request.build_opener(_Redirects)


def _refusal(status: int, what: str, *, known: bool) -> str:
    """What the hub's no means. It says 401 also for what does not exist."""
    if status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        way = "accept its terms on its page" if known else "set HF_TOKEN if it is not open to all"
        return f"the hub does not give {what} ({status}): check the name, or {way}"
    if status == http.client.NOT_FOUND:
        return f"the hub has no {what}; check the name"
    return f"the hub answered {status} for {what}; try again later"


def _file(row: Any) -> HubFile | None:
    """A file with a size and a digest, and a name that stays inside a folder."""
    if not isinstance(row, dict):
        return None
    name, size = row.get("rfilename"), row.get("size")
    lfs = row.get("lfs")
    digest = lfs.get("sha256", "") if isinstance(lfs, dict) else row.get("blobId", "")
    if not isinstance(name, str) or not isinstance(size, int) or size < 0:
        return None
    # Only what can be printed: names are shown to people.
    inside = name.isprintable() and "\\" not in name
    inside = inside and not {"", ".", ".."} & {*name.split("/")}
    sound = isinstance(digest, str) and (SHA256.fullmatch(digest) or SHA1.fullmatch(digest))
    return HubFile(name, size, digest) if inside and sound else None


def describe(hub: Hub, repo: Repo, *, files: tuple[HubFile, ...]) -> Model:
    """The figures of these files of a repository, from their headers alone. Raises `EngineError`.

    Of a model in many files the index says how many bytes its tensors have.
    """
    origin = f"the hub, {repo.name} at {repo.commit[:12]}"
    first = next((file for file in files if file.name.endswith(".gguf")), None)
    if first:
        return _of_gguf(hub, repo, files=files, origin=origin)
    config = _named(repo, "config.json")
    tensors = [file for file in files if file.name.endswith(".safetensors")]
    if config is None or not tensors:
        raise EngineError(f"{repo.name} has no config.json with *.safetensors, and no GGUF file")
    settings = config_of(hub.bytes_of(repo, config, size=min(config.size_bytes, CONFIG_BYTES_MAX)))
    return of_parts(repo.name, settings, found=_tensors(hub, repo, files=tensors), origin=origin)


def _tensors(hub: Hub, repo: Repo, *, files: list[HubFile]) -> Weights:
    index = _named(repo, "model.safetensors.index.json")
    if index is not None and index.size_bytes <= ANSWER_BYTES_MAX:
        raw = config_of(hub.bytes_of(repo, index, size=index.size_bytes))
        told = raw.get("metadata")
        total = told.get("total_size") if isinstance(told, dict) else None
        if isinstance(total, int) and 0 < total <= sum(file.size_bytes for file in files):
            kinds = _header(hub, repo, file=files[0])
            return Weights(total, kinds.tensors, kinds.by_type)
    found = Weights()
    for file in files:
        found += _header(hub, repo, file=file)
    return found


def _header(hub: Hub, repo: Repo, *, file: HubFile) -> Weights:
    start = safetensors.LENGTH_BYTES
    length = safetensors.header_bytes(hub.bytes_of(repo, file, size=start))
    header = hub.bytes_of(repo, file, begin=start, size=length)
    return safetensors.weights(header, data_bytes=file.size_bytes - start - length)


def _of_gguf(hub: Hub, repo: Repo, *, files: tuple[HubFile, ...], origin: str) -> Model:
    parts = [file for file in files if file.name.endswith(".gguf")]
    headers = [gguf.header(_Pieces(hub, repo, file=part).read) for part in parts]
    weights = sum((header.weights for header in headers), Weights())
    unknown = any(header.unknown_types for header in headers)
    size = sum(part.size_bytes for part in parts) if unknown else 0
    name = f"{repo.name}/{parts[0].name}"
    return of_header(name, headers[0], weights=weights, size_bytes=size, origin=origin)


class _Pieces:
    """A far file read from front to back, a megabyte at a time."""

    def __init__(self, hub: Hub, repo: Repo, *, file: HubFile) -> None:
        self._hub, self._repo, self._file = hub, repo, file
        self._held = b""
        self._used = 0
        self._begin = 0

    def read(self, size: int) -> bytes:
        """The next bytes; fewer at the end of the file."""
        while len(self._held) - self._used < size and self._begin < self._file.size_bytes:
            piece = self._hub.bytes_of(self._repo, self._file, begin=self._begin, size=PIECE_BYTES)
            if not piece:
                break
            self._begin += len(piece)
            self._held = self._held[self._used :] + piece
            self._used = 0
        found = self._held[self._used : self._used + size]
        self._used += len(found)
        return found


def _named(repo: Repo, name: str) -> HubFile | None:
    return next((file for file in repo.files if file.name == name), None)


def here() -> Hub:
    """The hub as this machine's environment has it."""
    return Hub.of(os.environ)
