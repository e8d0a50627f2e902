"""From a configuration on disk to the tools of a job, with real secrets and real receivers."""

from __future__ import annotations

import asyncio
import email
import socket
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.tools.benches import a_call, used
from tests.toys.receiver import Taker
from twotier.agent.fees import MainFees
from twotier.agent.model import MainClient
from twotier.build.agents import Tooling
from twotier.build.tools import bench_of, hidden, root_of, toolbox, web_of
from twotier.clock import SystemClock
from twotier.config.load import Loaded, load
from twotier.config.tools import ALONE, TARGET_NEEDED, WITH_TARGET, name_problem
from twotier.config.work import JobConfig
from twotier.domain.label import NO_LABELS, Label
from twotier.errors import ConfigError, NotFoundError, ToolError
from twotier.tools.base import Tool
from twotier.tools.kinds import ELSEWHERE, GROUPS, KINDS, labels_shown, make, named
from twotier.tools.mcp import Servers
from twotier.tools.search import Search
from twotier.worker import jobs_of

BRAVE = '[tools.search]\nbackend = "brave"\nkey = "env:NO_KEY_IS_NEEDED_HERE"\n'
JOB = '[[jobs]]\nname = "toy"\nprompt = "Do it."\nevery = "1h"\n'


def loaded_of(folder: Path, job: str, more: str = "") -> Loaded:
    """A configuration in its folder."""
    path = folder / "twotier.toml"
    path.write_text(f"{more}\n{JOB}{job}\n")
    return load(path)


def tools_of(loaded: Loaded) -> dict[str, Tool]:
    return {tool.spec.name: tool for tool in toolbox(loaded, web_of(loaded))("toy")}


def job_of(loaded: Loaded) -> JobConfig:
    return loaded.config.jobs[0]


def test_every_name_of_a_tool_is_known_in_both_places() -> None:
    """The configuration may not import the tools, so the names stand twice."""
    assert {*ALONE, *WITH_TARGET} == {*KINDS, *GROUPS, *ELSEWHERE}
    assert set(WITH_TARGET) - {"mcp"} == {name for name, kind in KINDS.items() if kind.target}
    assert set(TARGET_NEEDED) - {"mcp"} == {name for name, kind in KINDS.items() if kind.needed}


def test_a_job_has_the_tools_it_names(tmp_path: Path) -> None:
    """In their order; a group stands for several, targets come together in one tool."""
    named_by_job = (
        'tools = ["files", "write_file:a/*.md", "fetch", "write_file:b.txt", "git", "delegate"]'
    )
    loaded = loaded_of(tmp_path, named_by_job)
    tools = tools_of(loaded)
    assert list(tools) == [
        *("read_file", "list_files", "search_files"),
        *("write_file", "fetch", "git"),
    ]
    writer = tools["write_file"]
    assert writer.needs({"path": "a/x.md"}) == writer.needs({"path": "b.txt"}) == {Label.PRIVATE}
    root = tmp_path / "jobs-files" / "toy"
    assert root.stat().st_mode & 0o777 == 0o700
    used(writer, {"path": "a/x.md", "text": "hi"})
    assert used(tools["read_file"], {"path": "a/x.md"}).text == "hi"
    assert toolbox(loaded, web_of(loaded))("toy") is not toolbox(loaded, web_of(loaded))("toy")
    with pytest.raises(NotFoundError, match="there is no job 'other'; there are: toy"):
        toolbox(loaded, web_of(loaded))("other")
    with pytest.raises(ToolError, match="there is no tool 'nothing'"):
        make(["nothing"], bench_of(loaded, job_of(loaded), web=web_of(loaded)))


def test_a_job_without_tools_has_no_folder(tmp_path: Path) -> None:
    """Nothing is made that nobody uses."""
    assert tools_of(loaded_of(tmp_path, "")) == {}
    assert not (tmp_path / "jobs-files").exists()


@pytest.mark.parametrize("root", ["..", "link", "../.."])
def test_a_root_that_holds_the_configuration_is_refused(tmp_path: Path, root: str) -> None:
    """By whatever name: the model would read the file that says what it may."""
    home = tmp_path / "deep" / "home"
    home.mkdir(parents=True)
    (home / "link").symlink_to(tmp_path)
    loaded = loaded_of(home, f'root = "{root}"\ntools = ["files"]')
    with pytest.raises(ConfigError, match="name a folder of the job's own"):
        root_of(loaded, job_of(loaded))


def test_state_configuration_and_key_files_are_closed(tmp_path: Path) -> None:
    """Also where a job's folder is the one they lie in by another setting."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "ntfy.txt").write_text("tk_secret")
    more = 'state = "work/state"\n[ntfy]\ntoken = "file:work/ntfy.txt"\n'
    loaded = loaded_of(tmp_path, 'root = "work"\ntools = ["files"]', more)
    loaded.paths.make()
    reader = tools_of(loaded)["read_file"]
    with pytest.raises(ToolError, match="closed to tools"):
        used(reader, {"path": "ntfy.txt"})
    with pytest.raises(ToolError, match="closed to tools"):
        used(reader, {"path": "state/work.db"})


def test_what_the_owner_allows_at_home_is_asked(tmp_path: Path) -> None:
    """`tools.private_ok` and addresses of APIs; the secret lies in a file and fills a header."""
    (tmp_path / "home.key").write_text("s3cret-key\n")
    (tmp_path / "home.key").chmod(0o600)
    with Taker() as there:
        more = (
            f'[tools]\nprivate_ok = ["127.0.0.1"]\n[tools.api.home]\nurl = "{there.url}/api"\n'
            'headers = { X-Key = "{key}" }\nsecrets = { key = "file:home.key" }\n'
        )
        loaded = loaded_of(tmp_path, 'tools = ["fetch", "api:home"]', more)
        tools = tools_of(loaded)
        assert used(tools["fetch"], {"url": f"{there.url}/page"}).text == f"{there.url}/page\n\n"
        assert used(tools["api_home"], {"path": "x"}).text == ""
        assert [path for _, path, _ in there.asked] == ["/page", "/api/x"]
        assert hidden(loaded) == ["s3cret-key"]
        (tmp_path / "home.key").chmod(0o644)
        assert hidden(loaded) == []
        with pytest.raises(ToolError, match="can be read by others"):
            used(tools["api_home"], {"path": "x"})
        (tmp_path / "home.key").unlink()
        with pytest.raises(ToolError, match="a secret is missing; set it"):
            used(tools["api_home"], {"path": "x"})


def test_a_message_goes_to_a_declared_webhook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the key of the call; the address lies in the environment and is told to nobody."""
    with Taker() as there:
        monkeypatch.setenv("HOOK", f"{there.url}/hook/s3cret")
        more = '[tools.send.team]\nto = "webhook:env:HOOK"\ndescription = "the team"\n'
        loaded = loaded_of(tmp_path, 'tools = ["send:team"]', more)
        send = tools_of(loaded)["send"]
        assert "s3cret" not in repr(send.spec)
        assert "team: the team" in send.spec.description
        assert send.spec.repeatable
        result = used(send, {"to": "team", "title": "Hello\nyou", "text": "All is well."})
        assert result.text == "sent to team: 127.0.0.1 answered with status 200"
        ((_, path, body),) = there.asked
        assert path == "/hook/s3cret"
        assert (body["title"], body["text"]) == ("Hello you", "All is well.")
        assert (body["key"], body["job"], body["run"]) == ("r1:tool:1", "toy", "r1")
        assert hidden(loaded) == [f"{there.url}/hook/s3cret"]
        for arguments in ({"to": "team", "text": " "}, {"to": "evil", "text": "x"}):
            with pytest.raises(ToolError):
                used(send, {"title": "t", **arguments})
    with pytest.raises(ToolError, match=r"team: 127\.0\.0\.1 cannot be reached .* was not sent"):
        used(send, {"to": "team", "title": "t", "text": "x"})


def free_port() -> int:
    """A port that nobody listens on; aiosmtpd asks the port it was told, so it cannot be 0."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
    return port


class Box:
    """Takes mail from a real SMTP server, and refuses what is not for it."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_RCPT(self, *heard: Any) -> str:  # noqa: N802 - aiosmtpd's name
        _, _, envelope, address, _ = heard
        if not address.endswith("@example.org"):
            return "550 not here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.content)
        return "250 taken"


def test_a_message_goes_out_by_mail(tmp_path: Path) -> None:
    """Through a real SMTP server, its key as the Message-ID; a refusal is told to the model."""
    box = Box()
    port = free_port()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        more = (
            f'[smtp]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\nsender = "t@x.org"\n'
            '[tools.send.me]\nto = "mail:me@example.org"\n'
            '[tools.send.other]\nto = "mail:me@elsewhere.org"\n'
        )
        send = tools_of(loaded_of(tmp_path, 'tools = ["send"]', more))["send"]
        assert send.spec.parameters["properties"]["to"] == {"enum": ["me", "other"]}
        assert used(send, {"to": "me", "title": "Grüße", "text": "Hi."}).text.endswith("the mail")
        mail = email.message_from_bytes(box.mails[0], policy=default)
        assert (mail["Subject"], mail["To"]) == ("Grüße", "me@example.org")
        assert mail["Message-ID"] == "<r1.tool.1@twotier.invalid>"
        with pytest.raises(ToolError, match=r"refused the address \(code 550\)"):
            used(send, {"to": "other", "title": "t", "text": "x"})
    finally:
        server.stop()


def test_only_a_destination_that_the_job_names_is_declared(tmp_path: Path) -> None:
    """Any other one of the owner's is a way out that has to be asked for."""
    more = '[tools.send.a]\nto = "desktop"\n[tools.send.b]\nto = "ntfy:topic"\n'
    one = tools_of(loaded_of(tmp_path, 'tools = ["send:a"]', more))["send"]
    assert one.needs({"to": "a"}) == NO_LABELS
    assert one.spec.labels == one.needs({"to": "b"}) == {Label.SENDS}
    every = tools_of(loaded_of(tmp_path, 'tools = ["send"]', more))["send"]
    assert every.needs({"to": "a"}) == {Label.SENDS}
    assert not every.spec.repeatable


def test_a_channel_without_its_secret_says_so(tmp_path: Path) -> None:
    """The call fails, with the way to set it; the tool is there."""
    more = (
        '[ntfy]\nurl = "http://127.0.0.1:1"\ntoken = "env:NO_SUCH_TOKEN"\n'
        '[tools.send.a]\nto = "ntfy:topic"\n[tools.send.b]\nto = "apprise:env:NO_SUCH_URL"\n'
    )
    send = tools_of(loaded_of(tmp_path, 'tools = ["send"]', more))["send"]
    for name, variable in (("a", "NO_SUCH_TOKEN"), ("b", "NO_SUCH_URL")):
        with pytest.raises(ToolError, match=f"a secret is missing; set it: `export {variable}"):
            used(send, {"to": name, "title": "t", "text": "x"})


def test_a_search_by_brave_has_the_owners_price(tmp_path: Path) -> None:
    """`unit_prices` wins over the shipped price; SearXNG costs nothing."""
    brave = '[tools.search]\nbackend = "brave"\nkey = "env:BRAVE"\n'
    job = 'tools = ["search"]'
    bench = [
        bench_of(loaded, job_of(loaded), web=web_of(loaded))
        for more in (brave, f'unit_prices = {{ "brave/search" = 0.0030001 }}\n{brave}')
        for loaded in [loaded_of(tmp_path, job, more)]
    ]
    assert [one.search_at().price_microusd for one in bench] == [5_000, 3_001]
    searxng = '[tools.search]\nbackend = "searxng"\nurl = "http://127.0.0.1:1"\n'
    tools = tools_of(loaded_of(tmp_path, job, searxng))
    assert Label.COSTS not in tools["search"].spec.labels


def test_a_program_is_what_the_owner_wrote(tmp_path: Path) -> None:
    """Its words, its limits, its labels."""
    more = (
        '[tools.command.words]\nargv = ["wc", "-w", "{file}"]\nchanges = false\nsandbox = "off"\n'
    )
    tools = tools_of(loaded_of(tmp_path, 'tools = ["command:words"]', more))
    (tmp_path / "jobs-files/toy/a.txt").write_text("one two")
    assert used(tools["run_words"], {"file": "a.txt"}).text == "2 a.txt"
    assert asyncio.run(tools["run_words"].call({"file": "a.txt"}, a_call())).labels == {
        Label.PRIVATE,
        Label.UNTRUSTED,
    }


@pytest.mark.parametrize(
    ("job", "more", "says"),
    [
        ('tools = ["fecth"]', "", "jobs.0.tools: there is no tool 'fecth'; did you mean 'fetch'?"),
        ('tools = ["qqq"]', "", "there is no tool 'qqq'; there are: read_file"),
        ('tools = ["git:x"]', "", "git takes nothing after a colon"),
        ('tools = ["api"]', "", "api needs a name: api:NAME"),
        ('tools = ["send:"]', "", "send needs a name: send:NAME"),
        ('tools = ["search"]', "", "search needs [tools.search]"),
        ('tools = ["send"]', "", "send needs a destination"),
        ('tools = ["mcp:x"]', "", "no [tools.mcp.x]; there are: none"),
        ('tools = ["api:hom"]', '[tools.api.home]\nurl = "http://h"\n', "did you mean 'home'?"),
        (
            'tools = ["mcp:t.close"]',
            '[tools.mcp.t]\ncommand = ["x"]\ntools = ["open"]\n',
            "close is not in tools of [tools.mcp.t]",
        ),
        ("", '[tools.send.a]\nto = "mail:a@b.org"\n', "tools.send.a.to: mail needs a server"),
        ("", '[tools.search]\nbackend = "searxng"\n', "searxng needs url"),
        ("", '[tools.search]\nbackend = "brave"\n', "brave needs key"),
        ("", "[tools]\nprivate_ok = ['h:0']\n", "is no host or host:port"),
        ("", "[tools]\nprivate_ok = ['http://h']\n", "is no host"),
        ("hosts = ['*']", "", "is no host"),
        (
            "",
            '[tools.api.a]\nurl = "http://h"\nheaders = { Authorization = "Bearer abc" }\n',
            "holds a secret: name it in secrets",
        ),
        (
            "",
            '[tools.api.a]\nurl = "http://h"\nheaders = { X-A = "{k}" }\n',
            "names {k}; secrets has: none",
        ),
        ("", '[tools.api.a]\nurl = "http://h"\nheaders = { Host = "x" }\n', "is twotier's own"),
        ("", '[tools.api.a]\nurl = "http://h"\nheaders = { A = "x\\n" }\n', "control characters"),
    ],
)
def test_what_cannot_work_is_said_before_it_runs(
    tmp_path: Path, job: str, more: str, says: str
) -> None:
    """With its place, and the nearest name that would be right."""
    with pytest.raises(ConfigError) as caught:
        loaded_of(tmp_path, job, more)
    assert says in caught.value.message
    assert "abc" not in caught.value.message


def test_places_at_home_are_read_as_they_are_written(tmp_path: Path) -> None:
    """Names in lower case, IPv6 in brackets, with and without a port."""
    more = "[tools]\nprivate_ok = ['NAS.local', 'nas:8080', '::1', '[::1]:80', '10.0.0.1:9']\n"
    loaded = loaded_of(tmp_path, "hosts = ['*.Wiki.test', 'a.test']", more)
    wanted = {"nas.local", "nas:8080", "[::1]", "[::1]:80", "10.0.0.1:9"}
    assert web_of(loaded).private_ok == wanted
    assert job_of(loaded).hosts == ("*.wiki.test", "a.test")


def test_names_are_taken_apart_and_labels_shown() -> None:
    """What is made elsewhere is left out."""
    assert named(["files", "mcp:x", "delegate", "api:a", "api:b"]) == {
        "read_file": [],
        "list_files": [],
        "search_files": [],
        "api": ["a", "b"],
    }
    assert labels_shown(NO_LABELS) == "none"
    assert labels_shown(frozenset({Label.SENDS, Label.PRIVATE})) == "private, sends"
    assert name_problem("mcp:server.tool") == ""


def test_what_a_jobs_search_costs_is_booked(tmp_path: Path) -> None:
    """By main, as for all that costs; without that way a paid search is refused."""
    loaded = loaded_of(tmp_path, 'tools = ["search"]', BRAVE)
    client, clock = MainClient(tmp_path / "main.sock"), SystemClock()
    servers = Servers([], clock=clock)
    tooling = Tooling(lambda: loaded, client, servers=servers, clock=clock)
    (search,) = asyncio.run(tooling.tools(jobs_of(loaded)[0]))
    assert isinstance(search, Search)
    assert search.bench.fees == MainFees(client)
