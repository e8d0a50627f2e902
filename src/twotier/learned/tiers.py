"""All that is learned of the tiers, under one roof, by the version of each tier's server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from twotier.domain.known import Known
from twotier.domain.task import Asking
from twotier.domain.tier import TierSpec
from twotier.learned.records import Records, part_of, template_key
from twotier.learned.sizes import Sizes
from twotier.learned.speeds import Speeds
from twotier.learned.verdicts import Verdicts
from twotier.ledger.book import Book
from twotier.router.caching import Caches

Version = Callable[[], Awaitable[str]]


async def unversioned() -> str:
    """Of a server that tells nobody its version."""
    return ""


@dataclass(slots=True)
class Learned:
    """Speeds, sizes, probes, what became of work, and how prompts come back. `follow` every tier,
    then `open`, before the first request.
    """

    speeds: Speeds
    verdicts: Verdicts = field(default_factory=Verdicts)
    caches: Caches = field(default_factory=Caches)
    sizes: Sizes = field(init=False)
    records: Records = field(init=False)
    _versions: dict[str, Version] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sizes = Sizes(self.speeds.clock)
        self.records = Records(self.speeds.clock)

    def follow(
        self, spec: TierSpec, *, engine: str, version: Version = unversioned, trusted: bool = False
    ) -> None:
        """Learn about a tier. `version` tells that of its server, empty where it cannot."""
        self._versions[spec.name] = version
        self.speeds.follow(spec)
        self.sizes.follow(spec)
        self.verdicts.follow(spec, engine=engine, trusted=trusted)
        self.records.follow(spec)

    def known(self, asking: Asking, template: str = "") -> Known:
        """What is known of such work; at once, from memory. `template` names the instructions and
        tools of a request, by which work is known that is no job's.
        """
        caller = asking.caller
        key = caller.job or template_key(template)
        records = self.records.of(key) if key else None
        if not records:
            return Known(output=self.sizes.output(asking.task))
        most = max(records.values(), key=lambda one: one.runs)
        output = self.sizes.output(asking.task, most.output)
        recheck = self.records.recheck(key, (caller.run, part_of(caller.step)))
        return Known(key, records, output=output, recheck=recheck)

    async def open(self, book: Book) -> None:
        """Take up what earlier lives have learned. Raises `LedgerError`."""
        await asyncio.gather(
            self.speeds.open(book),
            self.verdicts.open(book),
            self.sizes.open(book),
            self.records.open(book),
        )
        await asyncio.gather(*map(self.renew, self._versions))

    async def renew(self, tier: str) -> str:
        """Look at the version of a tier's server; what is known of another one does not count."""
        version = await self._versions[tier]()
        self.speeds.settle_on(tier, version)
        self.verdicts.settle_on(tier, version)
        self.records.settle_on(tier, version)
        return version

    def close(self) -> None:
        """Hand the last of it to the book."""
        self.speeds.save()
        self.sizes.save()
