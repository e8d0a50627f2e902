"""What a Messages request may cost beside its own tokens: tools of the API, speed, place.

The API's own tools run inside one request: each use has the model read everything again, with what
the tool brought, and a search has a price besides. Sources: the pages on pricing, web search, web
fetch and stop reasons of platform.claude.com/docs. Code execution has no count in any answer; its
containers are free for the first 1,550 hours of a month.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from twotier.domain.price import PLAIN, Asked
from twotier.errors import RequestError
from twotier.protocols.asked import SEARCH_TOKENS_MAX

NULL = msgspec.Raw(b"null")
# The API stops by itself (`pause_turn`) after so many samplings in one request.
TURNS_MAX = 10
# A large PDF; `max_content_tokens` says less.
FETCH_TOKENS_MAX = 125_000
_PAID_BY_USE = {"web_search_": "web_search", "web_fetch_": "web_fetch"}
# These run at the client; what else has a type runs at the API.
_AT_THE_CLIENT = ("custom", "bash_", "text_editor_", "computer_", "memory_")
_NUMBER = msgspec.json.Decoder(int | None)
_TEXT = msgspec.json.Decoder(str | None)


class HeadTool(msgspec.Struct):
    """A tool as far as its cost goes."""

    type: str | None = None
    max_uses: msgspec.Raw = NULL
    max_content_tokens: msgspec.Raw = NULL

    @property
    def counted(self) -> str:
        """Its name where each use counts, else empty."""
        kinds = _PAID_BY_USE.items() if self.type else ()
        return next((name for start, name in kinds if (self.type or "").startswith(start)), "")

    @property
    def served(self) -> bool:
        """Whether the API runs it by itself."""
        return not (self.type or "custom").startswith(_AT_THE_CLIENT)


def read_asked(
    tools: Iterable[HeadTool], *, servers: bool, said: Mapping[str, msgspec.Raw]
) -> Asked:
    """What a request says of its cost. `servers`: it names MCP servers for the API to ask; `said`
    are fields as they came. Raises `RequestError` for a tool that costs by use and has no limit.
    """
    served = [(at, tool) for at, tool in enumerate(tools) if tool.type and tool.served]
    if not served and not servers and all(raw == NULL for raw in said.values()):
        return PLAIN
    limits = [(tool.counted, _limit(tool, at)) for at, tool in served if tool.counted]
    fetched = [_brought(tool) for _, tool in served if tool.counted == "web_fetch"]
    brought = max([SEARCH_TOKENS_MAX, *fetched])
    unlimited = servers or any(not tool.counted for _, tool in served)
    turns = TURNS_MAX if unlimited else min(TURNS_MAX, 1 + sum(most for _, most in limits))
    # Summing up a long context is one more reading of it.
    turns += b"compact" in bytes(said["context_management"])
    return Asked(
        mode="fast" if _text(said["speed"]) == "fast" else "",
        place=_text(said["inference_geo"]),
        uses=tuple(limits),
        turns=turns,
        brought_tokens=brought if turns > 1 else 0,
    )


def _limit(tool: HeadTool, at: int) -> int:
    limit = _number(tool.max_uses)
    if limit is None or limit < 0:
        raise RequestError(
            f"tools[{at}].max_uses: is missing; {tool.type} costs for each use, so say how"
            " often at most"
        )
    return limit


def _brought(tool: HeadTool) -> int:
    limit = _number(tool.max_content_tokens)
    return FETCH_TOKENS_MAX if limit is None or limit < 0 else limit


def _number(raw: msgspec.Raw) -> int | None:
    try:
        number: int | None = _NUMBER.decode(raw)
    except msgspec.MsgspecError:
        return None
    return number


def _text(raw: msgspec.Raw) -> str:
    try:
        return _TEXT.decode(raw) or ""
    except msgspec.MsgspecError:
        return ""
