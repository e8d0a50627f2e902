"""What may be taken from a line of somebody's log: ids, model names, counts, instants. Pure.

A log holds a person's whole work, so nothing is taken on trust: an id or a name that is not made
like one is not kept, and is never cut out of a longer text. What is not read has no field here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from twotier.domain.message import Usage

COUNT_MAX = 10**12
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,127}")
_FIRST_MS, _LAST_MS = 1_577_836_800_000, 4_102_444_800_000  # 2020 and 2100


class Seen(msgspec.Struct, frozen=True):
    """One answer of a model, as a log tells of it.

    `id` names the answer wherever the log repeats it; `request_id` is what whoever answered called
    the request, empty where the log does not say. `at_ms` is when the log has it, in UTC.
    """

    source: str
    id: str
    request_id: str
    at_ms: int
    provider: str
    model: str
    usage: Usage

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.usage.prompt_tokens + self.usage.output_tokens


def an_id(value: str | None) -> str:
    """The id, empty where it is none."""
    return value if value and _ID.fullmatch(value) else ""


def a_model(value: str | None) -> str:
    """The name of a model or a provider, empty where it is none."""
    return value if value and _MODEL.fullmatch(value) else ""


def a_count(value: float | None) -> int:
    """A number of tokens; what cannot be one counts nothing."""
    return int(value) if value is not None and 0 <= value <= COUNT_MAX else 0


def an_instant(value: str | float | None) -> int:
    """Milliseconds since 1970 of an ISO instant or of milliseconds; 0 where it is neither."""
    if isinstance(value, str):
        value = _iso_ms(value)
    return int(value) if value is not None and _FIRST_MS <= value <= _LAST_MS else 0


def _iso_ms(value: str) -> float | None:
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return when.timestamp() * 1000
