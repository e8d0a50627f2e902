"""systemd's side of one user's services, played: for machines where the real one cannot be started.

`serve FOLDER` is the manager; put on PATH under their names, `systemctl`, `systemd-run` and
`loginctl` ask it by the socket in `$TOY_SYSTEMD`. It does what systemd(1) says of the settings that
our unit has: the environment is clean, `READY=1` ends a start, only the main process is heard, a
watchdog that hears nothing aborts it, a stop ends the main process alone, an end is followed by
another start as `Restart=` and the exit status say, and too many starts are the last.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CLEAN = ("PATH", "HOME", "LANG")
BUFFER = 65_536
# A watchdog names its process: who becomes it says so just before.
BECOME = (
    "import os, sys; os.environ['WATCHDOG_PID'] = str(os.getpid());"
    " os.environ['WATCHDOG_USEC'] = sys.argv[1]; os.execv(sys.argv[2], sys.argv[2:])"
)
CREDENTIALS = struct.Struct("3i")


def words_of(line: str) -> list[str]:
    """A command line of a unit."""
    return [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(line)]


def read(file: Path) -> dict[str, list[str]]:
    """Every setting of a unit with its values."""
    found: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if "=" in line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


class Unit:
    """One service, from its start to the end of all its lives."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self.settings = read(file)
        self.wanted = False
        self.state = "inactive"
        self.result = "success"
        self.status = 0
        self.status_text = ""
        self.pid = 0
        self.starts: list[float] = []
        self.task: asyncio.Task[None] | None = None
        self.news = asyncio.Event()
        self.heard_at = 0.0

    def one(self, name: str, usual: str = "") -> str:
        """The last value of a setting."""
        return self.settings.get(name, [usual])[-1]

    def seconds(self, name: str, usual: float) -> float:
        """A time."""
        return float(self.one(name, str(usual)))

    def codes(self, name: str) -> list[int]:
        """Exit codes."""
        return [int(word) for word in self.one(name).split()]

    def tell(self, state: str) -> None:
        """Another state, for all who wait for one."""
        self.state = state
        self.news.set()
        self.news = asyncio.Event()

    async def live(self) -> None:
        """Start it again and again, as long as it is wanted and its settings say so."""
        limit = int(self.one("StartLimitBurst", "5"))
        while self.wanted:
            now = time.monotonic()
            within = self.seconds("StartLimitIntervalSec", 10)
            self.starts = [one for one in self.starts if now - one < within]
            if len(self.starts) >= limit:
                self.result = "start-limit-hit"
                break
            self.starts.append(now)
            self.tell("activating")
            await self.life()
            if not self.begins_again():
                break
            self.tell("auto-restart")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.unwanted(), self.seconds("RestartSec", 0.1))
        self.wanted = False
        self.tell("inactive" if self.result == "success" else "failed")

    async def unwanted(self) -> None:
        """Until it is stopped."""
        while self.wanted:
            await self.news.wait()

    def begins_again(self) -> bool:
        """Whether this end is followed by a start."""
        if not self.wanted:
            return False
        forced = self.result == "exit-code" or self.result == "success"
        if forced and self.status in self.codes("RestartForceExitStatus"):
            return True
        return self.one("Restart") == "always" or (
            self.one("Restart") == "on-failure" and self.result != "success"
        )

    async def life(self) -> None:
        """One process, from its start to its end."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            name = f"toy-systemd-{os.getpid()}-{time.monotonic_ns()}"
            notify.bind(f"\0{name}")
            notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            notify.setblocking(False)
            watchdog = self.seconds("WatchdogSec", 0)
            env = {key: os.environ[key] for key in CLEAN if key in os.environ}
            for line in self.settings.get("Environment", []):
                key, _, value = words_of(line)[0].partition("=")
                env[key] = value
            env["NOTIFY_SOCKET"] = f"@{name}"
            argv = words_of(self.one("ExecStart"))
            log = Path(os.environ["TOY_SYSTEMD"]).with_name(f"{self.name}.log")
            with log.open("ab") as out:
                child = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-S", "-c", BECOME, str(int(watchdog * 1_000_000)), *argv),
                    env=env,
                    cwd=self.one("WorkingDirectory").replace("%%", "%"),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            self.pid, self.heard_at = child.pid, time.monotonic()
            self.result, minds = "success", asyncio.ensure_future(self.mind(notify, watchdog))
            code = await child.wait()
            minds.cancel()
        self.pid, self.status = 0, code
        if self.result == "success" and code < 0:
            clean = -code in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
            self.result = "success" if clean else "signal"
        elif self.result == "success" and code not in (0, *self.codes("SuccessExitStatus")):
            self.result = "exit-code"

    async def mind(self, notify: socket.socket, watchdog: float) -> None:
        """Hear it, and end it where it is silent for too long."""
        while True:
            left = self.heard_at + watchdog - time.monotonic() if watchdog else None
            left = None if self.state != "active" else left
            try:
                await asyncio.wait_for(self.hear(notify), left)
            except TimeoutError:
                self.result = "watchdog"
                for number in (signal.SIGABRT, signal.SIGCONT):
                    os.kill(self.pid, number)
                return

    async def hear(self, notify: socket.socket) -> None:
        """One datagram of the main process's own."""
        readable = asyncio.Event()
        asyncio.get_running_loop().add_reader(notify, readable.set)
        try:
            await readable.wait()
        finally:
            asyncio.get_running_loop().remove_reader(notify)
        data, more, _, _ = notify.recvmsg(BUFFER, socket.CMSG_SPACE(CREDENTIALS.size))
        pid = CREDENTIALS.unpack(more[0][2])[0] if more else 0
        if pid != self.pid and self.one("NotifyAccess") == "main":
            return
        for line in data.decode().splitlines():
            name, _, value = line.partition("=")
            if name == "READY":
                self.heard_at = time.monotonic()
                self.tell("active")
            elif name == "WATCHDOG":
                self.heard_at = time.monotonic()
            elif name == "STATUS":
                self.status_text = value
            elif name == "STOPPING":
                self.tell("deactivating")

    def start(self) -> None:
        """See that it lives."""
        if not self.wanted:
            self.wanted, self.starts = True, []
            self.tell("activating")
            self.task = asyncio.ensure_future(self.live())

    async def stop(self) -> None:
        """End its main process, and nothing else."""
        self.wanted = False
        self.news.set()
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
        if self.task is not None:
            try:
                await asyncio.wait_for(
                    asyncio.shield(self.task), self.seconds("TimeoutStopSec", 90)
                )
            except TimeoutError:
                os.kill(self.pid, signal.SIGKILL)
                await self.task

    async def settled(self) -> bool:
        """Whether it came up."""
        while self.state in ("activating", "deactivating"):
            await self.news.wait()
        return self.state == "active"

    def shown(self) -> str:
        """As `systemctl show` says it."""
        state = {"auto-restart": "activating"}.get(self.state, self.state)
        killed = self.status < 0
        found = {
            "LoadState": "loaded",
            "ActiveState": state,
            "SubState": "running" if state == "active" else self.state,
            "MainPID": self.pid,
            "Result": self.result,
            "ExecMainCode": 2 if killed else 1,
            "ExecMainStatus": abs(self.status),
            "NRestarts": max(0, len(self.starts) - 1),
            "Restart": self.one("Restart"),
            "StatusText": self.status_text,
        }
        return "".join(f"{name}={value}\n" for name, value in found.items())


class Manager:
    """All units, and whoever asks for them."""

    def __init__(self, home: Path) -> None:
        self.folder = home / ".config/systemd/user"
        self.units: dict[str, Unit] = {}
        self.enabled: set[str] = set()

    async def answer(self, words: list[str]) -> tuple[int, str]:
        """`systemctl --user VERB [UNIT]`: its exit code, and what it prints."""
        verb, *names = [word for word in words if not word.startswith("--")]
        if verb == "show-environment":
            return 0, f"HOME={os.environ['HOME']}\n"
        if verb == "daemon-reload":
            for name, unit in self.units.items():
                if (self.folder / name).exists():
                    unit.settings = read(self.folder / name)
            return 0, ""
        name = names[0]
        if verb == "is-enabled":
            return (0, "enabled\n") if name in self.enabled else (1, "disabled\n")
        if not (self.folder / name).exists():
            if verb == "show":
                return 0, "LoadState=not-found\nMainPID=0\n"
            return 5, f"Unit {name} could not be found.\n"
        unit = self.units.setdefault(name, Unit(name, self.folder / name))
        return await self.order(verb, unit, now="--now" in words)

    async def order(self, verb: str, unit: Unit, *, now: bool) -> tuple[int, str]:
        """One verb about one unit that is there."""
        if verb == "show":
            return 0, unit.shown()
        if verb == "enable":
            self.enabled.add(unit.name)
        elif verb == "disable":
            self.enabled.discard(unit.name)
        waits = verb == "start" and unit.state == "auto-restart"
        if waits or verb in ("stop", "restart") or (verb == "disable" and now):
            await unit.stop()
        if verb in ("start", "restart"):
            unit.start()
            if not await unit.settled():
                return 1, f"Job for {unit.name} failed. See systemctl status.\n"
        return 0, ""

    async def serve(self, at: Path) -> None:
        """Until it is ended; then all that it started is, too."""
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)

        async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            code, text = await self.answer(json.loads(await reader.readline()))
            writer.write(json.dumps([code, text]).encode() + b"\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_unix_server(asked, at):
            await ended.wait()
        for unit in self.units.values():
            await unit.stop()


def ask(words: list[str]) -> tuple[int, str]:
    """What the manager says."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(os.environ["TOY_SYSTEMD"])
        line.sendall(json.dumps(words).encode() + b"\n")
        with line.makefile("rb") as file:
            answer: list[Any] = json.loads(file.readline())
    return int(answer[0]), str(answer[1])


def run_once(words: list[str]) -> int:
    """`systemd-run --user --wait`: with the manager's environment, and what is set for it."""
    env = {key: os.environ[key] for key in CLEAN if key in os.environ}
    folder, command = "/", words[words.index("--") + 1 :]
    for word in words[: words.index("--")]:
        name, _, value = word.partition("=")
        if name == "--setenv":
            key, _, inside = value.partition("=")
            env[key] = inside
        elif name == "--working-directory":
            folder = value
    return subprocess.run(command, env=env, cwd=folder, check=False).returncode


def main() -> int:
    """As whom it was called."""
    name, words = Path(sys.argv[0]).name, sys.argv[1:]
    if name == "systemd-run":
        return run_once(words)
    if name == "loginctl":
        print("Linger=no")  # noqa: T201 - that is its answer
        return 0
    if words[:1] == ["serve"]:
        asyncio.run(Manager(Path(os.environ["HOME"])).serve(Path(os.environ["TOY_SYSTEMD"])))
        return 0
    code, text = ask(words)
    (sys.stdout if code == 0 or "is-enabled" in words else sys.stderr).write(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
