"""What a Responses request may cost beside its own tokens: hosted tools, service tier.

Hosted tools run inside one request: each call has the model read everything again, with what the
tool brought, and searches and containers have prices besides. Their number is held by
`max_tool_calls`, which is set here where the client did not, as the limit of its output is.
Sources: developers.openai.com/api/docs/pricing and the reference of the Responses API.
"""

from __future__ import annotations

from collections.abc import Iterable

from twotier.domain.price import PLAIN, STANDARD, Asked
from twotier.protocols.asked import SEARCH_TOKENS_MAX, UNDECIDED, mode_of

HOSTED_CALLS_DEFAULT = 4
_HOSTED = {
    "web_search": "web_search",
    "file_search": "file_search",
    "code_interpreter": "code_interpreter",
    "image_generation": "image_generation",
    "mcp": "mcp",
}
# Nearly all tools run at the client.
_OWN = frozenset({None, "function", "custom", "namespace"})
# A picture is charged by the tokens of a model of its own, which no limit here can hold.
_ENDLESS = frozenset({"image_generation"})


def hosted(kinds: Iterable[str | None]) -> set[str]:
    """The hosted tools among these types, by name (`web_search_preview` is `web_search`)."""
    given = [kind for kind in set(kinds) - _OWN if kind]
    if not given:
        return set()
    return {name for start, name in _HOSTED.items() if any(one.startswith(start) for one in given)}


def read_asked(
    kinds: Iterable[str | None], *, service_tier: object, calls_max: int | None
) -> Asked:
    """What a request says of its cost. `kinds` are the types of its tools."""
    named, mode = hosted(kinds), mode_of(service_tier)
    if not named and mode in ("", STANDARD):
        return PLAIN if mode else UNDECIDED
    calls = HOSTED_CALLS_DEFAULT if calls_max is None else max(0, calls_max)
    paid = sorted(named - {"mcp", "code_interpreter"})
    # One container is kept for all the calls of a request.
    container = (("code_interpreter", 1),) if "code_interpreter" in named else ()
    return Asked(
        mode="" if mode == STANDARD else mode,
        maybe=() if mode else UNDECIDED.maybe,
        uses=(*((name, calls) for name in paid), *container),
        turns=1 + calls if named else 1,
        brought_tokens=SEARCH_TOKENS_MAX if named else 0,
        endless=next(iter(sorted(named & _ENDLESS)), ""),
    )
