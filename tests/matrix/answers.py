"""What models answer to the matrix: one that is good at it, as a server and as plain values."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.fakes.mind import Said, Thought
from twotier.domain.message import Text, ToolCall
from twotier.matrix.depths import FIRST, LAST
from twotier.matrix.heard import Heard

NAMES = re.compile(r"[a-z]+\.(?:txt|md|csv)")


def good(said: Said) -> Thought:
    """Does what each row wants."""
    names = NAMES.findall(" ".join([said.text, *said.results][-1:]))
    if said.schema is not None:
        euros = re.search(r"paid (\d+)", said.text)
        assert euros
        return Thought(json.dumps({"buyer": "Tom", "euros": int(euros[1])}))
    if "to remember" in said.text:
        return Thought(f"{FIRST} and {LAST}")
    if "shopping.txt" in names:
        return Thought("", [("read_file", {"path": "shopping.txt"})])
    if "write this line" in said.text:
        line = said.text.rpartition(": ")[2]
        return Thought("", [("write_file", {"path": names[0], "content": line})])
    if "Repeat these words" in said.text:
        return Thought("one two three four")
    if names and said.tools:
        return Thought("", [("read_file", {"path": name}) for name in names])
    return Thought("a story of rivers and stones and lamps and fields and horses")


def heard(*calls: tuple[str, Any], text: str = "", finish: Any = None, **more: Any) -> Heard:
    """An answer with these calls; arguments that are text are sent as they are."""
    parts = [
        ToolCall(f"c{at}", name, arguments if isinstance(arguments, str) else json.dumps(arguments))
        for at, (name, arguments) in enumerate(calls)
    ]
    ended: Any = finish or ("tool_calls" if calls else "stop")
    return Heard([*([Text(text)] if text else []), *parts], ended, **more)
