"""A decision carries its reasons, in the words that header, log line and page all use."""

from __future__ import annotations

import msgspec


class Because(msgspec.Struct, frozen=True):
    """One rule that spoke: its name, what it did, and a sentence with the numbers it saw."""

    rule: str
    effect: str  # removed, restricted, chose, ordered, waits; to explain: passed, abstained
    text: str


class Option(msgspec.Struct, frozen=True):
    """A tier that may be asked, and which model of it (a pass-through asks for another)."""

    tier: str
    model: str = ""


class Decision(msgspec.Struct, frozen=True):
    """Tiers in the order they are asked. `rule` is the one that chose the first.

    Empty `options` means refused: `refusal` is the sentence for the client and `refusal_code` one
    of the codes of `errors` (`tier_unavailable`, `model_not_found`, `context_length_exceeded`,
    `invalid_request`, `price_unknown`, `forbidden`). `verify`: a local tier was chosen without
    certainty, so its answer is worth a check. `restricted`: a rule of the owner's made the work
    local-only.
    """

    options: tuple[Option, ...]
    rule: str
    because: tuple[Because, ...]
    refusal: str = ""
    refusal_code: str = ""
    verify: bool = False
    restricted: bool = False
