"""From the configuration to tiers: which provider, which keeper, which price, which limits.

A tier that cannot be built (its model is not on disk, its environment is not made) does not stop
the others: it is there, down, and says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path

import msgspec

from twotier.build.calls import family
from twotier.build.household import Household
from twotier.build.need import Commanded, load_limit, need_of
from twotier.build.programs import engine_for, program_of
from twotier.build.shelves import STARTER, model_path
from twotier.build.sizing import PARALLEL, Witness, size
from twotier.build.spare import Spare, may_drop
from twotier.build.watched import watched
from twotier.config.load import Loaded
from twotier.config.schema import TierConfig
from twotier.config.secrets import how_to_set, resolve
from twotier.domain.clock import Clock
from twotier.domain.endpoint import Endpoint, Kept
from twotier.domain.launch import Launch
from twotier.domain.message import Dialect
from twotier.domain.money import FREE, Price
from twotier.domain.tier import TierFacts, TierSpec, TierState
from twotier.engines import asked
from twotier.engines.base import Engine, Ownership, identity
from twotier.engines.sampling import sampling
from twotier.errors import EngineError
from twotier.exchange import Tier
from twotier.ledger.prices import PriceBook
from twotier.models import starter
from twotier.probing import Probe
from twotier.protocols.normal import Manners, normaliser
from twotier.protocols.toolcalls import Habits
from twotier.providers.absent import Absent
from twotier.providers.anthropic import Anthropic
from twotier.providers.anthropic_batches import AnthropicBatches
from twotier.providers.base import Provider
from twotier.providers.counting import Counting
from twotier.providers.http import Transport
from twotier.providers.kept import KeptProvider
from twotier.providers.openai_compatible import OpenAICompatible
from twotier.router.breaker import Breakers
from twotier.supervisor.keeper import Keeper
from twotier.supervisor.spec import KeptSpec, untold

ANTHROPIC_URL = "https://api.anthropic.com"
ANTHROPIC_WINDOW_TOKENS = 200_000
OUTPUT_TOKENS = 4_096
ROOMY_WINDOW_TOKENS = 100_000
ROOMY_OUTPUT_TOKENS = 16_384
STEP_TOKENS = 2_048  # read in one step by a server with settings of its own
COUNT: Dialect = "anthropic_count"
SPOKEN: Mapping[str, Dialect] = {
    "messages": "anthropic_messages",
    "count_tokens": COUNT,
    "responses": "openai_responses",
    "completions": "openai_completions",
    "embeddings": "openai_embeddings",
}


@dataclass(frozen=True, slots=True)
class Workshop:
    """What tiers are built with. `house` is where whoever minds a server finds its place.

    `breakers` know which of those that nobody keeps are not worth asking, `pace` how many tokens a
    second a tier reads of a prompt of that length.
    """

    loaded: Loaded
    transport: Transport
    clock: Clock
    house: Household
    probe: Probe
    prices: PriceBook
    breakers: Breakers = field(default_factory=Breakers)
    pace: Callable[[str, int], float] = lambda *_: 0.0

    def outage(self, spec: TierSpec) -> str:
        """Why a tier is not asked now, empty where it is."""
        return self.breakers.outage((spec.name, spec.model), now=self.clock.monotonic())


def tier(name: str, config: TierConfig, *, shop: Workshop) -> Tier:
    """One tier of the configuration. Calls that a local server passes on as text are repaired, and
    those it makes are checked where the engine is known to be no plain one.
    """
    built = plain_tier(name, config, shop=shop)
    if not built.spec.local:
        return built
    written = family(config.model, built.spec.model, loaded=shop.loaded)
    return replace(built, calls=Habits(written, bent=built.normal is not None))


def plain_tier(name: str, config: TierConfig, *, shop: Workshop) -> Tier:
    """One tier, whose server is taken at its word."""
    if config.engine is None:
        return remote(name, config, shop=shop)
    described = engine_for(config)
    if ownership(config, described) is not Ownership.MANAGED:
        return observed(name, config, described=described, shop=shop)
    if config.command:
        return commanded(name, config, described=described, shop=shop)
    try:
        return kept(name, config, described=described, shop=shop)
    except EngineError as exc:
        facts = TierFacts(name, TierState.DOWN, exc.message)
        spec = local_spec(name, config, described=described, prices=shop.prices)
        return Tier(spec, Absent("openai_chat", exc.message), lambda: facts)


def ownership(config: TierConfig, described: Engine) -> Ownership:
    """Whose process a tier's server is."""
    if config.command or (described.traits.ownership is Ownership.MANAGED and not config.base_url):
        return Ownership.MANAGED
    return Ownership.OBSERVED if config.owner else Ownership.REMOTE


def remote(name: str, config: TierConfig, *, shop: Workshop) -> Tier:
    """A tier behind Anthropic's API."""
    place = config.key or "env:ANTHROPIC_API_KEY"
    key = Key(place, shop.loaded.home)
    base_url = config.base_url or ANTHROPIC_URL
    provider = Anthropic(shop.transport, base_url=base_url, key=key)
    batches = AnthropicBatches(shop.transport, base_url=base_url, key=key)
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

    def facts() -> TierFacts:
        if not key():
            return TierFacts(
                name,
                TierState.NO_KEY,
                f"it waits for its key: {how_to_set(place, home=shop.loaded.home)}",
            )
        return told(name, shop.outage(spec))

    return Tier(spec, provider, facts, batches=batches)


def observed(name: str, config: TierConfig, *, described: Engine, shop: Workshop) -> Tier:
    """A server with an OpenAI-shaped API that something else runs."""
    key = Key(config.key, shop.loaded.home) if config.key else None
    asked: Provider = OpenAICompatible(
        shop.transport,
        base_url=config.base_url or "",
        key=key,
        not_found_is_outage=described.traits.not_found_is_outage,
    )
    spec = local_spec(name, config, described=described, prices=shop.prices)
    watches = ownership(config, described) is Ownership.OBSERVED
    if may_drop(described.traits, config.base_url or "") and not watches:
        now, url = shop.clock.monotonic, config.base_url or ""
        asked = Spare(asked, described.traits, base_url=url, model=config.model, now=now)
        shop.house.spares.append(asked)
    keep = described.traits.fields if spec.local else None
    counts = COUNT in spoken(config, described)
    normal = normaliser(described.traits.manners)
    facts: Callable[[], TierFacts] = lambda: told(name, shop.outage(spec))  # noqa: E731 - one of two
    if watches:
        asked, watch = watched(spec, config, asked=asked, house=shop.house, probe=shop.probe)
        facts = known_of(watch, spec, shop=shop)
    return Tier(spec, counting(asked, counts), facts, keep, normal)


def kept(name: str, config: TierConfig, *, described: Engine, shop: Workshop) -> Tier:
    """A local server that twotier starts and keeps. Raises `EngineError` for what is missing."""
    traits, paths = described.traits, shop.loaded.paths
    program_of(config, shop.loaded)  # said now, and not at the first start
    sized = size(name, config, loaded=shop.loaded, traits=traits)
    model, settings = sized.path, sized.settings
    if not traits.samples_by_file:
        settings = replace(settings, sampling=sampling(model))
    spec = local_spec(name, sized.fitted(config), described=described, prices=shop.prices)
    make = partial(provider_at, transport=shop.transport, described=described)
    witness = Witness(sized, lambda: keeper.facts().pid, shop.clock, lambda: keeper.level)

    def launch(port: int, level: int = 0) -> Launch:
        program, smaller = program_of(config, shop.loaded), settings.smaller(level)
        return described.launch(program, model, port=port, settings=smaller)

    keeper = shop.house.keep(
        KeptSpec(
            name=name,
            launch=launch,
            ready=witness.watching(shop.probe.of(spec, make)),
            log_path=paths.logs / f"engine-{name}.log",
            record_path=paths.engines / f"{name}.json",
            identity=identity(model),
            port=config.port,
            obeys=True,
            need=need_of(sized),
            squeezed=launch,
            window=lambda level: settings.smaller(level).window_tokens,
            pace=partial(shop.pace, name),
            progress=progress_of(described),
            step_tokens=traits.step_tokens,
            load_seconds_max=load_limit(config, model),
        )
    )
    made = behind(keeper, spec, config=config, described=described, shop=shop)
    return replace(made, memory=sized.told)


def commanded(name: str, config: TierConfig, *, described: Engine, shop: Workshop) -> Tier:
    """A local server that twotier starts by a command of the owner's own, and keeps."""
    traits, paths = described.traits, shop.loaded.paths
    model: Path | None = None
    with suppress(EngineError):  # it may fetch its model itself, or know it by another name
        model = model_path(config.model, shop.loaded)
    spec = local_spec(name, config, described=described, prices=shop.prices)
    make = partial(provider_at, transport=shop.transport, described=described)
    taken = Commanded(config, model, traits.name)
    keeper = shop.house.keep(
        KeptSpec(
            name=name,
            launch=partial(launch_of, config, loaded=shop.loaded),
            ready=shop.probe.of(spec, make),
            log_path=paths.logs / f"engine-{name}.log",
            record_path=paths.engines / f"{name}.json",
            identity=identity(model) if model else "",
            port=config.port,
            obeys=True,
            need=taken.need,
            pace=partial(shop.pace, name),
            progress=progress_of(described),
            step_tokens=STEP_TOKENS if traits.step_tokens else 0,
            load_seconds_max=load_limit(config, model),
        )
    )
    made = behind(keeper, spec, config=config, described=described, shop=shop)
    return replace(made, memory=taken.told)


def behind(
    keeper: Keeper, spec: TierSpec, *, config: TierConfig, described: Engine, shop: Workshop
) -> Tier:
    """The tier of a server that a keeper of ours keeps."""
    make = partial(provider_at, transport=shop.transport, described=described)
    wait = config.wait_seconds
    provider = KeptProvider(keeper, make, dialect="openai_chat", wait_seconds=wait)
    counted = counting(provider, COUNT in spoken(config, described))
    traits, facts = described.traits, known_of(keeper, spec, shop=shop)
    return Tier(spec, counted, facts, traits.fields, normaliser(traits.manners), kept=True)


def launch_of(config: TierConfig, port: int, *, loaded: Loaded) -> Launch:
    """The owner's own command for a port."""
    said = [word.replace("{port}", str(port)) for word in config.command]
    env = {name: word.replace("{port}", str(port)) for name, word in config.command_env.items()}
    folder = loaded.resolve(config.command_folder) if config.command_folder else None
    return Launch(tuple(said), env, folder)


def progress_of(described: Engine) -> Callable[[Endpoint], object]:
    """How its server is asked how far it is; blocking."""
    if described.traits.progress is None:
        return untold
    return lambda endpoint: asked.progress(described.traits, endpoint.base_url)


def known_of(minder: Kept, spec: TierSpec, *, shop: Workshop) -> Callable[[], TierFacts]:
    """What a server's minder knows of it, and what its answers say."""
    troubled = shop.breakers.troubled

    def facts() -> TierFacts:
        known = minder.facts()
        if troubled and known.state is TierState.READY and (outage := shop.outage(spec)):
            # It lives, and answers everything with errors of its own.
            return msgspec.structs.replace(known, state=TierState.DOWN, because=outage)
        return known

    return facts


def provider_at(endpoint: Endpoint, *, transport: Transport, described: Engine) -> OpenAICompatible:
    """The client of a kept server at its current address."""
    return OpenAICompatible(
        transport,
        base_url=endpoint.base_url,
        key=None,
        not_found_is_outage=described.traits.not_found_is_outage,
    )


def local_spec(name: str, config: TierConfig, *, described: Engine, prices: PriceBook) -> TierSpec:
    """What is fixed about a tier with an engine. One on this machine is free unless the owner gave
    it a price; what another costs now is looked up for each request.
    """
    traits = described.traits
    provider, model = config.provider or traits.provider, shown_model(config.model)
    known = None if config.is_local else prices.price(provider, model, on=date.max)
    price = FREE if config.is_local else known
    spec = spec_of(
        name,
        config,
        provider=provider,
        model_upstream=described.model_upstream(model),
        price=prices.override(provider, model) or price,
        window_tokens=config.window_tokens or traits.window_tokens_default,
    )
    # What its server cannot count is estimated: see `counting`.
    also = frozenset({*spoken(config, described), COUNT})
    return replace(
        spec,
        stream_always=traits.stream_always,
        also=also,
        careful=careful(config, described),
        stream_bent=traits.stream_bent,
    )


def careful(config: TierConfig, described: Engine) -> frozenset[Dialect]:
    """The dialects in which requests with tools are not relayed to it.

    Bodies are mended for servers of the chat dialect, and what they answer in Responses is neither
    repaired nor checked. The owner's word that it can call tools lets them be relayed.
    """
    if not config.is_local or config.tools:
        return frozenset()
    mended = described.traits.manners != Manners()
    return frozenset({"openai_responses", "anthropic_messages"} if mended else {"openai_responses"})


def spoken(config: TierConfig, described: Engine) -> frozenset[Dialect]:
    """What its server answers beside chat completions."""
    return described.traits.also | {SPOKEN[name] for name in config.speaks}


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
        output_tokens_default=config.output_tokens_default or output_tokens(window_tokens),
        stream_always=True,
        can_images=anthropic if config.images is None else config.images,
        can_tools=config.tools is not False,
        connect_seconds=config.connect_seconds,
        first_token_seconds=config.first_token_seconds,
        idle_seconds=config.idle_seconds,
        total_seconds=config.total_seconds,
        also=frozenset({COUNT}),
        parallel=config.parallel or PARALLEL,
        standby=config.in_place_of is not None,
        caches=anthropic and config.prompt_caching,
        batches=anthropic,
    )


def counting(provider: Provider, counts: bool) -> Provider:
    """The provider, with an estimate in place of the counts its server does not give."""
    return provider if counts else Counting(provider)


def output_tokens(window_tokens: int) -> int:
    """The longest answer where neither the client nor the owner says."""
    roomy = window_tokens >= ROOMY_WINDOW_TOKENS
    return ROOMY_OUTPUT_TOKENS if roomy else OUTPUT_TOKENS


def told(name: str, outage: str) -> TierFacts:
    """The facts of a server nobody keeps for us: what its breaker knows of it."""
    return TierFacts(name, TierState.DOWN if outage else TierState.READY, outage)


def shown_model(model: str) -> str:
    """The name clients use: the starter's own, and of a path its last part."""
    if model == STARTER:
        return starter.STARTER.ref
    return Path(model).stem if model.startswith(("/", "~", ".")) else model


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
