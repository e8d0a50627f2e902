"""The local tiers: is its server up and since when, why did it die, is memory tight, how fast is it
and what can it do, what does it say.

It stands on what `twotier engine`, `models speed` and `models probe` tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from twotier.dashboard.page import Done, Form, Page, Told, Visit
from twotier.dashboard.pages.overview import kind_of
from twotier.dashboard.peer import Found, found
from twotier.dashboard.words import instant

HOURS = {"1": 1, "6": 6, "24": 24, "168": 168}
HOURS_USUAL = "6"
POINTS = 120
LINES = 120
LINE_CHARACTERS_MAX = 400
DEPTHS = ("under 1K", "1K to 4K", "4K to 16K", "16K to 64K", "64K and more")
# The kinds of `protocols.toolcalls.base`, for a table: what was wrong, and what became of the call.
REPAIRS = {
    "leaked": ("written as text", "repaired"),
    "bent": ("bent by the server", "repaired"),
    "thinking": ("inside the thinking", "of those repaired"),
    "unwrapped": ("the opening tag was missing", "of those repaired"),
    "unclosed": ("an end tag was missing", "of those repaired"),
    "json": ("arguments in broken JSON", "of those repaired"),
    "types": ("an argument of a wrong type", "of those repaired"),
    "misfit": ("did not fit the tool", "lost"),
    "cut": ("cut by the limit of tokens", "lost"),
    "absent": ("announced and never made", "lost"),
}
DONE = {
    "start": "{} is starting.",
    "stop": "{} is stopped, and stays so until it is started.",
    "restart": "{} is starting anew.",
}


async def told(visit: Visit) -> Told:
    """All of the page; what cannot be had says why."""
    # The stream is asked every second; who has just given an order sees what came of it.
    status = await found(visit.status() if visit.live else visit.main.get("/control/status"))
    engines = await found(visit.main.get("/control/engine"))
    state: Mapping[str, Any] = status.value or {}
    servers = {one["tier"]: one for one in (engines.value or {}).get("engines", ())}
    tiers = [server(one, servers) for one in state.get("tiers", ()) if one["local"]]
    chosen = next((one for one in tiers if one["name"] == visit.query.get("tier")), None)
    chosen = chosen or (tiers[0] if tiers else None)
    name = "" if chosen is None else str(chosen["name"])
    hours = visit.query.get("hours", HOURS_USUAL)
    hours = hours if hours in HOURS else HOURS_USUAL
    return {
        "status": status,
        "engines": engines,
        "tiers": tiers,
        "tier": chosen,
        "hours": hours,
        "spans": {"1": "1 hour", "6": "6 hours", "24": "1 day", "168": "1 week"},
        "memory": await memory(visit, tiers, hours=hours),
        "speed": speed(chosen) if chosen else None,
        "probe": await probing(visit, chosen) if chosen else None,
        "repairs": list(repairs(state, name)),
        "log": await log(visit, chosen) if chosen else None,
    }


def server(tier: Mapping[str, Any], servers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One local tier: how it stands, and its server as whoever minds it tells; None for nobody."""
    engine = servers.get(tier["name"])
    deaths = [] if engine is None else reversed(engine["deaths"])
    return {
        **tier,
        "kind": kind_of(str(tier["state"])),
        "engine": engine,
        "ours": engine is not None and engine["owner"] == "twotier",
        "deaths": [{**one, "id": f"death-{number}"} for number, one in enumerate(deaths)],
        "gate": "" if engine is None else engine["gate"],
    }


async def memory(visit: Visit, tiers: Sequence[Mapping[str, Any]], *, hours: str) -> Told:
    """The machine's memory over time as a table for a chart: in use, held by each server, and the
    line that has to stay free. Times are seconds since 1970.
    """
    query = {"hours": HOURS[hours], "points": POINTS}
    course = await found(visit.main.get("/control/memory", query))
    samples = (course.value or {}).get("samples", ())
    names = sorted({name for one in samples for name in one["held"]})
    headroom = max(
        (int((one["memory"] or {}).get("headroom_bytes") or 0) for one in tiers), default=0
    )
    rows = [
        {
            "at": one["at"],
            "seconds": (instant(one["at"]) or visit.clock.now()).timestamp(),
            "used": one["total_bytes"] - one["free_bytes"],
            "total": one["total_bytes"],
            "line": one["total_bytes"] - headroom,
            "held": [one["held"].get(name) for name in names],
        }
        for one in samples
    ]
    now = rows[-1] if rows else None
    tight = now is not None and headroom > 0 and now["used"] > now["line"]
    return {"course": course, "rows": rows, "names": names, "now": now, "headroom": headroom,
            "tight": tight}  # fmt: skip


def speed(tier: Mapping[str, Any]) -> Told:
    """Its rates by the length of the prompt: as learned from its answers, and as the last probe
    measured them, the longest prompt of each depth.
    """
    learned = {one["depth"]: one for one in tier["speed"]["depths"]}
    measured: dict[str, Mapping[str, Any]] = {}
    for row in (tier["probe"] or {}).get("rows", ()):
        rate = row["prefill_tokens_per_second"] or row["decode_tokens_per_second"]
        if row["tokens"] and rate:
            measured[row["depth"]] = row
    seen = sorted({*learned, *measured}, key=DEPTHS.index)

    def rows(of: str) -> list[Mapping[str, Any]]:
        rate = f"{of}_tokens_per_second"
        return [
            {
                "depth": name,
                "learned": learned.get(name, {}).get(rate),
                "count": learned.get(name, {}).get(f"{of}_count"),
                "measured": measured.get(name, {}).get(rate),
                "tokens": measured.get(name, {}).get("tokens"),
            }
            for name in seen
        ]

    def known(row: Mapping[str, Any]) -> bool:
        return row["learned"] is not None or row["measured"] is not None

    ways: list[Mapping[str, Any]] = [
        {"id": "reads", "title": "Reads, tokens a second", "rows": rows("prefill")},
        {"id": "writes", "title": "Writes, tokens a second", "rows": rows("decode")},
    ]
    ways = [one for one in ways if any(map(known, one["rows"]))]  # no chart without a point
    return {"known": bool(ways), "ways": ways, **tier["speed"]}


async def probing(visit: Visit, tier: Mapping[str, Any]) -> Told:
    """The last probe of this version, and the one that is under way."""
    begun = await found(visit.main.get("/control/probe"))
    probes = {one["tier"]: one for one in (begun.value or {}).get("probes", ())}
    now = probes.get(tier["name"])
    under_way = now is not None and not now["ended"]
    last = tier["probe"]
    return {
        "last": last,
        "at": None if last is None else datetime.fromtimestamp(last["at_ms"] // 1000, UTC),
        "now": now if under_way else None,
        "failed": now["failed"] if now is not None and now["ended"] else "",
    }


def repairs(state: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """Each kind of call that was not as it had to be, and how many."""
    for one in state.get("repairs") or ():
        if one["tier"] != name:
            continue
        for kind, (what, became) in REPAIRS.items():
            if one["kinds"].get(kind):
                count = one["kinds"][kind]
                yield {"model": one["model"], "what": what, "became": became, "count": count}


async def log(visit: Visit, tier: Mapping[str, Any]) -> Found[dict[str, Any]]:
    """The end of what its server wrote."""
    if not tier["ours"]:
        owner = tier["engine"]["owner"] if tier["engine"] else "whoever runs it"
        return Found(None, f"This server belongs to {owner}, and so does its log.")
    path = f"/control/engine/{tier['name']}/log"
    told = await found(visit.main.get(path, {"lines": LINES}))
    if told.value is not None:
        told.value["lines"] = [line[:LINE_CHARACTERS_MAX] for line in told.value["lines"]]
    return told


def order(verb: str) -> Any:
    """What a button does."""

    async def done(visit: Visit, form: Form) -> Done:
        name = form.get("tier", "")
        body = {"force": form.get("force") == "yes"}
        after = await visit.main.post(f"/control/engine/{name}/{verb}", body)
        text = DONE[verb].format(name)
        if verb != "stop" and after["gate"]:
            text = f"{name} is held up: {after['gate']}"
        return Done(text, f"local?tier={name}")

    return done


async def probe(visit: Visit, form: Form) -> Done:
    """Begin a probe that goes on by itself."""
    name = form.get("tier", "")
    repeat = 1 if form.get("quick") == "yes" else 3
    await visit.main.post("/control/probe/begin", {"tier": name, "repeat": repeat})
    return Done(
        f"{name} is being probed; what it finds stands here row by row.", f"local?tier={name}"
    )


PAGE = Page(
    name="local",
    path="local",
    title="Local",
    told=told,
    live=("servers", "memory", "deaths", "speed", "probe", "repairs", "log"),
    actions={**{verb: order(verb) for verb in DONE}, "probe": probe},
    nav="Local",
    charts=True,
)
