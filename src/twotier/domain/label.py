"""Labels: what a tool or a text brings along. A run carries a taint, a set that only grows.

`private`: it holds what only its owner may see. `untrusted`: somebody else wrote it, and it may try
to give orders. `sends`: it carries something out of this machine. `changes`: it alters something
that lasts. `costs`: it is paid for beside the model's tokens.
"""

from __future__ import annotations

from enum import StrEnum


class Label(StrEnum):
    """One property that decides what may meet what in one run."""

    PRIVATE = "private"
    UNTRUSTED = "untrusted"
    SENDS = "sends"
    CHANGES = "changes"
    COSTS = "costs"


Labels = frozenset[Label]
NO_LABELS: Labels = frozenset()
# What nobody has labelled is held for the worst: it reads what is private, brings in what is
# untrusted, and may send it out.
UNKNOWN: Labels = frozenset({Label.PRIVATE, Label.UNTRUSTED, Label.SENDS, Label.CHANGES})
