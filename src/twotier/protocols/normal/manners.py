"""What a local server of the chat dialect is like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Manners:
    """What a server of the chat dialect cannot take. The default can take everything.

    `turns_strict`: its templates drop or refuse a late system text, a `developer`, results without
    a call, arguments that are no JSON object. `thinking`: the field of a past answer in which it
    looks for thinking, empty to leave it where it is. `texts_joined`: a content of several texts
    must be one string, and never null. `schemas_plain`: tools in the plainest JSON schema.
    `tool_choice`: it is `ignored`, so it is asked for in words; or only `words` (`required`) are
    understood, no tool by name. `response_format`: it is `ignored`, or only a `schema` is
    understood. Empty: it does as it is told.
    """

    turns_strict: bool = False
    thinking: str = ""
    texts_joined: bool = False
    schemas_plain: bool = False
    tool_choice: Literal["", "words", "ignored"] = ""
    response_format: Literal["", "schema", "ignored"] = ""
