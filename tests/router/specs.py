"""Two tiers that take everything, and tasks as an estimate would make them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.router.test_tree import FRONTIER, LOCAL, READY
from twotier.domain.message import Request
from twotier.domain.task import Caller, Task
from twotier.router.estimate import estimate

__all__ = ["FRONTIER", "LOCAL", "READY", "task"]

PLAIN = estimate(Request("openai_chat", b"{}", "auto", text_bytes=200), Caller())


def task(**changed: Any) -> Task:
    """A task of which nobody can tell anything, with changes."""
    return replace(PLAIN, **changed)
