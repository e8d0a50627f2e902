"""A notification on this machine's desktop: `notify-send` on Linux, `osascript` on a Mac.

A child without a shell; the text goes to it as arguments, never into a script. A service without a
desktop session has none to show it on, and the child then says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from html import escape

from twotier.errors import DeliveryError
from twotier.notify.base import SEND_SECONDS, Message, one_line

TEXT_CHARACTERS_MAX = 400  # more than any desktop shows
SCRIPT = (
    "on run words\ndisplay notification (item 2 of words) with title (item 1 of words)\nend run"
)
URGENCY = {"info": "low", "urgent": "critical"}


class Desktop:
    """Shows a message. `platform` is as in `sys.platform`."""

    def __init__(self, platform: str = sys.platform) -> None:
        self._platform = platform

    async def send(self, target: str, message: Message) -> str:
        """Show it to whoever sits at this machine; `target` means nothing here."""
        del target
        program, *words = command(message, self._platform)
        path = shutil.which(program)
        if path is None:
            raise DeliveryError(f"there is no {program} on this machine; install it")
        return await shown(path, words, name=program)


def command(message: Message, platform: str) -> list[str]:
    """The program and its arguments."""
    title, text = one_line(message.title), one_line(message.text)[:TEXT_CHARACTERS_MAX]
    if platform == "darwin":
        return ["osascript", "-e", SCRIPT, title, text]
    urgency = URGENCY.get(str(message.facts.get("severity", "")), "normal")
    # The body may hold markup (Desktop Notifications Specification), and a page may hold any.
    body = escape(text, quote=False)
    return ["notify-send", "--app-name=twotier", f"--urgency={urgency}", "--", title, body]


async def shown(path: str, words: list[str], *, name: str) -> str:
    """Run it to its end. Raises `DeliveryError` with what it complained of."""
    quiet = asyncio.subprocess.DEVNULL
    pipe = asyncio.subprocess.PIPE
    try:
        child = await asyncio.create_subprocess_exec(
            path, *words, stdin=quiet, stdout=quiet, stderr=pipe
        )
    except OSError as exc:
        raise DeliveryError(f"{name} cannot be started: {exc.strerror}") from exc
    try:
        async with asyncio.timeout(SEND_SECONDS):
            _, complaint = await child.communicate()
    except TimeoutError as exc:
        raise DeliveryError(f"{name} did not end within {SEND_SECONDS:.0f} s") from exc
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    if child.returncode:
        said = one_line(complaint.decode(errors="replace"))[:200] or f"code {child.returncode}"
        raise DeliveryError(f"{name} could not show it: {said}")
    return f"{name} took it"
