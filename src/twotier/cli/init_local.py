"""The local tier that `--local` names: a server's address, or an engine and a model."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from twotier.build.around import first_chat_model, of_server
from twotier.config.schema import KEPT_ENGINES, USUAL_URLS, EngineName
from twotier.config.starter import STARTER, LocalModel
from twotier.domain.urls import shown_url
from twotier.errors import UsageError
from twotier.models import discover

SECONDS_MAX = 3.0
HOW = "say --local http://127.0.0.1:PORT, --local ENGINE:MODEL, or --local starter"


def local_of(text: str) -> LocalModel:
    """Raises `UsageError` for what names nothing that can be a tier."""
    if text == STARTER.model:
        return STARTER
    if text.startswith(("http://", "https://")):
        return of_address(text)
    engine, colon, model = text.partition(":")
    if not colon or not model or engine not in get_args(EngineName):
        raise UsageError(f"{text!r} is no local model; {HOW}")
    if engine in KEPT_ENGINES:
        path = Path(model).expanduser()
        model = str(path.absolute()) if path.exists() else model
    elif engine not in USUAL_URLS:
        raise UsageError(f"{engine} has no usual address; say --local http://HOST:PORT")
    return LocalModel(engine, model, said="You named it.")


def of_address(text: str) -> LocalModel:
    """The first model of that server which can answer, or the one behind a `#`."""
    address, _, wanted = text.partition("#")
    root = address.rstrip("/").removesuffix("/v1")
    names = asyncio.run(discover.server_at(root, seconds=SECONDS_MAX))
    if names is None:
        raise UsageError(f"nothing at {shown_url(root)} lists its models; start it first")
    port = urlsplit(root).port
    kind = next((one for one in discover.PLACES if one.port == port), None)
    model = wanted or first_chat_model(names)
    if not model:
        raise UsageError(f"{shown_url(root)} lists no model; load one, or add #MODEL")
    found = discover.FoundServer(
        kind.kind if kind else "a server", root, names, kind.engine if kind else "openai"
    )
    return of_server(found, model)
