"""What was learned of tiers and found by probes, as plain values: for status, commands, metrics."""

from __future__ import annotations

from typing import Any

from twotier.learned.speeds import Pace
from twotier.learned.tiers import Learned
from twotier.learned.verdicts import Standing
from twotier.ledger.findings import ProbeRow
from twotier.matrix.rows import means
from twotier.router.speed import DEPTHS, Mean, depth_of
from twotier.router.tokens import Scale
from twotier.telemetry.families import (
    TIER_CACHED,
    TIER_DECODE,
    TIER_LOAD,
    TIER_PREFILL,
    TIER_PROBE,
    TIER_QUEUE,
    Samples,
)


def speed_state(pace: Pace, scale: Scale | None = None) -> dict[str, Any]:
    """One tier's speed, and how well its prompts are estimated: what is not known is null, or not
    in the list.
    """
    speed = pace.speed
    return {
        "tier": pace.spec.name,
        "model": pace.spec.ref,
        "version": pace.version,
        "depths": [
            {
                "depth": name,
                "prefill_tokens_per_second": value(prefill, 1),
                "prefill_count": prefill.count,
                "decode_tokens_per_second": value(decode, 1),
                "decode_count": decode.count,
            }
            for name, prefill, decode in zip(DEPTHS, speed.prefill, speed.decode, strict=True)
            if prefill.count or decode.count
        ],
        "cached_share": value(speed.cached, 3),
        "load_seconds": value(speed.load, 2),
        "loads": speed.load.count,
        "queue_seconds": value(speed.queue, 3),
        "answers": speed.cached.count,
        "tokens": errors_told(scale),
    }


def errors_told(scale: Scale | None) -> dict[str, Any]:
    """How far off estimates of a tier's prompts were, as shares of what they really were."""
    errors = Scale() if scale is None else scale
    p50, p90 = errors.error(0.5), errors.error(0.9)
    return {
        "estimates": errors.errors.seen,
        "error_p50": None if p50 is None else round(p50, 3),
        "error_p90": None if p90 is None else round(p90, 3),
    }


def value(mean: Mean, digits: int) -> float | None:
    """A mean as it is told; null where nothing was seen."""
    return round(mean.value, digits) if mean.count else None


def probe_state(standing: Standing) -> dict[str, Any] | None:
    """A tier's last probe with this version of its server; null for one that was never probed."""
    rows = standing.rows
    if not rows:
        return None
    return {
        "tier": standing.spec.name,
        "model": standing.spec.ref,
        "engine": standing.engine,
        "version": standing.version,
        "at_ms": rows[0].created_ms,
        "rows": [row_told(row) for row in rows],
        "below": standing.below,
        "overruled": standing.trusted and bool(standing.below),
    }


def row_told(row: ProbeRow) -> dict[str, Any]:
    """A row of a matrix; a rate that was not measured is null. `depth` as in `speed_state`."""
    return {
        "row": row.row,
        "means": means().get(row.row, ""),
        "depth": DEPTHS[depth_of(row.tokens)] if row.tokens else None,
        "passed": row.passed,
        "tries": row.tries,
        "repaired": row.repaired,
        "tokens": row.tokens or None,
        "prefill_tokens_per_second": round(row.prefill, 1) or None,
        "decode_tokens_per_second": round(row.decode, 1) or None,
        "note": row.note,
    }


def samples(learned: Learned) -> Samples:
    """The same for Prometheus."""
    paces = [(name, pace.spec.ref, pace.speed) for name, pace in learned.speeds.paces.items()]
    deep = [
        (family, (name, ref, DEPTHS[depth]), mean.value)
        for name, ref, speed in paces
        for family, means in ((TIER_PREFILL, speed.prefill), (TIER_DECODE, speed.decode))
        for depth, mean in enumerate(means)
        if mean.count
    ]
    flat = [
        (family, (name, ref), mean.value)
        for name, ref, speed in paces
        for family, mean in (
            (TIER_CACHED, speed.cached),
            (TIER_LOAD, speed.load),
            (TIER_QUEUE, speed.queue),
        )
        if mean.count
    ]
    probed = [
        (TIER_PROBE, (name, standing.spec.ref, row.row), row.passed / row.tries)
        for name, standing in learned.verdicts.standings.items()
        for row in standing.rows
        if row.tries
    ]
    return {
        family: [(labels, seen) for one, labels, seen in (*deep, *flat, *probed) if one is family]
        for family in (
            TIER_PREFILL,
            TIER_DECODE,
            TIER_CACHED,
            TIER_LOAD,
            TIER_QUEUE,
            TIER_PROBE,
        )
    }
