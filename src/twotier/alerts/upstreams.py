"""What attempts tell of the tiers whose server nobody here minds: a rejected key, a long outage.

Pure: it hears of every attempt's end, and time is handed in, monotonic seconds. A tier of which
nothing was heard since the start keeps the incidents it has.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from twotier.alerts.incidents import Look, lasted
from twotier.domain.alert import Condition, Severity
from twotier.domain.money import Attempt, Outcome, Settlement
from twotier.errors import BILLING_KINDS

KEY = "key:"
TIER = "tier:"
REJECTED = frozenset({401, 403})
SERVER_ERROR = 500


@dataclass(slots=True)
class Heard:
    """Of one tier. `rejected`: why its key is of no use; `failing`: from the first failure after
    the last success to the latest one, in monotonic seconds.
    """

    rejected: str = ""
    kind: str = "key-rejected"
    failing: tuple[float, float] | None = None
    because: str = ""


class Upstreams:
    """`local` names the tiers on this machine that a keeper or a watch looks after."""

    def __init__(self, minded: Collection[str]) -> None:
        self._minded = minded
        self._heard: dict[str, Heard] = {}

    def hear(self, attempt: Attempt, end: Settlement, *, now: float) -> None:
        """An attempt has ended."""
        if end.outcome is Outcome.OK:
            well = self._heard.get(attempt.tier)
            if well is None or well.rejected or well.failing:
                self._heard[attempt.tier] = Heard()
            return
        if end.outcome is not Outcome.ERROR:
            return
        heard = self._heard.setdefault(attempt.tier, Heard())
        status = end.upstream_status
        if status in REJECTED:
            heard.rejected, heard.kind = f"the upstream answers {status}", "key-rejected"
        elif any(kind in end.error for kind in BILLING_KINDS):
            heard.rejected, heard.kind = "the upstream says that the account is empty", "no-credit"
        elif status == 0 or status >= SERVER_ERROR:
            first = heard.failing[0] if heard.failing else now
            heard.failing, heard.because = (first, now), end.error

    def look(self, tiers: Collection[str], *, down_seconds: float) -> Look:
        """What holds for these tiers, all that there are."""
        holds = []
        for name in tiers:
            heard = self._heard.get(name, Heard())
            if heard.rejected:
                text = f"{heard.rejected}; look at the key of tiers.{name} and its account"
                holds.append(Condition(KEY + name, name, heard.kind, text, Severity.URGENT))
            if heard.failing is None or name in self._minded:
                continue
            seconds = heard.failing[1] - heard.failing[0]
            if seconds >= down_seconds:
                text = f"every request has failed for {lasted(seconds)}: {heard.because}"
                holds.append(Condition(TIER + name, name, "down", text))
        unheard = [name for name in tiers if name not in self._heard]
        keeps = frozenset(scope + name for scope in (KEY, TIER) for name in unheard)
        return Look(holds, (KEY, TIER), keeps)
