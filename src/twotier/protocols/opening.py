"""How a conversation begins, and where it stands: by that it is known again.

A client sends all of a conversation with each of its turns, so the first words of it stay the same,
as do the instructions and the tools. Their digests are the names of the conversation and of the
kind of work; the texts themselves are kept nowhere. Marks for a provider's cache move from turn to
turn and do not count.

Only asked for where a tier is to be chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b

import msgspec

from twotier.domain.message import Request

DIGEST_BYTES = 12
SESSION_CHARACTERS_MAX = 256
# Claude Code writes JSON into `metadata.user_id`, older versions `user_..._session_UUID`.
USER_SESSION = re.compile(r'(?:_session_|"session_id"\s*:\s*")([0-9A-Za-z-]{8,64})')
ANSWERS = frozenset({"assistant", "model"})
# What a model asked for and got, as items of Responses.
CALLED = frozenset({"function_call", "custom_tool_call", "reasoning", "local_shell_call"})
RETURNED = frozenset({"function_call_output", "custom_tool_call_output", "tool_result"})


class Opening(msgspec.Struct, frozen=True):
    """`template` names the instructions with the tools, `first` the first words of the user; both
    are digests. `answered`: the model has spoken in it before. `own_words`: it ends with words of
    the user's, and not with what a tool gave. `session` is the client's own name for it, or empty.
    """

    template: str
    first: str
    answered: bool
    own_words: bool
    session: str


NONE = Opening("", "", answered=False, own_words=True, session="")


class _Function(msgspec.Struct):
    name: str = ""


class _Tool(msgspec.Struct):
    name: str = ""
    type: str = ""
    function: _Function | None = None


class _Turn(msgspec.Struct):
    role: str = ""
    type: str = ""
    content: msgspec.Raw = msgspec.Raw(b"null")


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Metadata(msgspec.Struct):
    user_id: str | None = None
    session_id: str | None = None


class _Body(msgspec.Struct):
    messages: list[_Turn] | None = None
    input: str | list[_Turn] | None = None
    prompt: msgspec.Raw = msgspec.Raw(b"null")
    system: msgspec.Raw = msgspec.Raw(b"null")
    instructions: str | None = None
    tools: list[_Tool] | None = None
    metadata: _Metadata | None = None
    prompt_cache_key: str | None = None
    previous_response_id: str | None = None
    session_id: str | None = None


_BODY = msgspec.json.Decoder(_Body)
_CONTENT = msgspec.json.Decoder(str | list[_Part] | None)


def opening(request: Request) -> Opening:
    """What there is to know it by. A body of another form than is usual is known by nothing."""
    try:
        body = _BODY.decode(request.body)
    except (msgspec.MsgspecError, RecursionError):
        return NONE
    turns = body.messages if body.messages is not None else said(body)
    lead = [body.instructions or "", *texts(body.system)]
    first: list[str] = []
    for turn in turns:
        if turn.role == "user":
            first = list(texts(turn.content))
            break
        if turn.role in ("system", "developer"):
            lead.extend(texts(turn.content))
    return Opening(
        template=digest([*lead, *tools(body)]),
        first=digest(first),
        answered=body.previous_response_id is not None or any(map(answers, turns)),
        own_words=not turns or own(turns[-1]),
        session=session(body),
    )


def said(body: _Body) -> list[_Turn]:
    """The turns of dialects that have no messages."""
    if isinstance(body.input, list):
        return body.input
    text = body.prompt if body.input is None else msgspec.Raw(msgspec.json.encode(body.input))
    return [_Turn(role="user", content=text)]


def answers(turn: _Turn) -> bool:
    """Whether the model said it."""
    return turn.role in ANSWERS or turn.type in CALLED


def own(turn: _Turn) -> bool:
    """Whether the user said it, at least in part."""
    if turn.role != "user":
        return False
    kinds = {part.type for part in parts(turn.content)}
    return not kinds or not kinds <= RETURNED


def parts(content: msgspec.Raw) -> list[_Part]:
    """The parts of a content that has some; none of one that is plain text or unusual."""
    try:
        found = _CONTENT.decode(content)
    except msgspec.MsgspecError:
        return []
    return found if isinstance(found, list) else []


def texts(content: msgspec.Raw) -> Iterator[str]:
    """The texts of a content, in order."""
    try:
        found = _CONTENT.decode(content)
    except msgspec.MsgspecError:
        return
    if isinstance(found, str):
        yield found
    for part in found if isinstance(found, list) else ():
        if part.text is not None:
            yield part.text


def tools(body: _Body) -> list[str]:
    """Their names, in one order."""
    found = body.tools or ()
    return sorted(one.function.name if one.function else one.name or one.type for one in found)


def session(body: _Body) -> str:
    """The client's own name for it: OpenAI's cache key, or what Claude Code tells of itself."""
    metadata = body.metadata or _Metadata()
    named = body.session_id or metadata.session_id or body.prompt_cache_key
    if not named and (found := USER_SESSION.search(metadata.user_id or "")):
        named = found[1]
    return (named or "")[:SESSION_CHARACTERS_MAX]


def digest(texts_: list[str]) -> str:
    """A short name for texts, empty for none."""
    whole = "\x1f".join(texts_)
    if not whole:
        return ""
    return blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()
