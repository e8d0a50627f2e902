"""Who has a key, as the key file says, and what each may do.

Read at the start, and again whenever `twotier key` has changed the file: a key that was removed is
dead with the next request. A file that cannot be used changes nothing. Nothing here can tell what a
named key is: only its digest is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twotier.domain.money import Budget
from twotier.domain.task import Caller
from twotier.domain.tier import TierPolicy
from twotier.keys import DEFAULT, ClientKey, KeyFile, digest

NO_BUDGETS: Sequence[Budget] = ()


class Clients:
    """The clients of one gateway. Budgets begin anew at midnight in `zone`."""

    def __init__(self, file: KeyFile, *, default_key: str, zone: str) -> None:
        self.default_key = default_key
        self.callers: Mapping[bytes, Caller] = {}
        self.entries: Mapping[str, ClientKey] = {}
        self._budgets: Mapping[str, Sequence[Budget]] = {}
        self._file = file
        self._zone = zone
        self.reload()

    def reload(self) -> None:
        """Take in what the file says now. Raises `ConfigError`; then everything stays as it was."""
        entries = self._file.read()
        own = entries.get(DEFAULT)
        policy = TierPolicy.AUTO if own is None else own.policy
        callers = {digest(self.default_key): Caller(client=DEFAULT, policy=policy)}
        for key in entries.values():
            if key.digest:
                callers[bytes.fromhex(key.digest)] = Caller(client=key.name, policy=key.policy)
        self.entries, self.callers = entries, callers
        self._budgets = {
            key.name: (budget,) for key in entries.values() if (budget := self._of(key))
        }

    @property
    def named(self) -> list[str]:
        """The names of those that have a key of their own."""
        return [name for name in self.entries if name != DEFAULT]

    @property
    def budgets(self) -> list[Budget]:
        """Every budget of a single client."""
        return [budget for budgets in self._budgets.values() for budget in budgets]

    def budgets_of(self, client: str) -> Sequence[Budget]:
        """What limits this client alone."""
        return self._budgets.get(client, NO_BUDGETS)

    def _of(self, key: ClientKey) -> Budget | None:
        if key.limit_microusd is None:
            return None
        return Budget(
            name=key.name,
            period=key.period,
            zone=self._zone,
            limit_microusd=key.limit_microusd,
            at_limit=key.at_limit,
            client=key.name,
            of_key=True,
        )
