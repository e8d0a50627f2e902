"""`twotier notify`: the channels on which a person hears of incidents.

They are written into the configuration as a person would, and a main that runs takes them in at
once. A target is never shown: the path of a webhook, the topic of a public ntfy server and the URL
of apprise are as good as a password.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twotier.alerts.desk import test_message
from twotier.alerts.outbox import deliver
from twotier.build.alerts import FIRST, TERMINAL, ways_of
from twotier.build.config_told import channels_told
from twotier.cli.output import emit, say, show
from twotier.cli.peers import main_of
from twotier.clock import SystemClock
from twotier.config.alerts import channel_name, channel_target
from twotier.config.edit import cut, put
from twotier.config.load import check_text, load
from twotier.config.write import rewrite
from twotier.domain.urls import shown_target
from twotier.errors import DeliveryError, NotFoundError, NotRunningError, TwotierError, UsageError

HEADS = ("NAME", "TO", "HEARS OF", "WAITING", "")
SECTION = "alerts.channels"
SEND_SECONDS = 60.0


def added(config: Path, name: str, *, to: str, least: str, as_json: bool) -> int:
    """Write a channel into the configuration."""
    try:
        channel_name(name)
        channel_target(to)
    except ValueError as exc:
        raise UsageError(f"{exc}") from exc
    text = text_of(config)
    if name in load(config).config.alerts.channels:
        raise UsageError(f"there is a channel {name} already; `twotier notify remove {name}` first")
    section = f"{SECTION}.{name}"
    text = put(text, section, key="to", to=to)
    if least != "info":
        text = put(text, section, key="least", to=least)
    write(config, text)
    done = {"name": name, "to": shown_target(to), "least": least}
    if as_json:
        emit(done)
    else:
        print(f"{name}: {done['to']}, hears of {hears(least)}")
        say(f"try it: `twotier notify test {name}`")
    return take_in(config)


def removed(config: Path, name: str, *, as_json: bool) -> int:
    """Take a channel out of the configuration."""
    loaded = load(config)
    if name in (TERMINAL, FIRST):
        setting = "alerts.terminal = false" if name == TERMINAL else 'alerts.to = "log"'
        raise UsageError(f"{name} is a setting, not a channel of its own; write {setting}")
    if name not in loaded.config.alerts.channels:
        known = ", ".join(loaded.config.alerts.channels) or "none"
        raise NotFoundError(f"there is no channel {name!r}; there are: {known}")
    write(config, cut(text_of(config), f"{SECTION}.{name}"))
    if as_json:
        emit({"name": name, "removed": True})
    else:
        print(f"removed {name}")
    return take_in(config)


def listed(config: Path, *, as_json: bool) -> int:
    """Every channel, and what waits for it."""
    named, states = channels_told(load(config)), waiting(config)
    channels = [
        {
            **one,
            "waiting": states.get(one["name"], {}).get("waiting"),
            "held": states.get(one["name"], {}).get("held"),
            "because": states.get(one["name"], {}).get("because", ""),
        }
        for one in named
    ]
    if as_json:
        emit({"channels": channels})
        return 0
    show([HEADS, *(row(one) for one in channels)])
    return 0


def tested(config: Path, name: str, *, as_json: bool) -> int:
    """Send a test message through one channel, or through all; exit code 1 if one did not arrive.

    Through main where it runs, as a real message would go; else from here.
    """
    loaded = load(config)
    names = [way.name for way in ways_of(loaded)]
    if name and name not in names:
        raise NotFoundError(f"there is no channel {name!r}; there are: {', '.join(names)}")
    results = [tried(config, one) for one in ([name] if name else names)]
    if as_json:
        emit({"results": results})
    else:
        for one in results:
            print(f"{one['name']}: {'delivered' if one['delivered'] else 'FAILED'}; {one['said']}")
    return 0 if all(one["delivered"] for one in results) else 1


def tried(config: Path, name: str) -> dict[str, Any]:
    """One test, and what the other side said."""
    try:
        try:
            asked = main_of(config).post(
                "/control/alerts/test", {"name": name}, seconds=SEND_SECONDS
            )
            said = str(asked["said"])
        except NotRunningError:
            way = next(one for one in ways_of(load(config)) if one.name == name)
            said = asyncio.run(deliver(way, test_message(SystemClock())))
    except DeliveryError as exc:
        return {"name": name, "delivered": False, "said": exc.message}
    return {"name": name, "delivered": True, "said": said}


def text_of(config: Path) -> str:
    """The configuration's text."""
    try:
        return config.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise NotFoundError(f"no configuration at {config}; `twotier up` writes one") from exc


def write(config: Path, text: str) -> None:
    """Put the changed text in place, whole, if it can be used. Raises `ConfigError` if not."""
    check_text(text, config)
    rewrite(config, text)


def take_in(config: Path) -> int:
    """Have a main that runs use it now; the next start does anyway."""
    try:
        main_of(config).post("/control/alerts/reload")
    except NotRunningError:
        return 0
    except TwotierError as exc:
        say(f"twotier: written, but not yet in force: {exc.message}; `twotier down`, then `up`")
        return exc.exit_code
    return 0


def waiting(config: Path) -> Mapping[str, Mapping[str, Any]]:
    """What waits for each channel, as main tells it; nothing where it does not run."""
    try:
        told = main_of(config).get("/control/status").get("channels", [])
    except NotRunningError:
        return {}
    return {str(one["name"]): one for one in told}


def row(one: Mapping[str, Any]) -> tuple[str, ...]:
    """One channel as a line."""
    waits = "-" if one["waiting"] is None else str(one["waiting"])
    return (one["name"], one["to"], hears(one["least"]), waits, one["because"])


def hears(least: str) -> str:
    """Which incidents a channel hears of."""
    return {"info": "all", "warning": "warnings and urgent ones"}.get(least, "urgent ones")
