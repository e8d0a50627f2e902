"""The property list of a launchd job for twotier: an agent of the user's, or a daemon. Pure.

An agent starts at login and is the only one that reaches the login keychain; a daemon starts at
boot, before anybody is logged in. Both: a main that was ended comes back after `ThrottleInterval`
at the latest, one that was ended by `twotier down` does not; it has `ExitTimeOut` seconds to stop
(launchd's default of 5 was seen to kill healthy servers); its model servers live on
(`AbandonProcessGroup`). Written from launchd.plist(5) and checked against a table of its keys: it
could not be run where this was made.
"""

from __future__ import annotations

import plistlib
from typing import Any

from twotier.service.program import MARK, STOP_SECONDS, THROTTLE_SECONDS, Program

COMMENT = f"<!-- {MARK}; `twotier service status` says what is different -->\n"


def plist_text(asked: Program) -> str:
    """The whole file, XML. With a `user` it is one of the machine's own."""
    job: dict[str, Any] = {
        "Label": asked.name,
        "ProgramArguments": list(asked.argv),
        "WorkingDirectory": asked.folder,
        "EnvironmentVariables": dict(sorted(asked.env.items())),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": THROTTLE_SECONDS,
        "ExitTimeOut": STOP_SECONDS,
        # As Background its model servers would be slowed down, as Standard they may be.
        "ProcessType": "Interactive",
        "AbandonProcessGroup": True,
        "StandardOutPath": asked.log,
        "StandardErrorPath": asked.log,
        "Umask": 0o077,
    }
    if asked.user:
        job["UserName"] = asked.user
    return xml(job)


def plist_once(asked: Program) -> str:
    """One that runs at once, and once."""
    return xml(
        {
            "Label": asked.name,
            "ProgramArguments": list(asked.argv),
            "WorkingDirectory": asked.folder,
            "EnvironmentVariables": dict(sorted(asked.env.items())),
            "RunAtLoad": True,
            "ProcessType": "Interactive",
            "StandardOutPath": asked.log,
            "StandardErrorPath": asked.log,
        }
    )


def xml(job: dict[str, Any]) -> str:
    """A property list that says who made it."""
    head, _, rest = plistlib.dumps(job, sort_keys=False).decode().partition("<plist")
    return f"{head}{COMMENT}<plist{rest}"
