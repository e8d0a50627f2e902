"""`twotier approve`: calls of tools that wait for your yes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twotier.cli.output import emit, local_time
from twotier.cli.peers import worker_of
from twotier.errors import NotFoundError

WAITS = 5  # the exit code where something waits, so that a script can tell
MICROUSD = 1_000_000


def listed(config: Path, *, as_json: bool) -> int:
    """What waits, with the exact arguments; exit code 5 if anything does."""
    told = worker_of(config).get("/approvals")
    if as_json:
        emit(told)
    elif not told["approvals"]:
        print("nothing waits for you")
    else:
        for approval in told["approvals"]:
            show_one(approval)
    return WAITS if told["approvals"] else 0


def decided(config: Path, approval: str, *, verdict: str, as_json: bool) -> int:
    """Say yes or no."""
    if "/" in approval:
        raise NotFoundError(f"nothing waits under {approval!r}; `twotier approve` lists what does")
    path = f"/approvals/{quote(approval, safe='')}"
    told = worker_of(config).post(path, {"verdict": verdict})
    if as_json:
        emit(told)
    else:
        done = told["approval"]
        word = "approved" if verdict == "yes" else "declined"
        print(f"{word}: {done['tool']} of {done['run']}")
    return 0


def show_one(approval: Mapping[str, Any]) -> None:
    """One call: what, why, from where, for how much, until when."""
    arguments = json.dumps(approval["arguments"], ensure_ascii=True)
    price = approval["price_microusd"] / MICROUSD
    print(f"{approval['id']}  {approval['job']}: {approval['tool']} {arguments}")
    print(f"  why     {approval['because']}")
    print(f"  source  {approval['source']}")
    print(f"  price   ${price:.4f}")
    print(f"  until   {local_time(approval['expires_at'])}, then it is a no")
