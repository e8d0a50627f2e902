"""A chat body as one local server can be told it; the last step before it is sent.

Servers of this dialect differ in what they ignore, refuse or lose without a word. What one is like
is said once, in its `Manners`; a tier whose server needs nothing has no `Normaliser` at all. The
others look at each body once, with a decoder that skips its texts, and only what would go wrong is
said anew. Nothing of the client's is lost in silence: what this server cannot be told is named in
`Outgoing.unsaid`, and what it ignores is asked for in words and checked in its answer
(`Outgoing.order`). Doing it twice is doing it once. Pure.
"""

from __future__ import annotations

from twotier.protocols.normal.check import Checked, unfit
from twotier.protocols.normal.manners import Manners
from twotier.protocols.normal.normaliser import Normaliser, normaliser

__all__ = ["Checked", "Manners", "Normaliser", "normaliser", "unfit"]
