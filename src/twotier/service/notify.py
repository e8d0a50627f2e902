"""What a program tells the systemd that started it: the protocol of sd_notify(3), in a few lines.

A datagram of `NAME=value` lines to the socket that `$NOTIFY_SOCKET` names: a path, or a name in the
abstract namespace, written with `@`. Without that variable nobody listens, and nothing is sent. The
variables are taken out of the environment, so that no child speaks for us.
"""

from __future__ import annotations

import socket
from collections.abc import MutableMapping
from dataclasses import dataclass

SECONDS_MAX = 1.0  # systemd reads at once, unless it hangs itself
STATUS_CHARACTERS_MAX = 200
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Notifier:
    """Where to tell it; `address` is empty where nobody listens. `watchdog_seconds` is how long we
    may be silent before we are ended, None where nobody minds.
    """

    address: str = ""
    watchdog_seconds: float | None = None

    @classmethod
    def taken(cls, environment: MutableMapping[str, str], *, pid: int) -> Notifier:
        """From the variables, which are taken out. A watchdog for another process is not ours."""
        address = environment.pop("NOTIFY_SOCKET", "")
        whose = environment.pop("WATCHDOG_PID", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        minded = address and microseconds.isdecimal() and whose in ("", str(pid))
        seconds = int(microseconds) / MICROSECONDS if minded else None
        return cls(address if address[:1] in ("/", "@") else "", seconds or None)

    def ready(self, status: str = "") -> None:
        """It can be used; also the end of a reload."""
        self._tell("READY=1", *status_line(status))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._tell(*status_line(text))

    def alive(self) -> None:
        """The watchdog's clock begins anew."""
        self._tell("WATCHDOG=1")

    def reloading(self, *, monotonic_seconds: float) -> None:
        """It reads its configuration anew; `ready` ends that."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={int(monotonic_seconds * MICROSECONDS)}")

    def stopping(self, status: str = "") -> None:
        """It ends by its own will."""
        self._tell("STOPPING=1", *status_line(status))

    def _tell(self, *lines: str) -> None:
        """Send them. A manager that has gone is no reason to end, nor to be slow."""
        if not self.address or not lines:
            return
        abstract = self.address.startswith("@")
        place = f"\0{self.address[1:]}" if abstract else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.settimeout(SECONDS_MAX)
                out.connect(place)
                out.send("\n".join(lines).encode())
        except OSError:
            return


def status_line(text: str) -> tuple[str, ...]:
    """A status as its line; what is empty is not told."""
    flat = " ".join(text.split())[:STATUS_CHARACTERS_MAX]
    return (f"STATUS={flat}",) if flat else ()
