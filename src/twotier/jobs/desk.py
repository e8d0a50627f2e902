"""Where a run's agent finds its owner: approvals are asked for and told, and every call is noted.

The message shows the exact call, where the wish may come from and what it costs. It goes to the
owner's own destination and nowhere else, with addresses that no program follows; one that could not
be sent is sent again, and `twotier approve` shows the call in any case.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from twotier.agent.guard import unlinked
from twotier.agent.turn import Decision, Entry, Request
from twotier.domain.clock import Clock
from twotier.domain.money import MICROUSD_PER_USD
from twotier.errors import DeliveryError
from twotier.jobs.approvals import Approval, ApprovalStore, decision_of
from twotier.jobs.audit import AuditStore
from twotier.jobs.links import Links
from twotier.jobs.store import instant
from twotier.notify.base import Channel, Message

LOG = logging.getLogger("twotier.approvals")
AGAIN_SECONDS = 60.0  # between two tries to tell an owner
ARGUMENTS_CHARACTERS_MAX = 2_000  # in a message; the page and the command line show all


class JobDesk:
    """Approvals and audit for all jobs. `places` says where each job's owner is asked."""

    def __init__(
        self,
        approvals: ApprovalStore,
        audit: AuditStore,
        *,
        links: Links,
        channels: Mapping[str, Channel],
        places: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._approvals = approvals
        self._audit = audit
        self._links = links
        self._channels = channels
        self._places = places
        self._clock = clock
        self._again_at = 0.0

    async def decision(self, request: Request) -> Decision | None:
        """What the owner said of this very call; told of it when it is new."""
        approval = await self._approvals.asked(request)
        if not approval.verdict and not approval.told:
            await self._tell(approval)
        return decision_of(approval)

    async def note(self, entry: Entry) -> None:
        """A line of the audit."""
        await self._audit.note(entry)

    async def may_escalate(self, job: str, *, run: str, times_max: int) -> bool:
        """Within the job's cap for a day."""
        return await self._audit.may_escalate(job, run=run, times_max=times_max)

    async def again(self) -> list[str]:
        """Runs that need not wait any more. Who was not told yet is told, now and then."""
        if self._clock.monotonic() >= self._again_at:
            self._again_at = self._clock.monotonic() + AGAIN_SECONDS
            for approval in await self._approvals.open():
                if not approval.told:
                    await self._tell(approval)
        return await self._approvals.decided_runs()

    async def _tell(self, approval: Approval) -> None:
        kind, _, target = self._places.get(approval.job, "").partition(":")
        channel = self._channels.get(kind)
        try:
            if channel is not None:
                await channel.send(target, self._message(approval))
        except DeliveryError as exc:
            extra = {"approval": approval.id, "because": exc.message}
            LOG.warning("an approval waits, and its owner could not be told", extra=extra)
            return
        await self._approvals.told(approval.id)
        told = {"approval": approval.id, "job": approval.job, "tool": approval.tool}
        LOG.info("an approval waits", extra=told)

    def _message(self, approval: Approval) -> Message:
        link = self._links.link(approval.id, expires_ms=approval.expires_ms)
        facts = {"job": approval.job, "run": approval.run, "approval": approval.id, "link": link}
        title = f"{approval.job} asks: {approval.tool}?"
        return Message(title, text_of(approval, link), f"approval:{approval.id}", facts)


def text_of(approval: Approval, link: str) -> str:
    """What the owner reads."""
    arguments = json.dumps(json.loads(approval.arguments), indent=1, ensure_ascii=False)
    left = len(arguments) - ARGUMENTS_CHARACTERS_MAX
    more = f"\n... and {left} characters more; the page shows all" if left > 0 else ""
    return "\n".join(
        (
            f"{approval.tool} {unlinked(arguments[:ARGUMENTS_CHARACTERS_MAX])}{more}",
            f"Why: {approval.because}.",
            f"Source: {approval.source}.",
            f"Price: ${approval.price_microusd / MICROUSD_PER_USD:.4f}",
            f"Without an answer it is a no at {instant(approval.expires_ms):%Y-%m-%d %H:%M} UTC.",
            f"Answer: {link}",
            f"or `twotier approve yes {approval.id}`, `twotier approve no {approval.id}`",
        )
    )
