"""From the configuration to what stands between agents and their owner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from twotier.config.load import Loaded
from twotier.domain.clock import Clock
from twotier.jobs.agent_api import AgentApi
from twotier.jobs.approvals import ApprovalStore
from twotier.jobs.approve_api import ApproveApi
from twotier.jobs.audit import AuditStore
from twotier.jobs.database import Database
from twotier.jobs.desk import JobDesk
from twotier.jobs.links import Links
from twotier.jobs.scheduler import Scheduler
from twotier.jobs.transcripts import TranscriptStore
from twotier.notify.base import Channel


@dataclass(frozen=True, slots=True)
class Owner:
    """What stands between agents and their owner, and how it is asked about."""

    desk: JobDesk
    approve: ApproveApi
    agent: AgentApi
    transcripts: TranscriptStore

    def joined(self, scheduler: Scheduler) -> tuple[ApproveApi, AgentApi]:
        """The routes; what was answered lets its run go on at once."""
        scheduler.again = self.desk.again
        return replace(self.approve, look=scheduler.look), self.agent


def owner_of(
    loaded: Loaded, database: Database, *, channels: Mapping[str, Channel], clock: Clock
) -> Owner:
    """Approvals, the audit, and the ways to their owner."""
    config = loaded.config
    approvals = ApprovalStore(database, clock, expires_seconds=config.approvals.expires)
    audit, transcripts = AuditStore(database, clock), TranscriptStore(database, clock)
    gateway = config.gateway
    base = config.approvals.url or gateway.public_url or f"http://127.0.0.1:{gateway.port}"
    links = Links.of(loaded.paths.approve_key, base=base)
    desk = JobDesk(
        approvals,
        audit,
        links=links,
        channels=channels,
        places={job.name: job.approve for job in config.jobs},
        clock=clock,
    )
    approve = ApproveApi(approvals, links, clock)
    return Owner(desk, approve, AgentApi(audit, transcripts), transcripts)
