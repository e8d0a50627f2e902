"""Which conversation is on which tier. In memory only, and for an hour: by then no cache is warm.

A conversation is known by who asks, by the client's own name for it if it has one, and by how it
begins. A listener of every attempt's end: whoever gave the last whole answer has it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from twotier.domain.clock import Clock
from twotier.domain.known import Session
from twotier.domain.money import Attempt, Outcome, Settlement
from twotier.domain.task import Caller
from twotier.protocols.opening import SESSION_CHARACTERS_MAX, Opening

KEPT_SECONDS = 3_600.0
KEPT_MAX = 2_000
# What clients call it in a header: our own, then those of Claude Code, Codex, opencode, LiteLLM's
# clients, Amp, and of several.
HEADERS = (
    "x-twotier-session",
    "x-claude-code-session-id",
    "session_id",
    "session-id",
    "conversation_id",
    "x-opencode-session",
    "x-litellm-session-id",
    "x-amp-thread-id",
    "x-session-affinity",
    "x-session-id",
)


@dataclass(frozen=True, slots=True)
class Talk:
    """Where a conversation was last: `tokens` of it lie in that tier's cache."""

    tier: str
    tokens: int
    at: float


class Sessions:
    """The conversations of the last hour, the latest last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._talks: OrderedDict[str, Talk] = OrderedDict()

    def known(self, name: str, opening: Opening) -> Session | None:
        """Where it is; None for one that begins here, or is too long ago."""
        talk = self._talks.get(name)
        now = self._clock.monotonic()
        if talk is None or not opening.answered or now - talk.at > KEPT_SECONDS:
            return None
        return Session(talk.tier, talk.tokens, now - talk.at, boundary=opening.own_words)

    def __call__(self, attempt: Attempt, end: Settlement) -> None:
        """Whoever answered has it now."""
        if not attempt.conversation or end.outcome is not Outcome.OK:
            return
        tokens = end.usage.prompt_tokens + end.usage.output_tokens
        self._talks.pop(attempt.conversation, None)
        self._talks[attempt.conversation] = Talk(attempt.tier, tokens, self._clock.monotonic())
        if len(self._talks) > KEPT_MAX:
            self._talks.popitem(last=False)


def name_of(caller: Caller, opening: Opening) -> str:
    """What a conversation is called here; empty where it cannot be told from others."""
    if not opening.first:
        return ""
    given = headed(caller.headers) or opening.session or caller.run
    return "\x1f".join((caller.client, caller.job, given or opening.template, opening.first))


def headed(headers: Mapping[str, str]) -> str:
    """The client's own name for it, by the first header that has one."""
    for name in HEADERS:
        if given := headers.get(name):
            return given[:SESSION_CHARACTERS_MAX]
    return ""
