"""Which of OpenClaw's models become tiers and aliases of ours. Pure.

A tier is a model that something refers to: the primary and what takes its place, the model of an
agent or of a job, one with an alias, and the models of a server at home. The rest is left out and
named. A tier that the configuration has already, by model and address, is that tier.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from twotier.config.openclaw.notes import Note
from twotier.config.openclaw.prices import Known, cost_notes, own_price, window_of
from twotier.config.openclaw.references import Ref
from twotier.config.openclaw.settings import (
    Model,
    Provider,
    Settings,
    at_home,
    host_of,
    is_local,
    key_name,
)
from twotier.config.openclaw.variables import Secret, unfilled
from twotier.domain.urls import is_loopback

ANTHROPIC_MESSAGES = "anthropic-messages"
# APIs of OpenAI's shape that OpenClaw knows by itself.
KNOWN_ADDRESSES = {
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "xai": "https://api.x.ai/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "cerebras": "https://api.cerebras.ai/v1",
    "together": "https://api.together.xyz/v1",
}
SPOKEN = ("openai-completions", "openai-responses", "ollama")
PORTS = {11434: "ollama", 1234: "lmstudio"}
ENGINES: tuple[tuple[str, str], ...] = (
    ("mlx", "mlx_lm"),
    ("vllm", "vllm"),
    ("llama-cpp", "llama_cpp"),
    ("llamacpp", "llama_cpp"),
)
ENGINES += (("ollama", "ollama"), ("lmstudio", "lmstudio"))
TIER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
TAKEN = frozenset(("auto", "worker"))
PORT = re.compile(r":(\d{1,5})(?:/|$)")


@dataclass(frozen=True, slots=True)
class Tier:
    """One section of ours. `there`: the configuration has it already. `comment` stands above it."""

    name: str
    ref: Ref
    local: bool
    settings: Mapping[str, Any] = field(default_factory=dict)
    price: Mapping[str, float] = field(default_factory=dict)
    comment: str = ""
    there: bool = False


@dataclass(frozen=True, slots=True)
class Have:
    """What the configuration has: its tiers as plain values, and its aliases. `remembered` leads
    from a model of OpenClaw's to the tier that an earlier import made of it.
    """

    tiers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    remembered: Mapping[str, str] = field(default_factory=dict)

    def same(self, ref: Ref, made: Mapping[str, Any]) -> str:
        """The tier that is this one, because an import made it, or by its model and its address;
        empty where none is.
        """
        if (earlier := self.remembered.get(str(ref), "")) in self.tiers:
            return earlier
        for name, tier in self.tiers.items():
            address = (tier.get("base_url") or "").rstrip("/")
            kind = tier.get("engine") is None
            if (tier.get("model"), address, kind) == (
                made["model"],
                made.get("base_url", ""),
                "engine" not in made,
            ):
                return name
        return ""


@dataclass(slots=True)
class Made:
    """What came of it, and what is to be told."""

    tiers: list[Tier] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def tier(self, ref: Ref | None) -> Tier | None:
        """The tier of a model."""
        return next((one for one in self.tiers if one.ref == ref), None)


def made(settings: Settings, *, wanted: Iterable[str], have: Have, known: Known) -> Made:
    """Tiers and aliases. `wanted`: the names of models that jobs ask for."""
    found = Made()
    for ref in dict.fromkeys(referred(settings, wanted)):
        one = tier_of(ref, settings, known=known, notes=found.notes)
        if one is not None:
            found.tiers.append(named(one, found.tiers, settings=settings, have=have))
    for alias, full in settings.aliases.items():
        add_alias(alias, settings.ref(full), found=found, have=have)
    for ref in left_out(settings, found):
        found.notes.append(Note("dropped", str(ref), "nothing refers to this model"))
    return found


def referred(settings: Settings, wanted: Iterable[str]) -> Iterator[Ref]:
    """Every model that something refers to, the most important first."""
    names = [settings.choice.primary, *settings.choice.fallbacks]
    for choice in settings.agents.values():
        names += [choice.primary, *choice.fallbacks]
    names += wanted
    for name in filter(None, names):
        if (ref := settings.ref(name)) is not None:
            yield ref
    for full in settings.aliases.values():
        ref = settings.ref(full)
        if ref is not None and ref.provider != "anthropic":
            yield ref
    for provider in settings.providers.values():
        yield from (model.ref for model in provider.models if is_local(model.ref, provider.host))


def left_out(settings: Settings, found: Made) -> Iterator[Ref]:
    """Models of providers that became no tier."""
    tried = {tier.ref for tier in found.tiers} | {
        Ref(*note.where.split("/", 1)) for note in found.notes if "/" in note.where
    }
    for provider in settings.providers.values():
        yield from (model.ref for model in provider.models if model.ref not in tried)


def tier_of(ref: Ref, settings: Settings, *, known: Known, notes: list[Note]) -> Tier | None:
    """A tier without its name yet; None, with the reason told, where we cannot ask that model."""
    provider = settings.providers.get(ref.provider) or usual_provider(ref.provider)
    model = settings.model(ref) or Model(ref)
    if provider is None or (problem := unspeakable(provider)):
        why = (
            problem
            if provider
            else "OpenClaw knows where it is asked and twotier does not: give it"
        )
        more = "" if provider else " a tier with its own base_url"
        notes.append(Note("dropped", str(ref), f"{why}{more}"))
        return None
    host = provider.host
    messages = ref.provider == "anthropic" or provider.api == ANTHROPIC_MESSAGES
    local = is_local(ref, host)
    vendor = "anthropic" if messages else ref.provider
    put: dict[str, Any] = (
        {"provider": "anthropic"} if messages else {"engine": engine_of(provider, ref)}
    )
    if not messages and not local:
        put["provider"] = ref.provider
    put["model"] = ref.model
    if provider.address and provider.address != "https://api.anthropic.com":
        put["base_url"] = provider.address
    if provider.key.place:
        put["key"] = provider.key.place
    if local == messages:
        put["local"] = local
    window, note = window_of(model, known=known)
    if window and (local or settings.model(ref)):
        put["window_tokens"] = window
    put |= {
        key: value
        for key, value in (("images", model.images or None), ("tools", model.tools))
        if value is not None and not (messages and value)
    }
    notes += filter(
        None, [note, home_note(provider, ref), key_note(provider, ref), address_note(provider, ref)]
    )
    notes += cost_notes(model, known=known, vendor=vendor, local=local)
    price = own_price(model, known=known, vendor=vendor)
    return Tier("", ref, local, put, price, comment=model.name)


def usual_provider(name: str) -> Provider | None:
    """A provider that nobody wrote down, because OpenClaw knows it."""
    if name == "anthropic":
        return Provider(name, "", ANTHROPIC_MESSAGES, Secret(f"env:{key_name(name)}"), ())
    if name in KNOWN_ADDRESSES:
        key = Secret(f"env:{key_name(name)}")
        return Provider(name, KNOWN_ADDRESSES[name], SPOKEN[0], key, ())
    if name in ("ollama", "lmstudio"):
        port = next(port for port, engine in PORTS.items() if engine == name)
        return Provider(name, f"http://127.0.0.1:{port}/v1", SPOKEN[0], Secret(""), ())
    return None


def unspeakable(provider: Provider) -> str:
    """Why we cannot ask a provider; empty where we can."""
    if missing := unfilled(provider.address):
        return f"its address needs {missing[0]}: set it and import again, or write it into the tier"
    if provider.api not in (*SPOKEN, ANTHROPIC_MESSAGES):
        return f"it speaks {provider.api}; twotier asks APIs of Anthropic's and of OpenAI's shape"
    if provider.api != ANTHROPIC_MESSAGES and not provider.address and provider.id != "anthropic":
        return "it has no baseUrl"
    if provider.address and not host_of(provider.address):
        return "its baseUrl is no address"
    return ""


def engine_of(provider: Provider, ref: Ref) -> str:
    """Which server it is, by its port and its name; `openai` for any other of OpenAI's shape."""
    if not is_local(ref, provider.host):
        return "openai"
    port = PORT.search(provider.address)
    if port and int(port[1]) in PORTS:
        return PORTS[int(port[1])]
    return next((engine for part, engine in ENGINES if part in provider.id), "openai")


def home_note(provider: Provider, ref: Ref) -> Note | None:
    """What is to be known of a server at home."""
    if not at_home(provider.host):
        return None
    if not is_local(ref, provider.host):
        text = "its address is at home and the model is not: it counts as paid"
        return Note("changed", str(ref), text)
    if not is_loopback(provider.host):
        text = "its server is in your network, and counts as local; say local = false if it is not"
        return Note("changed", str(ref), text)
    engine = engine_of(provider, ref)
    if engine == "openai":
        return None
    text = f'taken for {engine} by its name or port; say engine = "openai" if it is another server'
    return Note("changed", str(ref), text)


def address_note(provider: Provider, ref: Ref) -> Note | None:
    """That a part of its address was left out."""
    text = 'the login or query in its address was left out: a key belongs into key = "env:NAME"'
    return Note("warning", str(ref), text) if provider.stripped else None


def key_note(provider: Provider, ref: Ref) -> Note | None:
    """What its owner has to do for its key."""
    return Note("changed", str(ref), provider.key.because) if provider.key.because else None


def named(tier: Tier, others: list[Tier], *, settings: Settings, have: Have) -> Tier:
    """The tier with its name: the one it has already, `local` or `frontier` for the first of each
    side, else its alias or the last part of its model.
    """
    if same := have.same(tier.ref, tier.settings):
        return Tier(same, tier.ref, tier.local, tier.settings, there=True)
    taken = {*have.tiers, *have.aliases, *(one.name for one in others), *TAKEN}
    usual = "local" if tier.local else "frontier"
    alias = next(
        (name for name, full in settings.aliases.items() if settings.ref(full) == tier.ref), ""
    )
    slug = re.sub(r"[^a-z0-9]+", "-", tier.ref.model.rsplit("/", 1)[-1].lower()).strip("-")[:40]
    choices = [usual, alias.lower(), slug, f"{slug}-{tier.ref.provider}"]
    choices += [f"{slug or 'tier'}-{number}" for number in range(2, 100)]
    name = next(one for one in choices if TIER_NAME.fullmatch(one) and one not in taken)
    return Tier(name, tier.ref, tier.local, tier.settings, tier.price, tier.comment)


def add_alias(alias: str, ref: Ref | None, *, found: Made, have: Have) -> None:
    """An alias where it leads somewhere and hides nothing."""
    tier = found.tier(ref)
    names = {*have.tiers, *(one.name for one in found.tiers)}
    target = tier.name if tier else str(ref) if ref and ref.provider == "anthropic" else ""
    if tier and tier.name == alias:
        return
    if not target:
        return  # its model was dropped, which was said
    if alias in names or alias in TAKEN:
        found.notes.append(Note("dropped", f"alias {alias}", "a tier has this name already"))
    elif (set_ := have.aliases.get(alias)) is not None:
        if set_ != target:
            text = f"your alias leads to {set_}, OpenClaw's to {target}; yours stays"
            found.notes.append(Note("changed", f"alias {alias}", text))
    else:
        found.aliases[alias] = target
