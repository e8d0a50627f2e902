"""A model in another server on this machine, dropped when memory is tight and nobody uses it.

Of the servers known here only Ollama may be asked: it waits for requests that are in the model, and
loads it again when the next one comes. LM Studio would cut answers of others; llama.cpp, mlx-lm and
vLLM have nothing to give back while they run: what they can forget (`/slots/0?action=erase`,
`/reset_prefix_cache`) stays theirs, and vLLM's sleep moves weights into the very memory that is
short.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from twotier.domain.message import Dialect
from twotier.domain.urls import is_loopback
from twotier.engines import asked
from twotier.engines.base import Traits
from twotier.models.verdict import gigabytes
from twotier.providers.base import Ask, Provider, Reply

UNUSED_SECONDS = 60.0  # without a request of ours


class Spare:
    """`base.Provider` of a tier whose server can drop its model; it remembers when it was asked."""

    def __init__(
        self,
        provider: Provider,
        traits: Traits,
        *,
        base_url: str,
        model: str,
        now: Callable[[], float],
    ) -> None:
        self._provider = provider
        self._traits = traits
        self._base_url = base_url or traits.base_url
        self._model = model
        self._now = now
        self._asked_at = now() - UNUSED_SECONDS

    @property
    def dialect(self) -> Dialect:
        """The dialect of the server."""
        return self._provider.dialect

    async def ask(self, ask: Ask) -> Reply:
        """Ask it."""
        self._asked_at = self._now()
        return await self._provider.ask(ask)

    def give_back(self) -> str:
        """Have it dropped. What was done, empty for nothing. Blocking."""
        if self._now() - self._asked_at < UNUSED_SECONDS:
            return ""
        given = asked.release(self._traits, self._base_url, model=self._model)
        if given is None:
            return ""
        return f"{self._traits.name} drops {self._model} ({gigabytes(given)}), which nobody used"


def may_drop(traits: Traits, base_url: str) -> bool:
    """Whether such a server stands on this machine; the memory of another one helps nobody here."""
    host = urlsplit(base_url or traits.base_url).hostname or ""
    return traits.release is not None and is_loopback(host)
