"""The key of a client that `twotier connect` makes, keeps in a file of its own, and ends."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from twotier.cli.key import take_in
from twotier.clock import SystemClock
from twotier.config.paths import make_private, paths_of
from twotier.config.secrets import from_file
from twotier.config.write import put_file
from twotier.connect.files import Keeping
from twotier.errors import NotFoundError
from twotier.keys import TAKEN, ClientKey, KeyFile, digest, new_key


class Keys:
    """One client's. A key counts only while its digest is among the gateway's keys: it may have
    been ended by hand.
    """

    def __init__(self, config: Path, keeping: Keeping, *, name: str) -> None:
        self._config = config
        self._client = name
        self._path = keeping.key_file(name)
        self._file = KeyFile(paths_of(config).key_file)

    def kept(self) -> str:
        """The key that was made before, empty where there is none that is good."""
        key = from_file(self._path)
        return key if key and self._named(key) else ""

    def name_now(self) -> str:
        """What it is called among the gateway's keys."""
        return self._named(from_file(self._path) or "")

    def made(self) -> str:
        """The key; made where there is none. A main that runs knows it when this returns."""
        if key := self.kept():
            return key
        key, known = new_key(), self._file.read()
        names = (self._client, *(f"{self._client}-{n}" for n in range(2, 1_002)))
        name = next(one for one in names if one not in known and one not in TAKEN)
        make_private(self._path.parent)
        put_file(self._path, f"{key}\n".encode())
        now = SystemClock().now()
        self._file.add(ClientKey(name=name, digest=digest(key).hex(), created=now))
        take_in(self._config)
        return key

    def end(self, name: str) -> None:
        """Forget a key, if it is still there."""
        with suppress(NotFoundError):
            self._file.remove(name)
            take_in(self._config)
        self._path.unlink(missing_ok=True)

    def _named(self, key: str) -> str:
        kept = digest(key).hex()
        return next((one.name for one in self._file.read().values() if one.digest == kept), "")
