"""From the configuration to tiers: which provider, which keeper, which price, which limits.

A tier that cannot be built (its model is not on disk, its environment is not made) does not stop
the others: it is there, down, and says what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from twotier.config.load import Loaded
from twotier.config.paths import environments, hub, models
from twotier.config.schema import TierConfig
from twotier.config.secrets import how_to_set, resolve
from twotier.domain.clock import Clock
from twotier.domain.endpoint import Endpoint
from twotier.domain.money import FREE, Price
from twotier.domain.tier import TierFacts, TierSpec, TierState
from twotier.engines import environment
from twotier.engines.base import Engine, Ownership, Settings, engine, identity, lock_path
from twotier.errors import EngineError
from twotier.exchange import Tier
from twotier.ledger.prices import PriceBook
from twotier.models import discover, starter
from twotier.probing import Probe
from twotier.providers.absent import Absent
from twotier.providers.anthropic import Anthropic
from twotier.providers.http import Transport
from twotier.providers.kept import KeptProvider
from twotier.providers.openai_compatible import OpenAICompatible
from twotier.providers.watched import Watched
from twotier.supervisor.keeper import Keeper
from twotier.supervisor.spec import KeptSpec

ANTHROPIC_URL = "https://api.anthropic.com"
ANTHROPIC_WINDOW_TOKENS = 200_000
STARTER = "starter"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What tiers are built with. `keep` makes the keeper of a process."""

    loaded: Loaded
    transport: Transport
    clock: Clock
    keep: Callable[[KeptSpec], Keeper]
    probe: Probe
    prices: PriceBook


def tier(name: str, config: TierConfig, *, shop: Workshop) -> Tier:
    """One tier of the configuration."""
    if config.engine is None:
        return remote(name, config, shop=shop)
    described = engine(config.engine)
    if described.traits.ownership is Ownership.REMOTE:
        return observed(name, config, described=described, shop=shop)
    try:
        return kept(name, config, described=described, shop=shop)
    except EngineError as exc:
        facts = TierFacts(name, TierState.DOWN, exc.message)
        spec = local_spec(name, config, described=described, prices=shop.prices)
        return Tier(spec, Absent("openai_chat", exc.message), lambda: facts)


def remote(name: str, config: TierConfig, *, shop: Workshop) -> Tier:
    """A tier behind Anthropic's API."""
    place = config.key or "env:ANTHROPIC_API_KEY"
    key = Key(place, shop.loaded.home)
    provider = Anthropic(shop.transport, base_url=config.base_url or ANTHROPIC_URL, key=key)
    watched = Watched(provider, shop.clock)

    def facts() -> TierFacts:
        if not key():
            return TierFacts(name, TierState.NO_KEY, f"it waits for its key: {how_to_set(place)}")
        return told(name, watched.outage())

    model = config.model
    price = shop.prices.price("anthropic", model, on=shop.clock.now().date())
    spec = spec_of(
        name,
        config,
        provider="anthropic",
        model_upstream=model,
        price=price,
        window_tokens=config.window_tokens or ANTHROPIC_WINDOW_TOKENS,
    )
    return Tier(spec, watched, facts)


def observed(name: str, config: TierConfig, *, described: Engine, shop: Workshop) -> Tier:
    """A server with an OpenAI-shaped API that something else runs."""
    key = Key(config.key, shop.loaded.home) if config.key else None
    asked = OpenAICompatible(shop.transport, base_url=config.base_url or "", key=key)
    watched = Watched(asked, shop.clock)
    spec = local_spec(name, config, described=described, prices=shop.prices)
    keep = described.traits.fields if spec.local else None
    return Tier(spec, watched, lambda: told(name, watched.outage()), keep)


def kept(name: str, config: TierConfig, *, described: Engine, shop: Workshop) -> Tier:
    """A local server that twotier starts and keeps. Raises `EngineError` for what is missing."""
    traits, paths = described.traits, shop.loaded.paths
    python = environment.python_of(lock_path(traits), environments())
    if python is None:
        raise EngineError(f"the environment of {traits.name} is not made; run `twotier up`")
    model = model_path(config.model, shop.loaded)
    spec = local_spec(name, config, described=described, prices=shop.prices)
    settings = Settings(window_tokens=spec.window_tokens, parallel=config.parallel)
    make = partial(provider_at, transport=shop.transport, described=described)
    keeper = shop.keep(
        KeptSpec(
            name=name,
            launch=lambda port: described.launch(python, model, port=port, settings=settings),
            ready=shop.probe.of(spec, make),
            log_path=paths.logs / f"engine-{name}.log",
            record_path=paths.engines / f"{name}.json",
            identity=identity(model),
            load_seconds_max=config.load_seconds,
        )
    )
    wait = config.wait_seconds
    provider = KeptProvider(keeper, make, dialect="openai_chat", wait_seconds=wait)
    return Tier(spec, provider, keeper.facts, traits.fields)


def provider_at(endpoint: Endpoint, *, transport: Transport, described: Engine) -> OpenAICompatible:
    """The client of a kept server at its current address."""
    return OpenAICompatible(
        transport,
        base_url=endpoint.base_url,
        key=None,
        not_found_is_outage=described.traits.not_found_is_outage,
    )


def local_spec(name: str, config: TierConfig, *, described: Engine, prices: PriceBook) -> TierSpec:
    """What is fixed about a tier with an engine. It is free unless the owner gave it a price."""
    traits = described.traits
    provider, model = config.provider or traits.provider, shown_model(config.model)
    price = FREE if config.is_local else None
    spec = spec_of(
        name,
        config,
        provider=provider,
        model_upstream=described.model_upstream(model),
        price=prices.overrides.get((provider, model), price),
        window_tokens=config.window_tokens or traits.window_tokens_default,
    )
    return replace(spec, stream_always=traits.stream_always)


def spec_of(
    name: str,
    config: TierConfig,
    *,
    provider: str,
    model_upstream: str,
    price: Price | None,
    window_tokens: int,
) -> TierSpec:
    """A `TierSpec`; what no engine says comes from the configuration."""
    anthropic = config.engine is None
    return TierSpec(
        name=name,
        provider=provider,
        model=shown_model(config.model),
        model_upstream=model_upstream,
        dialect="anthropic_messages" if anthropic else "openai_chat",
        local=config.is_local,
        price=price,
        window_tokens=window_tokens,
        output_tokens_default=config.output_tokens_default,
        stream_always=True,
        can_images=anthropic,
        can_tools=True,
        connect_seconds=config.connect_seconds,
        first_token_seconds=config.first_token_seconds,
        idle_seconds=config.idle_seconds,
        total_seconds=config.total_seconds,
    )


def told(name: str, outage: str) -> TierFacts:
    """The facts of a server nobody keeps for us: its last outage, while it is fresh."""
    return TierFacts(name, TierState.DOWN if outage else TierState.READY, outage)


def shown_model(model: str) -> str:
    """The name clients use: the starter's own, and of a path its last part."""
    if model == STARTER:
        return starter.STARTER.ref
    return Path(model).stem if model.startswith(("/", "~", ".")) else model


def model_path(model: str, loaded: Loaded) -> Path:
    """Where a model's files lie. Raises `EngineError` when they are not on this machine."""
    if model == STARTER:
        if found := starter.present(models()):
            return found
        raise EngineError("the starter model is not fetched; run `twotier models pull starter`")
    direct = loaded.resolve(model)
    if direct.exists():
        return direct
    for on_disk in discover.on_disk(models(), hub()):
        if on_disk.name in (model, model.rpartition("/")[2]):
            return on_disk.path
    raise EngineError(f"the model {model} is not on this machine; `twotier models list` shows all")


class Key:
    """A secret by its place. A key file that appears later is found; nothing ever prints it."""

    def __init__(self, place: str, home: Path) -> None:
        self._place = place
        self._home = home
        self._value = ""

    def __call__(self) -> str:
        """The secret, or an empty string while it is not there."""
        if not self._value:
            self._value = resolve(self._place, home=self._home) or ""
        return self._value
