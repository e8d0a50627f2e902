"""Something a person should hear of, because the program cannot mend it.

An `Alert` is a step that somebody saw; a `Condition` is what holds now. Both become an incident:
one message when it begins, one when it is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How soon a person has to hear of it. `urgent` goes out in quiet hours too."""

    INFO = "info"
    WARNING = "warning"
    URGENT = "urgent"

    @property
    def rank(self) -> int:
        """The higher, the sooner."""
        return tuple(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Alert:
    """`about` is the tier or process, `kind` one word, `text` the sentence with the reason."""

    about: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """What holds now. `key` names the incident: as long as somebody says that it holds, it is the
    same one. `about`, `kind` and `text` are as in `Alert`.
    """

    key: str
    about: str
    kind: str
    text: str
    severity: Severity = Severity.WARNING
