"""systemd: what `systemctl show` says of a unit, and the commands that start and restart it.

Its answer is one `Name=value` line for each property that was asked for. A unit of the user's own
is meant; `system/UNIT` is one of the machine's, which anybody can ask about and only root restarts.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from twotier.supervisor.owner import Said, Told

PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "MainPID",
    "Result",
    "ExecMainCode",
    "ExecMainStatus",
    "NRestarts",
    "Restart",
)
RUNNING = frozenset({"active", "reloading", "activating"})
MACHINE = "system/"
CLD_KILLED, CLD_DUMPED = "2", "3"  # the numbers of `ExecMainCode` for an end by a signal


@dataclass(frozen=True, slots=True)
class Systemd:
    """`supervisor.owner.Owner` for a systemd unit."""

    unit: str

    @property
    def name(self) -> str:
        """For sentences."""
        return f"the systemd unit {self.unit.removeprefix(MACHINE)}"

    @property
    def question(self) -> tuple[str, ...]:
        """Its state."""
        return (*self._to("show"), f"--property={','.join(PROPERTIES)}")

    def _to(self, verb: str) -> tuple[str, ...]:
        whose = () if self.unit.startswith(MACHINE) else ("--user",)
        return ("systemctl", *whose, verb, self.unit.removeprefix(MACHINE))

    def read(self, said: Said) -> Told:
        """The properties; a unit that there is not is told as one that does not run."""
        if said.code != 0:
            return Told(None, evidence=(f"systemctl show: {said.err.strip() or said.code}",))
        found = dict(line.split("=", 1) for line in said.out.splitlines() if "=" in line)
        if found.get("LoadState") == "not-found":
            return Told(False, last_end=f"there is no unit {self.unit}")
        pid = found.get("MainPID", "0")
        waits = found.get("SubState") == "auto-restart"  # it ended, and is about to be started
        ending = None if found.get("ActiveState") == "deactivating" else False
        return Told(
            running=True if found.get("ActiveState") in RUNNING and not waits else ending,
            pid=int(pid) if pid.isdecimal() and pid != "0" else None,
            respawns=waits,
            last_end=last_end(found),
            evidence=tuple(f"{name}={found[name]}" for name in PROPERTIES if name in found),
        )

    def start(self) -> tuple[str, ...]:
        """Starts it; a unit that runs is left as it is."""
        return self._to("start")

    def restart(self) -> tuple[str, ...]:
        """Ends it and starts it."""
        return self._to("restart")

    def stop(self) -> str:
        """As a person types it."""
        return " ".join(self._to("stop"))

    def log(self, told: Told) -> str:  # noqa: ARG002 - the journal has it, whatever was told
        """The journal."""
        whose = "" if self.unit.startswith(MACHINE) else "--user "
        return f"journalctl {whose}-u {self.unit.removeprefix(MACHINE)} -f"


RESULTS = {
    "oom-kill": "the kernel killed it because memory ran out (oom-kill)",
    "watchdog": "systemd ended it: its watchdog heard nothing",
    "timeout": "systemd ended it: it did not start or stop in time",
    "start-limit-hit": "it was started too often and systemd has given it up (start-limit-hit)",
}


def last_end(found: dict[str, str]) -> str:
    """One sentence about its last end."""
    result, status = found.get("Result", ""), found.get("ExecMainStatus", "0")
    if result in RESULTS:
        return RESULTS[result]
    if result == "exit-code":
        return f"it failed with exit code {status}"
    if found.get("ExecMainCode") in (CLD_KILLED, CLD_DUMPED):
        return f"it was ended by {signal_name(status)}"
    return ""


def signal_name(number: str) -> str:
    """`SIGKILL` of `9`."""
    try:
        return signal.Signals(int(number)).name
    except ValueError:
        return f"signal {number}"
