"""Something that has every attribute: enough to make a table of paths and walk it, nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Anything:
    """Each attribute and each answer is another one of these."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Whatever was asked."""
        return Anything()

    def __int__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Any]:
        return iter(())
