"""Makes `src/twotier/ledger/seed.json` from the wheel of `genai-prices` (MIT).

`python -m tools.seed_prices WHEEL` reads the data out of the wheel as it is, without installing it:
the version and the checksum of the wheel are written into the list, its licence beside it. The
wheel is had by `pip download --no-deps genai-prices==VERSION`.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from datetime import date, time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from twotier.clock import SystemClock
from twotier.ledger.seed import made, write

LEDGER = Path(__file__).resolve().parent.parent / "src" / "twotier" / "ledger"
# Whose models people ask directly; others are in `twotier prices update`.
VENDORS = (
    "anthropic",
    "aws",
    "azure",
    "cerebras",
    "cohere",
    "deepseek",
    "fireworks",
    "google",
    "groq",
    "meta",
    "minimax",
    "mistral",
    "moonshotai",
    "novita",
    "openai",
    "openrouter",
    "perplexity",
    "together",
    "voyageai",
    "x-ai",
    "zai",
    "zhipuai",
)


# What of the package's objects has nothing to do with prices.
OTHER = {"extractors", "model_match", "provider_match"}


def seed(wheel: Path, *, day: str) -> tuple[bytes, str]:
    """The list and the licence of what it was made from."""
    data = wheel.read_bytes()
    version = wheel.name.split("-")[1]
    sys.path.insert(0, str(wheel))
    from genai_prices.data import providers

    document = made(
        [plain(provider) for provider in providers],
        origin=f"genai-prices {version}",
        day=day,
        sha256=hashlib.sha256(data).hexdigest(),
        only=VENDORS,
    )
    with zipfile.ZipFile(wheel) as opened:
        name = next(one for one in opened.namelist() if one.endswith("licenses/LICENSE"))
        return write(document) + b"\n", opened.read(name).decode()


def plain(thing: Any) -> Any:
    """The package's own objects as the JSON it publishes."""
    match thing:
        case None | str() | bool() | int() | Decimal():
            return thing
        case Enum():
            return thing.value
        case date() | time():
            return thing.isoformat()
        case list() | tuple():
            return [plain(one) for one in thing]
        case dict():
            return {key: plain(one) for key, one in thing.items()}
    said = {key.rstrip("_"): plain(one) for key, one in vars(thing).items() if key not in OTHER}
    return {key: one for key, one in said.items() if one is not None}


if __name__ == "__main__":
    today = SystemClock().now().date().isoformat()
    text, licence = seed(Path(sys.argv[1]), day=today)
    (LEDGER / "seed.json").write_bytes(text)
    (LEDGER / "seed.LICENSE").write_text(licence, encoding="utf-8")
