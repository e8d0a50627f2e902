"""What a client may ask of the server before anybody has looked at what it wants."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds. A client that passes one is told so, and closed.

    `head_seconds` runs from the first byte of a request to the end of its head. Of a body some has
    to come every `body_seconds`, and after them `body_bytes_per_second` on the whole: a slow line
    is waited for, whoever sends a byte now and then gains nothing by it. How long all of it may
    take is the application's to say.
    `unread_bytes` is how much of a body lies here before the client has to wait. `stall_seconds`
    is how long a client may take nothing of what is there for it. `linger_seconds` is how long one
    that was refused may go on sending until it has read why.
    `backlog` is how many connections may wait to be accepted.
    """

    connections_max: int = 2_000
    backlog: int = 2_048
    head_bytes_max: int = 64 * 1024
    head_lines_max: int = 128
    target_bytes_max: int = 8 * 1024
    unread_bytes_max: int = 256 * 1024
    head_seconds_max: float = 10.0
    body_seconds_max: float = 30.0
    body_bytes_per_second_min: float = 500.0
    idle_seconds_max: float = 75.0
    stall_seconds_max: float = 60.0
    linger_seconds_max: float = 2.0
