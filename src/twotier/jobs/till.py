"""What a trial pays: each question is held against the trial's limit before it is asked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Protocol

from twotier.agent.model import Answer, Question, chat_body
from twotier.agent.said import Chat, Said
from twotier.domain.money import usd
from twotier.errors import JobError, StreamBrokenError
from twotier.jobs.trials import Rates, Trial, TrialStore

NO_BATCH = "main says that it waits for a batch; none was asked for"


class Asks(Protocol):
    """Whoever asks main."""

    async def ask(self, question: Question) -> Answer | None:
        """Ask once."""
        ...

    async def chat(self, chat: Chat) -> Said | None:
        """The same for an agent's call."""
        ...


class LimitReachedError(JobError):
    """One more question could cost more than is left of the trial's limit."""


class Till:
    """The money of one trial. `shut` is why nothing more may be asked, once something was not."""

    def __init__(self, trial: Trial, store: TrialStore, *, client: Asks) -> None:
        self.shut: LimitReachedError | None = None
        self._trial = trial
        self._store = store
        self._client = client
        self._left_microusd = trial.limit_microusd - trial.spent_microusd

    async def ask(self, question: Question, rates: Rates) -> Answer:
        """Ask within the limit; what was paid is counted at once."""
        asked = f"{question.system}{question.prompt}"
        self._hold(rates.bound(len(asked.encode()), question.output_tokens_max))
        answer = await self._client.ask(question)
        if answer is None:
            raise StreamBrokenError(NO_BATCH)
        await self._paid(answer.cost_microusd)
        return answer

    async def chat(self, chat: Chat) -> Said:
        """The same for an agent's call. Its step is named by its words too: a piece that is begun
        again after a kill asks main for the same answers, and for what has become different anew.
        """
        body = json.dumps(chat_body(chat), sort_keys=True, ensure_ascii=False)
        sent = body.encode("utf-8", errors="replace")
        self._hold(self._trial.rates.bound(len(sent), chat.output_tokens_max))
        step = f"{chat.step}:{hashlib.sha256(sent).hexdigest()[:8]}"
        said = await self._client.chat(replace(chat, step=step))
        if said is None:
            raise StreamBrokenError(NO_BATCH)
        await self._paid(said.cost_microusd)
        return said

    def _hold(self, bound: int) -> None:
        """Before a question. Once one was too dear none is asked any more."""
        if bound > self._left_microusd and self.shut is None:
            self.shut = LimitReachedError(
                f"one more question could cost {usd(bound)}, and {usd(self._left_microusd)} of its"
                " limit are left; give it more with --limit-usd"
            )
        if self.shut is not None:
            raise self.shut

    async def _paid(self, microusd: int) -> None:
        self._left_microusd -= microusd
        if microusd:
            await self._store.spend(self._trial.id, microusd)
