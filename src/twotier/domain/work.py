"""What a request is about, as far as its estimate saw it: for those who learn from how it ended."""

from __future__ import annotations

import msgspec


class Work(msgspec.Struct, frozen=True):
    """`text_bytes` in this `script` (`ascii`, `other`, or `escaped`: the same as
    JSON's escapes) are tokens by a rate that is learned; `beside_tokens` are images and documents.
    `kind` is that of the task; `step` is `read` or `write` where an agent's next step is known to
    be one, and `tools` tells that there are any.
    """

    text_bytes: int = 0
    script: str = "ascii"
    beside_tokens: int = 0
    kind: str = "unknown"
    step: str = ""
    tools: bool = False

    @property
    def answers(self) -> str:
        """Under what name the lengths of such answers are kept."""
        return f"step {self.step or 'unknown'}" if self.tools else self.kind


NO_WORK = Work()
