"""What each tier's last probe found, and which tiers are below the bar for tool work.

The rows are kept in the book by model and version of its server: a new version was never probed.
`untooled` is what the router looks at; it is filled here, whenever a probe or a version is new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twotier.domain.money import Attempt, Settlement
from twotier.domain.tier import TierSpec
from twotier.ledger.book import Book
from twotier.ledger.findings import Found, ProbeRow
from twotier.router.bar import Share, below_bar

ENDS_KEPT_MAX = 64
MEND = "see `twotier models probe {tier} --show`; `tools = true` in [tiers.{tier}] overrules it"


@dataclass(slots=True)
class Standing:
    """One tier: its last probe with this version, empty if there was none.

    `trusted`: the owner says that it can call tools, whatever a probe finds.
    """

    spec: TierSpec
    engine: str
    trusted: bool
    version: str = ""
    rows: Sequence[ProbeRow] = ()

    @property
    def below(self) -> str:
        """Why it is not for tool work; empty where it is, or was never probed."""
        return below_bar({row.row: Share(row.passed, row.tries) for row in self.rows})


class Verdicts:
    """The standings of all tiers. `follow` each; until `open` nothing is kept on disk."""

    def __init__(self) -> None:
        self.standings: dict[str, Standing] = {}
        self.untooled: dict[str, str] = {}
        self._ends: dict[str, Settlement] = {}
        self._book: Book | None = None
        self._known: dict[tuple[str, str], list[ProbeRow]] = {}

    def follow(self, spec: TierSpec, *, engine: str, trusted: bool) -> None:
        """A tier that may be probed."""
        self.standings[spec.name] = Standing(spec, engine, trusted)

    async def open(self, book: Book) -> None:
        """Read what earlier probes found. Raises `LedgerError`."""
        self._book = book
        self._known.clear()
        for row in await book.probes():
            self._known.setdefault((row.model, row.version), []).append(row)

    def settle_on(self, tier: str, version: str) -> None:
        """This is the version of the tier's server; its probe counts."""
        standing = self.standings[tier]
        standing.version = version
        standing.rows = self._known.get((standing.spec.ref, version), ())
        self._judge(standing)

    async def put(self, tier: str, rows: Sequence[ProbeRow]) -> None:
        """A probe has ended: obeyed from now on, and on disk with the return.

        Its server may have become another version meanwhile, of which it says nothing.
        """
        for row in rows[:1]:
            self._known[row.model, row.version] = list(rows)
        self.settle_on(tier, self.standings[tier].version)
        if self._book is not None and rows:
            self._book.keep(Found(tuple(rows)))
            await self._book.flush()

    def __call__(self, attempt: Attempt, end: Settlement) -> None:
        """Hears of each attempt's end, for whoever asked it as a probe."""
        if attempt.kind == "probe":
            if len(self._ends) >= ENDS_KEPT_MAX:  # nobody took them: their probe was left
                self._ends.clear()
            self._ends[attempt.request_id] = end

    def end_of(self, request_id: str) -> Settlement | None:
        """How that probe's attempt ended, once."""
        return self._ends.pop(request_id, None)

    def _judge(self, standing: Standing) -> None:
        name, below = standing.spec.name, standing.below
        if below and not standing.trusted:
            self.untooled[name] = f"not for tool work: {below}; {MEND.format(tier=name)}"
        else:
            self.untooled.pop(name, None)
