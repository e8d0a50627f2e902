"""The kinds of work that rules may be about, and when writing is much."""

from __future__ import annotations

# "Writes more than 500 lines" at about 12 tokens a line.
BULK_OUTPUT_TOKENS = 6_000

KINDS = frozenset({"polling", "bulk-write", "frontier-reasoning", "read-report"})
