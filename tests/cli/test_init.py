"""`twotier init`: what it finds, what it writes, and that it never touches what is there."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.standin import CANARY, environment
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.local_servers import FakeLmStudio, FakeOllama
from twotier.build.around import KEY_NAMES, Around, first_chat_model, look_around
from twotier.cli import init_probe, run
from twotier.cli.init import init
from twotier.cli.init_choice import (
    Wanted,
    choose,
    found_lines,
    jobs_of,
    mode_of,
    place_of_key,
)
from twotier.cli.init_local import local_of
from twotier.config.job_templates import template_names
from twotier.config.load import load
from twotier.config.starter import STARTER, LocalModel, Mode
from twotier.errors import UsageError
from twotier.models import discover
from twotier.models.discover import Place

LISTED: tuple[str, ...] = ("nomic-embed-text:latest", "qwen3:8b")
EMBEDS: tuple[str, ...] = ("text-embedding-x", "qwen")
SERVER = LocalModel("ollama", "qwen3:8b", "http://127.0.0.1:1/v1", "Found.")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody's: no keys, no models, no other programs; and a machine that may be busy."""
    for name in (*KEY_NAMES, "OPENCLAW_CONFIG_PATH", "OPENCLAW_STATE_DIR", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HF_HUB_CACHE", "HF_HOME", "OLLAMA_MODELS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TWOTIER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(discover, "ANSWER_SECONDS_MAX", 30.0)
    monkeypatch.setattr(init_probe, "SECONDS_MAX", 30.0)
    monkeypatch.setattr(init_probe, "ANTHROPIC", "http://127.0.0.1:9")
    return tmp_path


@pytest.fixture(scope="module")
def ollama() -> Iterator[FakeOllama]:
    """One that lists something to embed with before something to talk to."""
    with FakeOllama() as fake:
        vars(fake)["models"] = LISTED
        yield fake


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one document of `--json`."""
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_the_mode_is_the_one_that_what_was_found_is_enough_for() -> None:
    """Of a server, a model on disk and a key; nothing at all is the starter model's case."""
    found = discover.FoundServer("ollama", "http://127.0.0.1:11434", ("m",), "ollama")
    model = discover.FoundModel("big", Path("/m/big.gguf"), "llama_cpp", 10)
    key: tuple[str, ...] = ("ANTHROPIC_API_KEY",)
    cases: list[tuple[Around, Mode, str]] = [
        (Around((found,), keys=key), Mode.BOTH, "ollama"),
        (Around((found,)), Mode.LOCAL, "ollama"),
        (Around(models=(model,), memory_bytes=100), Mode.LOCAL, "llama_cpp"),
        (Around(keys=key), Mode.FRONTIER, "llama_cpp"),
        (Around(keys=("OPENAI_API_KEY",)), Mode.LOCAL, "llama_cpp"),
    ]
    for around, mode, engine in cases:
        choice = choose(around, Wanted())
        assert (choice.mode, choice.local.engine) == (mode, engine)
        assert choice.because
    assert choose(Around(), Wanted()).local is STARTER
    assert choose(Around(models=(model,), memory_bytes=12), Wanted()).local is STARTER
    assert choose(Around(), Wanted(mode=Mode.NONE)).because == "you asked for it"
    assert choose(Around(), Wanted(local=SERVER)).mode is Mode.LOCAL
    with pytest.raises(UsageError, match="--local goes with"):
        choose(Around(), Wanted(mode=Mode.NONE, local=SERVER))
    with pytest.raises(UsageError, match="--frontier-key goes with"):
        choose(Around(), Wanted(mode=Mode.LOCAL, frontier_key="env:X"))


def test_what_cannot_answer_is_no_local_tier() -> None:
    assert first_chat_model(("nomic-embed-text", "bge-m3", "qwen3:8b")) == "qwen3:8b"
    assert first_chat_model(("text-embedding-3",)) == ""


def test_the_four_modes_are_valid_files_with_their_own_tiers(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is read back, says what it is, and has a job that its tiers can do."""
    for mode, tiers in (
        ("both", {"local", "frontier"}),
        ("local", {"local"}),
        ("frontier", {"frontier"}),
        ("none", set[str]()),
    ):
        path = home / mode / "twotier.toml"
        assert init(path, Wanted(mode=Mode(mode), yes=True, as_json=True), places=()) == 0
        document = told(capsys)
        assert (document["mode"], document["written"]) == (mode, True)
        config = load(path).config
        assert set(config.tiers) == {one["tier"] for one in document["tiers"]} == tiers
        assert mode_of(config) is Mode(mode)
        assert [job.name for job in config.jobs] == ["inbox"]
        assert (config.jobs[0].model == "none") is (mode == "none")
        assert path.read_text().count("#") > 10


def test_servers_are_found_and_a_key_is_tried_for_nothing(
    home: Path,
    ollama: FakeOllama,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first model that can talk becomes the tier; names of keys are told, values never."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    (home / ".openclaw").mkdir()
    (home / ".openclaw" / "openclaw.json").write_text("{}")
    (home / ".claude").mkdir()
    oauth = {"claudeAiOauth": {"accessToken": CANARY, "subscriptionType": "max"}}
    (home / ".claude" / ".credentials.json").write_text(json.dumps(oauth))
    path = home / "twotier.toml"
    places = (Place("ollama", ollama.port, "ollama"), Place("nobody", 9))
    assert init(path, Wanted(yes=True), commands=["import", "connect"], places=places) == 0
    said = capsys.readouterr()
    assert CANARY not in said.out + said.err + path.read_text()
    assert "qwen3:8b" in said.out
    assert "ANTHROPIC_API_KEY, OPENAI_API_KEY (for a tier of your own)" in said.out
    assert "`twotier import openclaw`" in said.out
    assert "`twotier connect claude-code`" in said.out
    assert "/.claude is paid by the token, with a key: ANTHROPIC_API_KEY in the env" in said.out
    assert "mode both: " in said.out
    assert f"tier local     qwen3:8b at http://127.0.0.1:{ollama.port}" in said.out
    assert "tier frontier  http://127.0.0.1:9 cannot be reached now" in said.out
    assert "twotier up" in said.err
    local = load(path).config.tiers["local"]
    assert (local.engine, local.model) == ("ollama", "qwen3:8b")
    assert ollama.bodies == []  # nothing was generated


def test_a_second_run_changes_nothing_and_says_so(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a person wrote stays, byte for byte; what is wanted otherwise is refused."""
    path = home / "twotier.toml"
    assert init(path, Wanted(yes=True), places=()) == 0
    path.write_text(path.read_text() + "\n# my own words\n")
    before, moment = path.read_bytes(), path.stat().st_mtime_ns
    capsys.readouterr()
    for wanted in (Wanted(yes=True), Wanted(mode=Mode.LOCAL), Wanted(local=STARTER)):
        assert init(path, wanted, places=()) == 0
        assert f"{path} is there already (mode local): nothing was changed" in (
            capsys.readouterr().out
        )
    for wanted, because in (
        (Wanted(mode=Mode.NONE), "its mode is local, not none"),
        (Wanted(local=SERVER), "no tier of it is ollama:qwen3:8b"),
        (Wanted(frontier_key="env:X"), "no tier of it has its key at env:X"),
    ):
        assert init(path, wanted, places=()) == 1
        said = capsys.readouterr().err
        assert because in said
        assert f"`mv {path} {path}.old`" in said
    assert init(path, Wanted(mode=Mode.NONE, as_json=True), places=()) == 1
    assert told(capsys)["because"] == "its mode is local, not none"
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, moment)


def test_a_first_job_is_one_that_can_run_there() -> None:
    """No mode is offered what wants a side that it has not; without a model none is offered."""
    local, frontier = jobs_of(Mode.LOCAL), jobs_of(Mode.FRONTIER)
    assert {"mail-check", "comment-check", "blank"} <= set(local)
    assert not {"market-brief", "refactor", "blog-post", "research"} & set(local)
    assert {"market-brief", "comment-check", "blank"} <= set(frontier)
    assert not {"mail-check", "spend-check"} & set(frontier)
    assert set(jobs_of(Mode.BOTH)) == {*local, *frontier} == set(template_names())
    assert jobs_of(Mode.NONE) == []


def test_a_first_job_is_added_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From its template, in a file of its own; a second run leaves it."""
    path = home / "twotier.toml"
    (home / "notes").mkdir()
    wanted = Wanted(mode=Mode.BOTH, job="blog-post", yes=True, as_json=True)
    assert init(path, wanted, places=()) == 0
    job = told(capsys)["job"]
    assert (job["name"], job["written"]) == ("blog-post", True)
    own = (home / "jobs" / "blog-post.toml").read_bytes()
    assert init(path, wanted, places=()) == 0
    assert told(capsys)["job"]["written"] is False
    assert (home / "jobs" / "blog-post.toml").read_bytes() == own
    with pytest.raises(UsageError, match="`twotier job templates`"):
        init(home / "other.toml", Wanted(job="nonsense"), places=())
    assert not (home / "other.toml").exists()


def test_a_key_is_taken_or_refused_and_nothing_is_spent(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the count of a word's tokens, which is free."""
    path = home / "twotier.toml"
    with FakeAnthropic() as fake:
        monkeypatch.setenv("FRONTIER_KEY", fake.key)
        assert init(path, Wanted(frontier_key="env:FRONTIER_KEY", yes=True), places=()) == 0
        text = path.read_text()
        assert "Only the place of its key stands here" in text
        path.write_text(text.replace("[aliases]", f'base_url = "{fake.base_url}"\n[aliases]'))
        (taken,) = init_probe.probe(load(path))
        assert (taken.level, "the key is taken" in taken.text) == ("ok", True)
        monkeypatch.setenv("FRONTIER_KEY", "sk-ant-wrong")
        (refused,) = init_probe.probe(load(path))
        assert (refused.level, "is refused (401)" in refused.text) == ("bad", True)
        monkeypatch.delenv("FRONTIER_KEY")
        (waits,) = init_probe.probe(load(path))
        assert (waits.level, waits.mend) == ("warn", "export FRONTIER_KEY=...")
        assert (len(fake.counted), fake.bodies) == (1, [])


def test_local_names_a_server_or_an_engine(home: Path) -> None:
    """What names nothing says how to name something."""
    assert local_of("starter") is STARTER
    found = local_of("ollama:qwen3:8b")
    assert (found.engine, found.model, found.base_url) == ("ollama", "qwen3:8b", "")
    (home / "m.gguf").write_text("")
    assert local_of(f"llama_cpp:{home}/m.gguf").model == str(home / "m.gguf")
    with FakeLmStudio() as fake:
        vars(fake)["models"] = EMBEDS
        for address in (fake.base_url, f"{fake.base_url}/v1", f"{fake.base_url}/v1/"):
            assert local_of(address).base_url == f"{fake.base_url}/v1"
        assert local_of(fake.base_url).model == "qwen"
        assert local_of(f"{fake.base_url}#other").model == "other"
        gone = fake.base_url
    for text, said in (
        (gone, "lists its models; start it first"),
        ("qwen3", "--local ENGINE:MODEL"),
        ("openai:m", "has no usual address"),
    ):
        with pytest.raises(UsageError, match=said):
            local_of(text)


def test_a_key_in_place_of_its_place_is_refused_and_not_repeated() -> None:
    assert place_of_key("") == ""
    assert place_of_key("file:a.key") == "file:a.key"
    with pytest.raises(UsageError) as refused:
        place_of_key(CANARY)
    assert CANARY not in refused.value.message


def test_a_tier_that_cannot_work_says_why(home: Path, ollama: FakeOllama) -> None:
    """A server that is gone, a model it has not, a file that is not there, a command."""
    path = home / "twotier.toml"
    path.write_text(
        '[tiers.gone]\nengine = "openai"\nmodel = "m"\nbase_url = "http://127.0.0.1:9/v1"\n'
        f'[tiers.other]\nengine = "ollama"\nmodel = "m"\nbase_url = "{ollama.base_url}/v1"\n'
        '[tiers.lost]\nengine = "llama_cpp"\nmodel = "lost.gguf"\n'
        '[tiers.mine]\nengine = "openai"\nmodel = "m"\ncommand = ["serve", "{port}"]\n'
    )
    levels = {one.tier: (one.level, one.text) for one in init_probe.probe(load(path))}
    assert levels["gone"][0] == "warn"
    assert "has no m; it has nomic-embed-text:latest, qwen3:8b" in levels["other"][1]
    assert levels["lost"] == (
        "bad",
        "the model lost.gguf is not on this machine; `twotier models list` shows all",
    )
    assert levels["mine"][0] == "ok"


def test_other_programs_are_found_under_all_their_names(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The importer's and the connector's work begins with a path; commands that there are not are
    not named.
    """

    def seen() -> Around:
        return asyncio.run(look_around(os.environ, home=home, places=()))

    assert (seen().openclaw, seen().claude_code) == (None, None)
    (home / ".clawdbot").mkdir()
    (home / ".clawdbot" / "clawdbot.json").write_text("{}")
    assert seen().openclaw == home / ".clawdbot" / "clawdbot.json"
    (home / "mine.json").write_text("{}")
    monkeypatch.setenv("OPENCLAW_CONFIG_PATH", str(home / "mine.json"))
    assert seen().openclaw == home / "mine.json"
    (home / "c").mkdir()
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home / "c"))
    assert seen().claude_code == home / "c"
    assert "twotier" not in "".join(text for _, text in found_lines(seen()))


@pytest.mark.parametrize("words", ["--mode all", "--local x", "--set x", "--job x"])
def test_wrong_words_are_told_before_anything_is_written(
    home: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with the exit code of usage."""
    path = home / "twotier.toml"
    assert run(["--config", str(path), "init", *words.split()]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not path.exists()


def test_in_a_terminal_it_asks(home: Path) -> None:
    """The mode, until it is one; then for a first job, which Enter declines."""
    path = home / "twotier.toml"
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "twotier.cli", "--config", str(path), "init"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment({"HOME": str(home), "TWOTIER_CACHE": str(home / "cache")}),
    ) as process:
        os.close(theirs)
        seen = answer(ours, "Which mode?", "all")
        seen += answer(ours, "'all' is none of them", "frontier")
        asked = answer(ours, "or Enter for none", "")
        seen += asked
        seen += rest(ours)
        assert process.wait(60) == 0, seen
    assert mode_of(load(path).config) is Mode.FRONTIER
    assert "market-brief" in asked
    assert "mail-check" not in asked, "it runs on this machine alone"
    assert "wrote" in seen
    assert "next:" in seen


def answer(terminal: int, question: str, text: str) -> str:
    """Wait for the question and for what it is answered at, then type."""
    seen = ""
    until = time.monotonic() + 60
    while question not in seen or not seen.rstrip().endswith(("none", "]")):
        assert time.monotonic() < until, seen
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 4096).decode()
    os.write(terminal, f"{text}\n".encode())
    return seen


def rest(terminal: int) -> str:
    """What is printed until the other end is closed."""
    seen = b""
    try:
        while part := os.read(terminal, 4096):
            seen += part
    except OSError:  # how Linux says that
        pass
    return seen.decode()
