"""launchd: what `launchctl print` says of a job, and the commands that start and restart it.

Its answer is a block of `name = value` lines, the job's own with one tab, nested ones with more. A
job that ended by a signal has a line `last terminating signal`, and then no `last exit code`. Exit
code 113 means that no such job is loaded; any other failure means that the question failed. A job
that is being taken out stays, as `state = SIGTERMed` with its pid, until its process has ended:
`bootout` itself returns before, with 0 or 36. launchd
starts a job with `keepalive` again by itself, so such a job is never started by us, only asked to
be restarted while it runs and hangs. Written from its documentation and from what others recorded:
it could not be run where this was made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from twotier.supervisor.owner import UNTOLD, Said, Told

NOT_LOADED = 113
ENDING = 36  # of `bootout`: it is being taken out
_FIELD = re.compile(r"^\t(?!\t)([a-z][a-z ()]*?) = (.+)$", re.MULTILINE)
_SIGNAL = re.compile(r"(?<!\d)(\d++)\s*+$")
JETSAM = "OS_REASON_JETSAM"
SHOWN = (
    "state",
    "pid",
    "runs",
    "last exit code",
    "last terminating signal",
    "last exit reason",
    "successive crashes",
    "properties",
    "stderr path",
)


def target(label: str, *, uid: int) -> str:
    """The service target: an agent of this user, or `system/LABEL` as it is."""
    return label if "/" in label else f"gui/{uid}/{label}"


@dataclass(frozen=True, slots=True)
class Launchd:
    """`supervisor.owner.Owner` for a launchd job."""

    label: str
    uid: int

    @property
    def target(self) -> str:
        """Its service target."""
        return target(self.label, uid=self.uid)

    @property
    def name(self) -> str:
        """For sentences."""
        return f"the launchd job {self.label}"

    @property
    def question(self) -> tuple[str, ...]:
        """Its state."""
        return ("launchctl", "print", self.target)

    def read(self, said: Said) -> Told:
        """The block's own fields; nested blocks have fields of the same names."""
        if said.code == NOT_LOADED:
            words = f"no job {self.label} is loaded"
            return Told(False, last_end=words, evidence=(said.err.strip() or words,))
        if said.code != 0:
            return Told(None, evidence=(f"launchctl print: {said.err.strip() or said.code}",))
        fields = dict(_FIELD.findall(said.out))
        if "state" not in fields:
            return UNTOLD
        pid = fields.get("pid", "")
        ending = None if pid.isdecimal() else False
        return Told(
            running=True if fields["state"] == "running" else ending,
            pid=int(pid) if pid.isdecimal() else None,
            respawns="keepalive" in fields.get("properties", ""),
            last_end=last_end(fields),
            evidence=tuple(f"{name} = {fields[name]}" for name in SHOWN if name in fields),
        )

    def start(self) -> tuple[str, ...]:
        """Starts it now; a job that runs is left as it is."""
        return ("launchctl", "kickstart", self.target)

    def restart(self) -> tuple[str, ...]:
        """Ends it and starts it, without waiting for launchd's own throttle."""
        return ("launchctl", "kickstart", "-k", self.target)

    def stop(self) -> str:
        """With KeepAlive only taking it out of launchd ends it."""
        return f"launchctl bootout {self.target}"

    def log(self, told: Told) -> str:
        """The file named in its plist."""
        for line in told.evidence:
            if line.startswith("stderr path = "):
                return f"tail -f {line.partition(' = ')[2]}"
        return f"look for StandardErrorPath in its plist: launchctl print {self.target}"


def last_end(fields: dict[str, str]) -> str:
    """One sentence about its last end."""
    reason, ended = fields.get("last exit reason", ""), fields.get("last terminating signal", "")
    code = fields.get("last exit code", "")
    if JETSAM in reason or JETSAM in code:
        return "macOS killed it because memory ran out (jetsam)"
    if ended:
        number = _SIGNAL.search(ended)
        killed = number is not None and number.group(1) == "9"
        doubt = "; SIGKILL: by a person, or by macOS for its memory" if killed else ""
        return f"it was ended by a signal ({ended}){doubt}"
    if code and code[0].isdecimal() and code.split(":")[0] != "0":
        return f"it failed with exit code {code}"
    return "it ended by itself with exit code 0" if code.startswith("0") else ""
