"""`twotier service` on a Mac that is played, and what is the same everywhere: keys, texts, rights.

launchd cannot run here. It is played as it is documented and as others saw it: `bootout` answers
before the job has gone, `print` says 113 where there is none.
"""

from __future__ import annotations

import json
import os
import plistlib
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from twotier.cli import service, service_check, service_status
from twotier.cli.service import Wanted, install, uninstall
from twotier.cli.service_check import written
from twotier.cli.service_keys import moved
from twotier.cli.service_place import Here, Service, every_place
from twotier.cli.service_status import findings, status
from twotier.config.load import Loaded, load
from twotier.config.paths import paths_of
from twotier.config.secrets import resolve
from twotier.errors import ConfigError, NotRunningError, ServiceError, UsageError
from twotier.service.launchd import NOT_LOADED
from twotier.supervisor.owner import Said

CANARY = "canary-5d1c-not-to-be-seen"
CONFIG = """\
# mine
[tiers.local]
engine = "openai"
model = "m"
base_url = "http://127.0.0.1:9/v1"
[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
base_url = "http://127.0.0.1:9"
[ntfy]
token = 'env:X_TOKEN'
[[jobs]]
name = "notes"
prompt = "p"
watch = { kind = "files", path = "notes" }
every = "1h"
deliver = "file:out/{stem}.txt"
"""


@dataclass
class Launchd:
    """A Mac's, with one domain. What `bootstrap` is given is read as launchd would; a job that runs
    once is run at once. `slow` questions after a `bootout` still find it.
    """

    slow: int = 2
    loaded: dict[str, Path] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    leaving: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    pid: int = 4242

    def __call__(self, argv: Sequence[str]) -> Said:
        self.asked.append(tuple(argv))
        name = argv[-1].rpartition("/")[2]
        match argv[1]:
            case "print":
                if self.leaving.get(name, 0) > 0:
                    self.leaving[name] -= 1
                elif name in self.leaving:
                    del self.leaving[name]
                    self.loaded.pop(name, None)
                if name not in self.loaded:
                    return Said(NOT_LOADED, err="Could not find service")
                return Said(0, f"x = {{\n\tstate = running\n\tpid = {self.pid}\n}}\n")
            case "print-disabled":
                lines = "".join(f'\t"{one}" => disabled\n' for one in self.disabled)
                return Said(0, f"disabled services = {{\n{lines}}}\n")
            case "bootout":
                if name in self.loaded:
                    self.leaving[name] = self.slow
                return Said(0)
            case "bootstrap":
                return self.begin(Path(argv[-1]))
        return Said(0)

    def begin(self, file: Path) -> Said:
        """A job is loaded; one that reports is run."""
        job = plistlib.loads(file.read_bytes())
        if job["Label"] in self.loaded:
            return Said(5, err="Bootstrap failed: 5: Input/output error")
        self.loaded[job["Label"]] = file
        words = job["ProgramArguments"]
        if "--report" in words:
            config = Path(words[words.index("--config") + 1])
            written(config, Path(words[words.index("--report") + 1]))
        return Said(0)


@dataclass
class Mac:
    """A configuration on it."""

    config: Path
    launchd: Launchd
    here: Here

    @property
    def file(self) -> Path:
        """The agent's."""
        return self.here.home / "Library/LaunchAgents/twotier.plist"

    def loaded(self) -> Loaded:
        """The configuration as it is now."""
        return load(self.config)


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mac:
    """One where nothing is installed; main answers with the pid that launchd tells."""
    for name in ("TWOTIER_CACHE", "HF_HUB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
    monkeypatch.delenv("X_TOKEN", raising=False)
    config = tmp_path / "twotier.toml"
    config.write_text(CONFIG)
    launchd = Launchd()
    here = Here(mac=True, uid=501, user="ann", home=tmp_path / "home", daemons=tmp_path / "d")
    here = replace(here, ask=launchd, do=launchd)
    return Mac(config, launchd, here)


class Answer(BaseHTTPRequestHandler):
    """Main's, as far as its pid."""

    def do_GET(self) -> None:
        body = b'{"pid": 4242}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def answers(mac: Mac) -> Iterator[Mac]:
    """A Mac where what was started answers."""
    paths = paths_of(mac.config)
    paths.make()
    with ThreadingUnixStreamServer(str(paths.main_socket), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield mac
        server.shutdown()
        thread.join()


def test_an_agent_is_installed_once_and_taken_away(
    answers: Mac, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its file is as documented, without a secret; a second time nothing is done; a changed one is
    let go before it is loaded again, however slowly; uninstalled, the settings stay.
    """
    mac = answers
    assert install(mac.config, Wanted(), as_json=False, here=mac.here) == 0
    said = capsys.readouterr()
    found = plistlib.loads(mac.file.read_bytes())
    assert found["KeepAlive"] == {"SuccessfulExit": False}
    assert found["ProgramArguments"][-2:] == ["--config", str(mac.config)]
    assert CANARY not in mac.file.read_text() + said.out + said.err
    assert "it has no X_TOKEN, ANTHROPIC_API_KEY" in said.err
    assert "notes folder" in said.err  # seen by the one-shot job
    assert "macOS may ask now" in said.err
    assert ("launchctl", "bootstrap", "gui/501", str(mac.file)) in mac.launchd.asked

    mac.launchd.asked.clear()
    install(mac.config, Wanted(check=False), as_json=True, here=mac.here)
    assert json.loads(capsys.readouterr().out)["changed"] is False
    assert {argv[1] for argv in mac.launchd.asked} == {"print", "print-disabled"}

    mac.file.write_text(mac.file.read_text().replace("<integer>120", "<integer>5"))
    status(mac.config, name="twotier", as_json=False, here=mac.here)
    assert "-\t<integer>5</integer>" in capsys.readouterr().out
    install(mac.config, Wanted(check=False), as_json=False, here=mac.here)
    assert plistlib.loads(mac.file.read_bytes())["ExitTimeOut"] == 120
    capsys.readouterr()

    status(mac.config, name="twotier", as_json=True, here=mac.here)
    told = json.loads(capsys.readouterr().out)
    assert (told["manager"], told["running"], told["pid"]) == ("launchd", True, 4242)
    assert (told["starts_at"], told["linger"], told["different"]) == ("login", None, [])

    uninstall(mac.config, name="twotier", as_json=False, here=mac.here)
    assert not mac.file.exists()
    assert mac.launchd.loaded == {"twotier-check": mac.launchd.loaded["twotier-check"]}
    assert str(mac.config) in capsys.readouterr().err
    with pytest.raises(UsageError, match="there is no"):
        uninstall(mac.config, name="twotier", as_json=False, here=mac.here)
    with pytest.raises(NotRunningError, match="twotier service install"):
        status(mac.config, name="twotier", as_json=False, here=mac.here)


def test_a_daemon_is_written_down_and_left_to_root(
    mac: Mac, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands are printed and none is run; where it is one already, it leaves first."""
    install(mac.config, Wanted(daemon=True), as_json=False, here=mac.here)
    out = capsys.readouterr().out.splitlines()
    staged = paths_of(mac.config).state / "service/twotier.plist"
    target = mac.here.daemons / "twotier.plist"
    assert out == [
        f"sudo install -o root -g wheel -m 644 {staged} {target}",
        f"sudo launchctl bootstrap system {target}",
    ]
    assert plistlib.loads(staged.read_bytes())["UserName"] == "ann"
    assert mac.launchd.asked == []
    mac.here.daemons.mkdir()
    target.write_bytes(staged.read_bytes())
    install(mac.config, Wanted(daemon=True), as_json=True, here=mac.here)
    first = json.loads(capsys.readouterr().out)["commands"][0]
    assert first == "sudo launchctl bootout system/twotier"
    status(mac.config, name="twotier", as_json=True, here=mac.here)
    assert json.loads(capsys.readouterr().out)["starts_at"] == "boot"
    uninstall(mac.config, name="twotier", as_json=False, here=mac.here)
    assert capsys.readouterr().out.splitlines()[-1] == f"sudo rm {target}"


def test_launchd_says_no(mac: Mac, capsys: pytest.CaptureFixture[str]) -> None:
    """What it said is what a person reads, with the command; a look it refuses is a finding."""

    def refuses(argv: Sequence[str]) -> Said:
        if argv[1] == "bootstrap":
            return Said(125, err="Bootstrap failed: 125: Domain does not support specified action")
        return mac.launchd(argv)

    here = replace(mac.here, ask=refuses, do=refuses)
    with pytest.raises(ServiceError, match=r"launchctl bootstrap gui/501.*125"):
        install(mac.config, Wanted(), as_json=False, here=here)
    assert service_check.check(mac.config, name="twotier", as_json=False, here=here) == 0
    said = capsys.readouterr().out
    assert "nobody could look with the service's rights: Bootstrap failed" in said


def test_one_that_ends_again_is_told(mac: Mac) -> None:
    """It is not waited for until the patience is over."""
    ended = "x = {\n\tstate = not running\n\tlast exit code = 2\n}\n"
    here = replace(mac.here, ask=lambda _: Said(0, ended))
    with pytest.raises(ServiceError, match=r"exit code 2.*tail -n 40"):
        service.answering(Service(mac.loaded(), here))


def test_secrets_of_a_terminal_move_into_files(
    mac: Mac, capsys: pytest.CaptureFixture[str]
) -> None:
    """For their owner alone; the configuration names the place, keeps its comments, and is valid.
    What is not set is said. Another secret in the way is not lost.
    """
    (mac.config.parent / "jobs").mkdir()
    job = mac.config.parent / "jobs/b.toml"
    job.write_text('prompt = "p"\nwebhook = true\nwebhook_secret = "env:ANTHROPIC_API_KEY"\n')
    assert moved(mac.loaded(), to="file") == ["file:secrets/anthropic-api-key.key"]
    said = capsys.readouterr().err
    assert "X_TOKEN is not set here" in said
    assert CANARY not in said
    file = mac.config.parent / "secrets/anthropic-api-key.key"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (f"{CANARY}\n", 0o600)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert mac.config.read_text().startswith("# mine\n")
    assert 'webhook_secret = "file:secrets/anthropic-api-key.key"' in job.read_text()
    loaded = mac.loaded()
    assert loaded.config.tiers["frontier"].key == "file:secrets/anthropic-api-key.key"
    assert set(every_place(loaded)) == {"env:X_TOKEN", "file:secrets/anthropic-api-key.key"}
    assert moved(loaded, to="file") == []
    mac.config.write_text(CONFIG)
    file.write_text("another")
    with pytest.raises(ConfigError, match="holds another secret"):
        moved(mac.loaded(), to="file")
    assert mac.config.read_text() == CONFIG
    with pytest.raises(UsageError, match="keyring"):
        moved(mac.loaded(), to="drawer")


KEYRING = """\
import json, pathlib
FILE = pathlib.Path(__file__).with_name("kept.json")
def kept():
    return json.loads(FILE.read_text()) if FILE.exists() else {}
def get_password(service, user):
    return kept().get(f"{service}/{user}")
def set_password(service, user, secret):
    if (FILE.parent / "locked").exists():
        from keyring.errors import KeyringError
        raise KeyringError("locked")
    if not (FILE.parent / "forgets").exists():
        FILE.write_text(json.dumps(kept() | {f"{service}/{user}": secret}))
"""


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of that name, with the three functions that are used; the extra is not here."""
    folder = tmp_path / "site" / "keyring"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(KEYRING)
    (folder / "errors.py").write_text("class KeyringError(Exception):\n    pass\n")
    before = {name: sys.modules.pop(name, None) for name in ("keyring", "keyring.errors")}
    monkeypatch.syspath_prepend(str(folder.parent))
    yield folder
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


def test_secrets_of_a_terminal_move_into_the_keyring(mac: Mac, keyring: Path) -> None:
    """It is asked whether it gives back what it got, before the configuration names it."""
    assert moved(mac.loaded(), to="keyring") == ["keyring:ANTHROPIC_API_KEY"]
    assert mac.loaded().config.tiers["frontier"].key == "keyring:ANTHROPIC_API_KEY"
    assert resolve("keyring:ANTHROPIC_API_KEY", home=keyring) == CANARY
    for trouble, words in (("locked", "cannot be used"), ("forgets", "does not give back")):
        (keyring / "kept.json").unlink(missing_ok=True)
        (keyring / trouble).touch()
        mac.config.write_text(CONFIG)
        with pytest.raises(ConfigError, match=words):
            moved(mac.loaded(), to="keyring")
        (keyring / trouble).unlink()
        assert mac.config.read_text() == CONFIG


def test_what_a_service_cannot_reach_is_found(
    mac: Mac, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders, keys, addresses: the report is for its owner alone, and holds no secret."""
    assert written(mac.config, tmp_path / "r.json") == 0
    text = (tmp_path / "r.json").read_text()
    assert (tmp_path / "r.json").stat().st_mode & 0o777 == 0o600
    assert CANARY not in text
    found = {one["name"]: one for one in json.loads(text)["findings"]}
    assert found["state"]["level"] == "bad"  # nobody has made it yet
    assert found["notes folder"]["mend"] == f"mkdir -p {tmp_path / 'notes'}"
    assert found["key env:X_TOKEN"]["level"] == "warn"
    assert found["key env:ANTHROPIC_API_KEY"]["level"] == "ok"
    assert found["frontier address"]["level"] == "warn"
    paths_of(mac.config).make()
    (tmp_path / "notes").mkdir()
    assert service_check.check(mac.config, name="twotier", as_json=True, here=mac.here) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["findings"]}
    assert (found["state"]["level"], found["notes folder"]["level"]) == ("ok", "ok")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_must_not_be_read_is_bad(tmp_path: Path) -> None:
    """As macOS says it of a folder nobody has allowed."""
    tmp_path.chmod(0)
    try:
        assert service_check.readable(tmp_path, "notes").level == "bad"
    finally:
        tmp_path.chmod(0o700)


def test_a_refusal_says_how_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a Mac in its settings, elsewhere by the folder's rights."""
    no = PermissionError(1, "Operation not permitted")
    assert service_check.refused(Path("/n"), "notes", error=no).mend == "ls -ld /n"
    monkeypatch.setattr("sys.platform", "darwin")
    assert "Files and Folders" in service_check.refused(Path("/n"), "notes", error=no).mend


def test_doctor_finds_what_is_wrong_with_it(answers: Mac) -> None:
    """Not there is no fault; keys of a terminal, another file, a job that is switched off are."""
    mac = answers
    assert [one.text for one in findings(mac.loaded(), None, here=mac.here)] == [
        "not installed: nothing starts it after a reboot"
    ]
    install(mac.config, Wanted(check=False), as_json=True, here=mac.here)
    mac.file.write_text(mac.file.read_text().replace("<integer>30", "<integer>10"))
    mac.launchd.disabled.add("twotier")
    found = {one.name: one for one in findings(mac.loaded(), None, here=mac.here)}
    assert set(found) == {"service keys", "service file", "service"}
    assert {one.level for one in found.values()} == {"warn"}
    assert found["service"].text == "does not start by itself"
    other = mac.config.with_name("other.toml")
    other.write_text(CONFIG)
    assert [one.level for one in findings(load(other), None, here=mac.here)] == ["ok"]


def test_one_that_does_not_run_says_so(answers: Mac, capsys: pytest.CaptureFixture[str]) -> None:
    """With what launchd knows of its end."""
    mac = answers
    install(mac.config, Wanted(check=False), as_json=True, here=mac.here)
    capsys.readouterr()
    mac.launchd.loaded.clear()
    status(mac.config, name="twotier", as_json=False, here=mac.here)
    out = capsys.readouterr().out
    assert "twotier of launchd: not running" in out
    assert "last end" in out
    assert service_status.since(None) is None
    assert service_status.since(2**22 + 1) is None
    assert service_status.since(os.getpid()) is not None
