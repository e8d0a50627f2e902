"""A hook of schemathesis, loaded by it alone: each Idempotency-Key is used once.

It likes to send the same short ones, and every other request under them would be refused as reused.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import schemathesis  # type: ignore[import-not-found]

NAME = "Idempotency-Key"
CHARACTERS_MAX = 255  # one that is too long stays so, one that fits goes on fitting
NUMBERS = count()


@schemathesis.hook  # type: ignore[untyped-decorator,unused-ignore]
def before_call(_: Any, case: Any, __: Any) -> None:
    """Put a number before it."""
    said = (case.headers or {}).get(NAME)
    if said:
        longest = CHARACTERS_MAX if len(said) <= CHARACTERS_MAX else None
        case.headers[NAME] = f"{next(NUMBERS)}-{said}"[:longest]
