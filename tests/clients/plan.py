"""The mind of a scripted model: calls what it was told to call, then says what the tools said."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from tests.fakes.mind import Said, Thought


class Plan:
    """One call for each request that offers tools; when none is left, a report of the results.

    A request without tools (a client's small question for a title) is answered at once. A tool
    that is not offered is not called: the answer names what was.
    """

    def __init__(self, *calls: tuple[str, Mapping[str, Any]]) -> None:
        self._calls = deque(calls)

    def __call__(self, said: Said) -> Thought:
        offered = [name for name, _ in said.tools]
        if not offered:
            return Thought("A secret word")
        if not self._calls:
            return Thought("The tool said: " + " and ".join(said.results))
        name, arguments = self._calls.popleft()
        if name not in offered:
            return Thought(f"There is no {name} among {', '.join(offered)}.")
        return Thought("Let me look.", [(name, arguments)])
