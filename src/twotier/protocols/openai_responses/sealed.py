"""What a provider sealed, carried in `encrypted_content`.

A client of this dialect gives reasoning items back as it got them, and Anthropic wants its thinking
back with the signature. So the signature travels in the one field that no client looks into, behind
a word of ours. What stands there without that word was sealed by somebody else, and means nothing
to any other provider.
"""

from __future__ import annotations

from twotier.domain.message import Reasoning

_SIGNATURE = "twotier:signature:"
_HIDDEN = "twotier:hidden:"
# How everything begins that OpenAI encrypted.
_OPENAI = "gAAAA"


def seal(part: Reasoning) -> str:
    """The `encrypted_content` of this thinking, empty where nobody sealed it."""
    if part.hidden:
        return _HIDDEN + part.hidden
    return _SIGNATURE + part.signature if part.signature else ""


def opened(text: str, sealed: str | None) -> tuple[Reasoning, str]:
    """Thinking with this text and this `encrypted_content`, and the seal if it is a stranger's."""
    given = sealed or ""
    if given.startswith(_HIDDEN):
        return Reasoning("", hidden=given.removeprefix(_HIDDEN)), ""
    if given.startswith(_SIGNATURE):
        return Reasoning(text, given.removeprefix(_SIGNATURE)), ""
    return Reasoning(text), given


def of_openai(seal: str) -> bool:
    """Whether OpenAI made it, so that only a server of this dialect can read it."""
    return seal.startswith(_OPENAI)
