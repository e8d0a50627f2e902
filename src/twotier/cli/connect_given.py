"""What `twotier connect` knows of us: the address, the models, and how we are started."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twotier.cli.peers import main_of
from twotier.config.load import Loaded, load
from twotier.connect.files import Keeping
from twotier.connect.plan import (
    FRONTIER_WINDOW_TOKENS,
    LOCAL_WINDOW_TOKENS,
    NO_KEY,
    Client,
    Given,
    Home,
    Model,
)
from twotier.errors import NotRunningError, UsageError

AUTO = "auto"
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - looked for, not listened on


def home_here() -> Home:
    """The person who calls."""
    return Home(Path.home(), dict(os.environ), mac=sys.platform == "darwin")


def given_of(
    config: Path, client: Client, *, keeping: Keeping, model: str, everything: bool
) -> Given:
    """From main where it runs, which knows the windows in force; else from the configuration."""
    loaded = load(config)
    try:
        status = main_of(config).get("/control/status")
    except NotRunningError:
        status = {}
    url = str(status.get("address") or configured(loaded))
    for host in ANYWHERE:
        url = url.replace(f"//{host}:", "//127.0.0.1:").replace(f"//[{host}]:", "//127.0.0.1:")
    models = (*tiers(loaded, status), *aliases(loaded, model))
    return Given(
        url=url,
        key=NO_KEY,
        key_file=keeping.key_file(client.name),
        models=models,
        model=model or first(client, models, everything=everything),
        program=(*program(), "--config", str(config.absolute())),
        home=home_here(),
        everything=everything,
    )


def configured(loaded: Loaded) -> str:
    """The address as it will be."""
    gateway = loaded.config.gateway
    if gateway.port == 0:
        raise NotRunningError("gateway.port is 0, so the port is known only while twotier runs")
    host = f"[{gateway.host}]" if ":" in gateway.host else gateway.host
    return f"http://{host}:{gateway.port}"


def tiers(loaded: Loaded, status: dict[str, Any]) -> Iterator[Model]:
    """Every tier, and `auto` where there is something to choose from."""
    windows = {one["name"]: one["window_tokens"] for one in status.get("tiers", ())}
    found = []
    for name, tier in loaded.config.tiers.items():
        local = tier.engine is not None
        usual = LOCAL_WINDOW_TOKENS if local else FRONTIER_WINDOW_TOKENS
        window = windows.get(name) or tier.window_tokens or usual
        found.append(Model(name, window, local, "" if local else tier.model))
    yield from found
    if len(found) > 1:
        most = max(one.window_tokens for one in found)
        yield Model(AUTO, most, all(one.local for one in found))


def aliases(loaded: Loaded, model: str) -> Iterator[Model]:
    """The name that was asked for, where it is no tier's. Raises `UsageError` for no name."""
    known = loaded.config.tiers
    if not model or model in known or model == AUTO:
        return
    target = loaded.config.aliases.get(model)
    if target is None:
        names = ", ".join((AUTO, *known, *loaded.config.aliases))
        raise UsageError(f"there is no model {model!r}; there are: {names}")
    tier = known.get(target)
    if tier is None:
        yield Model(model, FRONTIER_WINDOW_TOKENS, local=False)
        return
    local = tier.engine is not None
    usual = LOCAL_WINDOW_TOKENS if local else FRONTIER_WINDOW_TOKENS
    yield Model(model, tier.window_tokens or usual, local)


def first(client: Client, models: tuple[Model, ...], *, everything: bool) -> str:
    """The model a client begins with, where nobody says one."""
    vendors = [one.name for one in models if one.vendor_model]
    if client.by_name and everything and vendors:
        return vendors[0]
    names = [one.name for one in models]
    if not names:
        raise UsageError("no tier is configured, so there is nothing to ask; add one to [tiers]")
    return AUTO if AUTO in names else names[0]


def program() -> tuple[str, ...]:
    """How we were started, so that a client can start us too."""
    called = Path(sys.argv[0])
    if called.name == "twotier" and called.is_file() and os.access(called, os.X_OK):
        return (str(called.absolute()),)
    return (sys.executable, "-m", "twotier")
