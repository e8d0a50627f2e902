"""The playground: one question to several tiers side by side, with what each cost and took.

Every question goes the way of every request. A tier that is not on this machine is asked only where
its box is ticked. What is asked and answered is kept nowhere: it stands in the page, and is gone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from twotier.dashboard.page import Done, Form, Page, Told, Visit
from twotier.dashboard.pages.overview import kind_of
from twotier.dashboard.peer import found
from twotier.dashboard.render import blocks
from twotier.errors import TwotierError, UsageError

AUTO = "auto"
TOKENS_USUAL = 512
TOKENS_MAX = 32_000
FIGURES = (
    *("model", "cost_usd", "estimated", "first_token_seconds", "seconds"),
    *("prompt_tokens", "output_tokens", "tokens_per_second"),
)


async def told(visit: Visit) -> Told:
    """The form, and which tiers there are to ask."""
    status = await found(visit.status())
    tiers = [tier_told(one) for one in (status.value or {}).get("tiers", ())]
    return {"status": status, "tiers": tiers, "form": {}, "quotes": None, "usual": TOKENS_USUAL}


def tier_told(tier: Mapping[str, Any]) -> Mapping[str, Any]:
    """One tier of the form."""
    return {**tier, "kind": kind_of(str(tier["state"]))}


def tokens(form: Form) -> int:
    """The most tokens of an answer. Raises `UsageError`."""
    text = form.get("tokens", "").strip() or str(TOKENS_USUAL)
    if not text.isdecimal() or not 1 <= int(text) <= TOKENS_MAX:
        raise UsageError(f"the most tokens of an answer: a number from 1 to {TOKENS_MAX:,}")
    return int(text)


def ticked(form: Form, tiers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The tiers to ask; with `local_only` none that is elsewhere, whatever is ticked."""
    here = form.get("local_only") == "yes"
    return [one for one in tiers if form.get(f"ask-{one['name']}") and (one["local"] or not here)]


def question(form: Form, tier: Mapping[str, Any]) -> dict[str, Any]:
    """What main is asked. The tick is the person's word that it may cost money, and leave."""
    return {
        "model": tier["name"],
        "prompt": form.get("prompt", ""),
        "system": form.get("system", ""),
        "output_tokens_max": tokens(form),
        "paid": bool(form.get(f"ask-{tier['name']}")) and form.get("local_only") != "yes",
    }


async def tiers_of(visit: Visit) -> list[Mapping[str, Any]]:
    """Those there are now."""
    status = await visit.status()
    return [tier_told(one) for one in status["tiers"]]


async def ask(visit: Visit, form: Form) -> Done:
    """Ask all that are ticked at once; the next page shows what they said, and no other one."""
    tiers = ticked(form, await tiers_of(visit))
    if not tiers:
        raise UsageError("no tier is ticked; tick one")
    answers = await asyncio.gather(*(answered(visit, question(form, one)) for one in tiers))
    return Done("", "playground", {"form": dict(form), "answers": answers})


async def answered(visit: Visit, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """One answer as a whole: its lines put together."""
    answer: dict[str, Any] = dict.fromkeys(FIGURES) | {"tier": asked["model"]}
    answer |= {"text": "", "thinking": "", "error": ""}
    async for told in lines(visit, asked):
        match told["kind"]:
            case "text" | "thinking":
                answer[told["kind"]] += told["text"]
            case "error":
                answer |= {"error": told["message"], "cost_usd": told.get("cost_usd")}
            case _:
                answer |= told
    return answer


async def lines(visit: Visit, asked: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any]]:
    """What main tells; a question that it refuses is an error like one that comes later."""
    try:
        async for line in visit.main.lines("/control/ask", asked):
            told: dict[str, Any] = json.loads(line)
            yield told
    except TwotierError as exc:
        yield {"kind": "error", "code": exc.code, "message": exc.message}


async def stream(visit: Visit, form: Form) -> AsyncGenerator[bytes]:
    """The same for a script, one tier at a time, as it comes."""
    name = form.get("tier", "")
    try:
        tier = next((one for one in await tiers_of(visit) if one["name"] == name), None)
        if tier is None or tier not in ticked(form, [tier]):
            raise UsageError(f"{name} is not ticked, or only this machine may be asked")
        asked = question(form, tier)
    except TwotierError as exc:
        yield line({"kind": "error", "message": exc.message})
        return
    async for told in lines(visit, asked):
        yield line(told)


def line(told: Mapping[str, Any]) -> bytes:
    """One line."""
    return json.dumps(told).encode() + b"\n"


async def quoted(visit: Visit, form: Form) -> Mapping[str, Any]:
    """What each tier would cost and take, and where `auto` would go. Nobody is asked."""
    tiers = await tiers_of(visit)
    wanted = {
        "prompt": form.get("prompt", ""),
        "system": form.get("system", ""),
        "output_tokens_max": tokens(form),
    }
    here = form.get("local_only") == "yes"
    policy = "local-only" if here else "auto"
    asked = [{**wanted, "model": one["name"], "policy": "auto"} for one in tiers]
    route = [*asked, {**wanted, "model": AUTO, "policy": policy}]
    found_all = await asyncio.gather(
        *(found(visit.main.post("/control/route", one)) for one in route)
    )
    *each, auto = found_all
    rows = [
        row(tier, one.value, because=one.because) for tier, one in zip(tiers, each, strict=True)
    ]
    return {"rows": rows, "auto": auto, "here": here}


def row(
    tier: Mapping[str, Any], route: Mapping[str, Any] | None, *, because: str
) -> Mapping[str, Any]:
    """One tier's figures; `because` says why it would not be asked."""
    name = tier["name"]
    if route is None or not route["options"]:
        return {"tier": tier, "because": because or (route or {}).get("refusal", "")}
    return {
        "tier": tier,
        "because": "",
        "expected_usd": route["expected_usd"].get(name),
        "worst_usd": route["worst_case_usd"],
        "seconds": route["predicted"].get(name),
        "tokens": (route["tokens"].get(name) or {}).get("prompt_tokens"),
    }


async def quote(visit: Visit, form: Form) -> Done:
    """The same for a page without a script."""
    quotes = await quoted(visit, form)
    return Done("", "playground", {"form": dict(form), "quotes": quotes})


async def quotes(visit: Visit, form: Form) -> AsyncGenerator[bytes]:
    """The same for a script: the part of the page, as the server renders it."""
    try:
        made = await quoted(visit, form)
        parts = blocks("playground.html", ("quotes",), told={"quotes": made, "once": {}})
        yield line({"id": "quotes", "html": parts["quotes"]})
    except TwotierError as exc:
        yield line({"error": exc.message})


PAGE = Page(
    name="playground",
    path="playground",
    title="Playground",
    told=told,
    actions={"ask": ask, "quote": quote},
    streams={"stream": stream, "quotes": quotes},
    scripts=("playground.js",),
    nav="Playground",
)
