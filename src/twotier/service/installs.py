"""How this twotier was installed, and so how another version of it comes here, and back. Pure.

Each way has one right command; another one would leave two copies, or an environment that its own
tool no longer understands. Going back is by the list of every package as it was: a package that the
newer version brought along must not stay newer than what was tried.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import unquote, urlsplit

Command = tuple[str, ...]
PACKAGE = "twotier"


@dataclass(frozen=True, slots=True)
class Install:
    """`kind`: `pip`, `uv` (an environment without pip), `pipx`, `uv tool` or `checkout`, whose
    folder `root` is. `python` is the environment's own.
    """

    kind: str
    python: str
    root: str = ""

    def upgrade(self, version: str = "") -> tuple[Command, ...]:
        """What brings the newest version, or this one; of a checkout a tag, branch or commit."""
        exact = f"{PACKAGE}=={version}" if version else PACKAGE
        by_uv = ("uv", "pip", "install", "--python", self.python)
        git = ("git", "-C", self.root)
        newest: dict[str, Command] = {
            "pipx": ("pipx", "upgrade", PACKAGE),
            "uv tool": ("uv", "tool", "upgrade", PACKAGE),
            "checkout": (*git, "pull", "--ff-only"),
            "uv": (*by_uv, "--upgrade", exact),
            "pip": (self.python, "-m", "pip", "install", "--upgrade", exact),
        }
        one = newest | {
            "pipx": ("pipx", "runpip", PACKAGE, "install", exact),
            "uv tool": (*by_uv, exact),
            "checkout": (*git, "checkout", version),
        }
        command = (one if version else newest)[self.kind]
        return (command, self._base) if self.kind == "checkout" else (command,)

    def back(self, frozen: str, *, commit: str = "") -> tuple[Command, ...]:
        """What brings back the packages of this list; of a checkout the commit."""
        match self.kind:
            case "checkout":
                return (("git", "-C", self.root, "checkout", commit), self._base)
            case "pipx":
                return (("pipx", "runpip", PACKAGE, "install", "-r", frozen),)
            case "uv tool" | "uv":
                return (("uv", "pip", "install", "--python", self.python, "-r", frozen),)
        return ((self.python, "-m", "pip", "install", "-r", frozen),)

    @property
    def _base(self) -> Command:
        return ("make", "-C", self.root, "base")


def install_of(python: str, *, beside: frozenset[str], origin: str, has_pip: bool) -> Install:
    """From the names of the files in the environment's folder, and the text of the package's own
    `direct_url.json`, empty where it has none.
    """
    if "pipx_metadata.json" in beside:
        return Install("pipx", python)
    if "uv-receipt.toml" in beside:
        return Install("uv tool", python)
    if root := edited_in(origin):
        return Install("checkout", python, root)
    return Install("pip" if has_pip else "uv", python)


def edited_in(origin: str) -> str:
    """The folder of a package that is installed in place; empty for others."""
    if not origin:
        return ""
    found = json.loads(origin)
    if not found.get("dir_info", {}).get("editable"):
        return ""
    return str(PurePath(unquote(urlsplit(found["url"]).path)))
