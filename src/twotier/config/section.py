"""What all sections of the file share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """What all sections share: no unknown keys, no changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


SectionT = TypeVar("SectionT", bound=Section)


def raise_all(section: SectionT, problems: Iterable[str]) -> SectionT:
    """The section, or one error with a line for each problem; `load` takes the lines apart."""
    if lines := list(problems):
        raise ValueError("\n".join(lines))
    return section


def listed(names: Iterable[str]) -> str:
    """Names for a message."""
    return ", ".join(names) or "none"
