"""Asks an HTTP API that the owner declared, with its secrets, at addresses below its own.

Secrets are put in here and nowhere else: they are in no argument, and what the other side repeats
of them is taken out of the result. A GET reads; every other method sends and changes. No redirect
is followed, because it would lead away from what was declared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from yarl import URL

from twotier.domain.label import Label, Labels
from twotier.errors import ReachError, ToolError
from twotier.tools.base import Call, Result, Tool, ToolSpec
from twotier.tools.page import Page
from twotier.tools.settings import Api, Bench, Wanted
from twotier.tools.web import REDIRECTS

READS: Labels = frozenset({Label.PRIVATE, Label.UNTRUSTED})
ALL: Labels = READS | {Label.SENDS, Label.CHANGES}
HIDDEN = "***"
SECRET = re.compile(r"\{([a-z0-9_-]+)\}")
SECRET_CHARACTERS_MIN = 4  # less would take apart every other word
GOOD = range(200, 300)


def make(wanted: Wanted, bench: Bench) -> Sequence[Tool]:
    """One tool for each API that the job names."""
    return [ApiTool(bench, bench.apis[target]) for target in wanted.targets]


@dataclass(frozen=True, slots=True)
class ApiTool:
    """One API."""

    bench: Bench
    api: Api

    @property
    def spec(self) -> ToolSpec:
        """What it takes, and which methods the owner allows."""
        api = self.api
        text = {"type": "string"}
        properties: dict[str, Any] = {"path": text, "query": {"type": "object"}}
        if len(api.methods) > 1:
            properties["method"] = {"enum": list(api.methods)}
        if any(method != "GET" for method in api.methods):
            properties["body"] = {"type": "object"}
        parameters = {
            "type": "object",
            "properties": properties,
            "required": ["path"],
            "additionalProperties": False,
        }
        labels = READS if api.methods == ("GET",) else ALL
        return ToolSpec(
            f"api_{api.name.replace('-', '_')}",
            api.description or f"Ask the API {api.name}; path is below its address.",
            parameters,
            labels,
            repeatable=set(api.methods) <= {"GET", "PUT", "DELETE"},
            looks=True,
        )

    def needs(self, arguments: Mapping[str, Any]) -> Labels:
        """A GET reads."""
        return READS if method_of(arguments, self.api.methods) == "GET" else ALL

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        """Status and body of the answer. Raises `ToolError`."""
        api = self.api
        method = method_of(arguments, api.methods)
        if method not in api.methods:
            raise ToolError(f"{method} is not allowed here; {', '.join(api.methods)} is")
        url = address(api.url, str(arguments["path"]), query=arguments.get("query") or {})
        secrets = {name: secret() for name, secret in api.secrets.items()}
        headers = {"accept": "application/json", **filled(api.headers, secrets)}
        headers["idempotency-key"] = call.key
        body = None
        if method != "GET" and arguments.get("body") is not None:
            body = json.dumps(arguments["body"]).encode()
            headers["content-type"] = "application/json"
        web = replace(self.bench.web.owners(api.url), redirects_max=0)
        seconds = min(self.bench.sizes.seconds_max, call.deadline_seconds)
        try:
            page = await web.request(
                url, method=method, headers=headers, body=body, seconds=seconds
            )
        except ReachError as exc:
            raise ToolError(without(exc.message, secrets.values())) from exc
        return Result(without(said(page), secrets.values()), READS)


def method_of(arguments: Mapping[str, Any], methods: Sequence[str]) -> str:
    """The method of a call: what it says, else the first one that is allowed."""
    return str(arguments.get("method") or methods[0]).upper()


def address(base: str, path: str, *, query: Mapping[str, Any]) -> str:
    """An address below the declared one. Raises `ToolError` for a path that leads elsewhere."""
    parts = [part for part in path.strip().strip("/").split("/") if part]
    if "://" in path or any(part.partition(";")[0] in (".", "..") for part in parts):
        raise ToolError("path is below the API's address, for example states/sensor.door")
    if any(mark in path for mark in "?#\\%") or any(ord(one) < 32 for one in path):
        raise ToolError("path holds no ?, #, % and \\; what follows a ? goes into query")
    whole = "/".join([base.rstrip("/"), *(quote(part, safe=":@!$&'()*+,;=-._~") for part in parts)])
    if not query:
        return whole
    return str(URL(whole, encoded=True) % {key: str(value) for key, value in query.items()})


def filled(headers: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """The headers with secrets in place of their names."""
    return {
        name: SECRET.sub(lambda found: secrets[found.group(1)], value)
        for name, value in headers.items()
    }


def said(page: Page) -> str:
    """What came back. Raises `ToolError` for an answer that is no text."""
    if page.status in REDIRECTS:
        raise ToolError("the API sends elsewhere; the owner should write that address")
    if b"\0" in page.body[:8_192]:
        raise ToolError(f"the API answered with {page.content_type or 'bytes'}, which is no text")
    return page.text if page.status in GOOD else f"status {page.status}\n{page.text}"


def without(text: str, secrets: Collection[str]) -> str:
    """The text with every secret hidden, as it is and as it stands in addresses and in JSON."""
    for secret in secrets:
        if len(secret) < SECRET_CHARACTERS_MIN:
            continue
        for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
            text = text.replace(form, HIDDEN)
    return text
