"""The worker as a kept process, and main's own log."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from twotier.build.tools import secret_places
from twotier.config.load import Loaded
from twotier.config.secrets import places, resolve
from twotier.domain.endpoint import Endpoint
from twotier.domain.launch import Launch
from twotier.errors import NotRunningError
from twotier.supervisor.spec import KeptSpec

WORKER_SECONDS_MAX = 30.0
WORKER = (sys.executable, "-m", "twotier.worker")


def worker_spec(loaded: Loaded, command: tuple[str, ...] = WORKER) -> KeptSpec:
    """The worker as a kept process. It ends with us, so it is never adopted."""
    paths = loaded.paths
    argv = (*command, "--config", str(loaded.path))
    launch = Launch(argv, env=worker_environment(loaded), cwd=loaded.home)
    return KeptSpec(
        name="worker",
        launch=lambda _port: launch,
        ready=partial(worker_answers, paths.worker_socket),
        log_path=paths.logs / "worker.log",
        record_path=paths.engines / "worker.json",
        listens=False,
        adopts=False,
        load_seconds_max=WORKER_SECONDS_MAX,
    )


async def worker_answers(socket_path: Path, _: Endpoint) -> None:
    """Return if the worker answers on its private socket. Raises `NotRunningError` if not."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket_path)
    except OSError as exc:
        raise NotRunningError(f"the worker does not listen yet ({exc.strerror})") from exc
    try:
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        line = await reader.readline()
    finally:
        writer.close()
    if b" 200 " not in line:
        raise NotRunningError(f"the worker answers {line.decode('latin-1').strip()!r}")


def worker_environment(loaded: Loaded) -> Mapping[str, str]:
    """What the worker's environment needs beside the usual: named secrets, never a model key."""
    config = loaded.config
    sections = (*config.jobs, config.chat, config.work)
    named = [place for section in sections for place in places(section)]
    values = {
        place.removeprefix("env:"): resolve(place, home=loaded.home)
        for place in (*named, *secret_places(loaded))
        if place.startswith("env:")
    }
    return {name: value for name, value in values.items() if value}
