"""Work that blocks, on a thread of its own that nobody waits for at the end.

The loop's own threads are joined when a process ends, so a mail server that says nothing would hold
up `twotier down`. This one is a daemon: it is left behind.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from twotier.errors import DeliveryError
from twotier.notify.base import SEND_SECONDS

T = TypeVar("T")


async def apart(work: Callable[[], T], *, what: str, seconds: float = 2 * SEND_SECONDS) -> T:
    """What `work` returns or raises. Raises `DeliveryError` where it takes longer; `what` is named.

    Work that was given up goes on in its thread until its own limits end it.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # from here on nobody can cancel it under the thread

    def run() -> None:
        try:
            result = work()
        except BaseException as exc:  # noqa: BLE001 - it belongs to who waits
            done.set_exception(exc)
        else:
            done.set_result(result)

    threading.Thread(target=run, name="twotier-notify", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.wrap_future(done)
    except TimeoutError as exc:
        raise DeliveryError(f"{what} did not answer within {seconds:.0f} s") from exc
