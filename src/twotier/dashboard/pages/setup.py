"""Setup: what the doctor finds, who has a key, where incidents are told, what the file says.

It stands on what `twotier doctor`, `key list`, `notify list` and `config show` tell. A new key is
shown once, by the page after the order that made it, and lies nowhere.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from twotier.dashboard.page import Done, Form, Page, Told, Visit
from twotier.dashboard.peer import Found, all_found, found

DOCTOR = "doctor"
KINDS = {"ok": "good", "warn": "warn", "bad": "bad"}
POLICIES = {
    "auto": "both tiers, as the router decides",
    "local-only": "this machine alone",
    "local-then-frontier": "this machine first",
    "frontier": "the frontier first",
}
PERIODS = ("day", "week", "month")
LIMITS = {"stop": "refuse everything", "local-only": "go on where it is free"}
LEAST = {"info": "all", "warning": "warnings and urgent ones"}
# A target is as good as a password, so channels are added where no browser keeps what was typed.
CHANNEL_COMMANDS = (
    ("ntfy, a telephone", "twotier notify add phone ntfy:TOPIC"),
    ("Mail", "twotier notify add me mail:YOU@EXAMPLE.ORG"),
    (
        "Slack, Discord, any webhook",
        "twotier notify add team webhook:file:SLACK.URL",
    ),
    ("This desktop", "twotier notify add here desktop"),
    ("Another of 100 services, by apprise", "twotier notify add more apprise:file:APPRISE.URL"),
)
VALUE_CHARACTERS_MAX = 160
RIGHTS = ("name", "policy", "budget_usd", "period", "at_limit")


async def told(visit: Visit) -> Told:
    """All of the page; what cannot be had says why."""
    status, keys, channels, config = await all_found(
        visit.status(),
        visit.main.get("/control/keys"),
        visit.main.get("/control/channels"),
        visit.main.get("/control/config"),
    )
    everything = visit.query.get("all") == "1"
    return {
        "status": status,
        "doctor": await doctor(visit),
        "keys": keys,
        "channels": channels,
        "config": config,
        "settings": settings(config, everything=everything),
        "everything": everything,
        "versions": versions(status),
        "policies": POLICIES,
        "periods": PERIODS,
        "limits": LIMITS,
        "least": LEAST,
        "channel_commands": CHANNEL_COMMANDS,
    }


async def doctor(visit: Visit) -> Found[dict[str, Any]] | None:
    """The findings, the worst first; None while nobody has looked: the stream does, once it has
    shown the rest of the page.
    """

    async def look() -> dict[str, Any]:
        return await visit.main.get("/control/doctor")

    if (visit.live and not visit.first) or visit.query.get("look") == "1":
        seen = await found(visit.keep.fresh(DOCTOR, look))
    else:
        known = visit.keep.known(DOCTOR)
        if known is None:
            return None
        seen = Found(known)
    if seen.value is None:
        return seen
    rows = [{**one, "kind": KINDS[one["level"]]} for one in seen.value["findings"]]
    bad = [one for one in rows if one["kind"] != "good"]
    bad.sort(key=lambda one: one["kind"] != "bad")
    return Found({"bad": bad, "good": [one for one in rows if one["kind"] == "good"]})


def settings(config: Found[dict[str, Any]], *, everything: bool) -> Sequence[Mapping[str, Any]]:
    """The settings that somebody wrote down, or all; long values are cut."""
    rows = (config.value or {}).get("settings", ())
    return [{**one, "text": short(one["value"])} for one in rows if everything or one["said"]]


def short(value: object) -> str:
    """A value as the file would say it, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_CHARACTERS_MAX else text[:VALUE_CHARACTERS_MAX] + " …"


def versions(status: Found[dict[str, Any]]) -> Sequence[tuple[str, str]]:
    """What runs here, and in which version."""
    state = status.value or {}
    engines = [
        (f"server of {one['name']}", str(one["speed"]["version"]))
        for one in state.get("tiers", ())
        if one["speed"]["version"]
    ]
    system = f"{platform.system()} {platform.release()} ({platform.machine()})"
    own = [("twotier", str(state.get("version", "")))]
    return [*own, *engines, ("Python", platform.python_version()), ("system", system)]


async def look(visit: Visit, form: Form) -> Done:
    """Look anew."""
    del form
    visit.keep.forget(DOCTOR)
    return Done("", "setup?look=1")


async def add_key(visit: Visit, form: Form) -> Done:
    """Make a key; the next page shows it, once."""
    made = await visit.main.post("/control/keys/add", rights(form))
    once = {"key": made["key"], "name": made["name"]}
    return Done(f"The key of {made['name']} is made.", "setup", once)


async def change_key(visit: Visit, form: Form) -> Done:
    """Say anew what a key may do."""
    told = await visit.main.post("/control/keys/change", rights(form))
    return Done(f"What {told['name']} may do is changed, and in force.", "setup")


def rights(form: Form) -> dict[str, str]:
    """The fields of a form about a key; main says what is wrong with them."""
    return {name: form[name].strip() for name in RIGHTS if name in form}


async def remove_key(visit: Visit, form: Form) -> Done:
    """End a key."""
    name = form.get("name", "")
    await visit.main.post("/control/keys/remove", {"name": name})
    return Done(f"The key of {name} is ended: its next request is refused.", "setup")


async def test_channel(visit: Visit, form: Form) -> Done:
    """Send a test message."""
    name = form.get("name", "")
    told = await visit.main.post("/control/alerts/test", {"name": name})
    said = " ".join(str(told["said"]).split())
    return Done(f"The test message went out through {name}: {said}", "setup")


async def reload_channels(visit: Visit, form: Form) -> Done:
    """Take in the channels as the file has them now."""
    del form
    await visit.main.post("/control/alerts/reload")
    return Done("The channels are those of the file now.", "setup")


PAGE = Page(
    name="setup",
    path="setup",
    title="Setup",
    told=told,
    live=("doctor", "used", "channels"),
    actions={
        "look": look,
        "key-add": add_key,
        "key-change": change_key,
        "key-remove": remove_key,
        "channel-test": test_channel,
        "channels-reload": reload_channels,
    },
    scripts=("copy.js",),
    nav="Setup",
)
