"""What costs money or surprises in OpenClaw as it is, whether or not we take it along. Pure.

The sums are estimates: a turn with nothing in it takes about 10,000 tokens of prompt there, and the
main chat's history comes on top.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twotier.config.openclaw.notes import Note
from twotier.config.openclaw.prices import Known
from twotier.config.openclaw.references import Ref
from twotier.config.openclaw.settings import Heartbeat, Settings, is_local
from twotier.config.openclaw.times import DAY_SECONDS, duration_text
from twotier.config.openclaw.twins import Twin

TURN_TOKENS = 10_000
MILLION = 1_000_000
UTILITY = "claude-haiku-4-5"


def warned(settings: Settings, twins: Sequence[Twin], *, known: Known) -> Iterator[Note]:
    """Every warning that is not about one model's price or window."""
    for heartbeat in settings.heartbeats:
        yield from of_heartbeat(heartbeat, settings, known=known)
    yield from of_fallbacks(settings)
    primary = settings.ref(settings.choice.primary)
    yield from of_wakes(twins, settings, known=known)
    for one in twins:
        yield from of_job(one, settings)
    if settings.utility is None and primary is not None and primary.provider == "anthropic":
        text = f'unset: OpenClaw of 2026.9 asks {UTILITY} for titles and recaps; "" turns that off'
        yield Note("warning", "agents.defaults.utilityModel", text)
    if settings.allowed is not None:
        names = ", ".join(settings.allowed[:6]) or "none"
        text = f"OpenClaw lets only these models be asked: {names}; twotier asks what is a tier"
        yield Note("changed", "agents.defaults.models", text)
    if not settings.cron:
        yield Note("changed", "cron.enabled", "is false: every twin is written switched off")
    if settings.left_out:
        yield Note("dropped", ", ".join(settings.left_out), "blocks that twotier has no match for")


def of_heartbeat(heartbeat: Heartbeat, settings: Settings, *, known: Known) -> Iterator[Note]:
    """What a heartbeat takes a day; none that is off."""
    if heartbeat.every_seconds <= 0:
        return
    times = DAY_SECONDS / heartbeat.every_seconds
    ref = settings.ref(heartbeat.model or settings.choice.primary)
    tokens = round(times * TURN_TOKENS)
    said = "" if heartbeat.said else "nobody wrote one, and it is on by default: "
    text = (
        f"{said}every {duration_text(int(heartbeat.every_seconds))} on {ref}, about {tokens:,}"
        f" tokens a day{dollars(ref, settings, known=known, tokens=tokens)} (estimate: {times:.3g}"
        f" turns x {TURN_TOKENS:,}, without the chat's history). Not taken: nothing runs here"
        ' unasked; "0m" turns it off there'
    )
    yield Note("warning", f"heartbeat of {heartbeat.agent}", text)


def of_fallbacks(settings: Settings) -> Iterator[Note]:
    """A chain that begins at home and ends where it costs money."""
    primary = settings.ref(settings.choice.primary)
    paid = [one for one in settings.choice.fallbacks if not local(settings.ref(one), settings)]
    if local(primary, settings) and paid:
        text = (
            f"where {primary} fails OpenClaw asks {', '.join(paid)} without a word, and that costs"
            " money; here a crossing is a job's own setting, and is told"
        )
        yield Note("warning", "agents.defaults.model.fallbacks", text)


def of_wakes(twins: Sequence[Twin], settings: Settings, *, known: Known) -> Iterator[Note]:
    """What the jobs take together that tell the main chat and wake it."""
    waking = [one for one in twins if wakes(one)]
    if not waking:
        return
    primary = settings.ref(settings.choice.primary)
    tokens = round(sum(one.runs_a_day for one in waking) * TURN_TOKENS)
    text = (
        f"{', '.join(one.original.name for one in waking)}: early in 2026 each run also woke the"
        f" main chat on {primary}, about {tokens:,} tokens a day"
        f"{dollars(primary, settings, known=known, tokens=tokens)} (estimate: {TURN_TOKENS:,} a"
        " turn); a run of ours wakes nobody"
    )
    yield Note("warning", "announce with wakeMode now", text)


def wakes(one: Twin) -> bool:
    """Whether each run of a job's original woke the main chat."""
    told = one.original.delivery.mode == "announce" and one.original.wake == "now"
    often = one.original.enabled and one.runs_a_day > 0
    return told and often and one.original.session != "main"


def of_job(one: Twin, settings: Settings) -> Iterator[Note]:
    """What one job costs beside its own model."""
    original, where = one.original, f"job {one.original.name}"
    primary = settings.ref(settings.choice.primary)
    paid = primary is not None and not local(primary, settings)
    if original.session == "main":
        text = f"it ran in the main chat, on {primary} and with all its history"
        yield Note("warning", where, text)
    if one.local and original.fallbacks is None and paid:
        text = (
            f"where its local model failed OpenClaw asked {primary} without a word; the twin stays"
            ' on this machine, and says when it could not (tier = "local-only")'
        )
        yield Note("warning", where, text)


def local(ref: Ref | None, settings: Settings) -> bool:
    """Whether a model runs at home."""
    provider = settings.providers.get(ref.provider) if ref else None
    usual = ref is not None and ref.provider in ("ollama", "lmstudio")
    return is_local(ref, provider.host) if ref and provider and provider.address else usual


def dollars(ref: Ref | None, settings: Settings, *, known: Known, tokens: int) -> str:
    """What so many tokens of prompt cost, as the end of a clause; empty where nobody knows."""
    if ref is None or local(ref, settings) or not tokens:
        return ""
    rates = known.price(ref.provider, ref.model)
    return f", about ${tokens * rates['input'] / MILLION:.2f} a day" if rates else ""
