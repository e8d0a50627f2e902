"""Tool calls that a model wrote as text, made calls again. Pure: events in, events out.

A server that does not know its model's way of calling passes the call on as text, and the client
sees an answer where work was meant. Here such text becomes a call if, and only if, it is the tail
of the message, names a tool of the request, is whole, and its arguments fit the tool's schema.

What a server made a call of itself is held to the same schema, where servers are known to bend
them: `made`.

`repair` does it for one answer, with `scan` to find calls, one module for each family to read them,
`coerce` to make arguments fit, and `detect` to tell a model's family. `base` has their words.
"""

from __future__ import annotations

from twotier.protocols.toolcalls.base import Habits, Kind
from twotier.protocols.toolcalls.detect import by_model, by_template
from twotier.protocols.toolcalls.repair import Repair, Repaired, repair_of

__all__ = ["Habits", "Kind", "Repair", "Repaired", "by_model", "by_template", "repair_of"]
