"""How a model's makers say it is to be sampled, for engines that do not read it themselves.

A model that was made to be sampled at temperature 1 repeats itself at 0, which is what mlx-lm does
where nobody says anything. What a client says goes before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FILE = "generation_config.json"
NAMES = ("temperature", "top_p", "top_k", "min_p")


def sampling(model: Path) -> Mapping[str, float]:
    """The settings that `generation_config.json` beside the weights states; empty for none.

    Where it says `do_sample: false`, the makers want no chance at all.
    """
    try:
        said = json.loads((model / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(said, dict):
        return {}
    if said.get("do_sample") is False:
        return {"temperature": 0.0}
    return {name: said[name] for name in NAMES if is_number(said.get(name))}


def is_number(value: object) -> bool:
    """Not a truth value, which is an int to Python; and nothing below nought."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
