"""From the configuration to who looks at what local tiers answer to clients."""

from __future__ import annotations

import logging

from msgspec.structs import replace

from twotier.build.telemetry import Telemetry
from twotier.config.verify import VerifyConfig
from twotier.dispatch import Dispatch
from twotier.domain.tier import TierPolicy
from twotier.domain.verdict import Verdict
from twotier.learned.records import part_of, template_key
from twotier.protocols.opening import opening
from twotier.proving import Habits, Judged, Proving

LOGGER = "twotier.gateway"


def proving_of(config: VerifyConfig, dispatch: Dispatch, *, telemetry: Telemetry) -> Proving:
    """Asks `dispatch`, looks at what local tiers say, and tells the record of such work."""
    records, logged = (
        telemetry.learned.records,
        logging.getLogger(LOGGER).isEnabledFor(logging.INFO),
    )
    local = frozenset(name for name, tier in dispatch.tiers.items() if tier.spec.local)
    habits = Habits(config.requests, config.second, TierPolicy(config.judge))

    def told(judged: Judged) -> None:
        records.tell(verdict_of(judged))
        if logged:
            telemetry.lines.note(LOGGER, "looked at", fields=fields(judged))

    return Proving(dispatch, habits, local=local, told=told)


def fields(judged: Judged) -> dict[str, object]:
    """The log line of an answer that was looked at, by the name of its request."""
    return {
        "request": judged.request_id,
        "tier": judged.tier,
        "good": judged.good,
        "by": judged.by,
        "redone": judged.redone,
    }


def verdict_of(judged: Judged) -> Verdict:
    """What is kept: under the job, or under what the request begins with. That free looks passed
    proves nothing.
    """
    caller = judged.caller
    good = None if judged.good and judged.by == "checks" else judged.good
    if caller.job:
        part = part_of(caller.step)
        verdict = Verdict(caller.job, judged.tier, good, judged.by, run=caller.run, part=part)
    else:
        key = template_key(opening(judged.request).template)
        verdict = Verdict(key, judged.tier, good, judged.by, run=judged.request_id)
    return replace(verdict, redone=judged.redone)
