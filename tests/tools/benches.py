"""A bench with nothing on it but what a test puts there, and a call that a run would make."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twotier.domain.label import NO_LABELS, Labels
from twotier.tools.base import Call, Result, Tool
from twotier.tools.settings import Bench
from twotier.tools.web import Web

LOOPBACK = Web(private_ok=frozenset({"127.0.0.1"}))


def bench(root: Path, **more: Any) -> Bench:
    """What a job's tools are made of; this machine may be asked."""
    given: dict[str, Any] = {"job": "toy", "web": LOOPBACK, "root": root} | more
    return Bench(**given)


def a_call(taint: Labels = NO_LABELS) -> Call:
    """By a run with this taint."""
    return Call(job="toy", run="r1", key="r1:tool:1", taint=taint, deadline_seconds=60.0)


def used(tool: Tool, arguments: Mapping[str, Any], taint: Labels = NO_LABELS) -> Result:
    """What a call gives, in a loop of its own."""
    return asyncio.run(tool.call(arguments, a_call(taint)))
