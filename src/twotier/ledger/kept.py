"""What was known at a decision, as it is kept beside it and read again. Pure.

Numbers, the name of a job or the digest of a template; neither words nor the name of a
conversation.
"""

from __future__ import annotations

import msgspec

from twotier.domain.known import NOTHING, Known, Pace, Record, Session, Spread, Times


class _Kept(msgspec.Struct, omit_defaults=True):
    key: str = ""
    records: dict[str, Record] = {}
    seconds: dict[str, Times] = {}
    session: Session | None = None
    output: Spread | None = None
    recheck: str = ""
    pace: Pace | None = None


_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(_Kept).decode


def kept(known: Known) -> str:
    """As text, empty where nothing was known."""
    if known is NOTHING:
        return ""
    found = _Kept(
        known.key,
        dict(known.records),
        {
            tier: Times(
                round(one.wait_seconds, 3),
                round(one.prompt_seconds, 3),
                round(one.output_seconds, 3),
            )
            for tier, one in known.seconds.items()
        },
        known.session,
        known.output,
        known.recheck,
        known.pace,
    )
    text = _encode(found).decode()
    return "" if text == "{}" else text


def known_of(text: str) -> Known:
    """What was kept; nothing where that is of another version."""
    try:
        found = _decode(text or "{}")
    except msgspec.MsgspecError:
        return NOTHING
    return Known(
        found.key,
        found.records,
        found.seconds,
        found.session,
        found.output,
        found.recheck,
        pace=found.pace,
    )
