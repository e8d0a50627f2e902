"""Every command, run as a real process against a main and a worker that answer."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

from tests.cli.standin import CANARY, RUN, STATUS, Done, standin, twotier
from twotier.cli import run as in_process
from twotier.cli.commands import app
from twotier.cli.rights import Policy
from twotier.domain.tier import TierPolicy

EVERY_COMMAND = [
    "init",
    "up", "down", "status", "dashboard", "ask",
    "route", "job", "job list", "job show", "job run", "runs",
    "runs mark", "record", "record forget",
    "approve", "approve list", "approve yes", "approve no", "backup", "restore",
    "security", "security audit",
    "spend", "spend confirm", "spend export", "spend import", "spend reconcile", "savings",
    "replay", "rules", "rules tune",
    "prices", "prices set", "prices show", "prices update",
    "models", "models list", "models fit", "models pull", "models use", "models rm",
    "models probe", "models speed", "doctor", "completion", "config", "config check",
    "engine", "engine start", "engine stop", "engine restart", "engine why", "engine logs",
    "engine upgrade", "engine rollback", "engine take-over",
    "config show", "config path", "config schema", "key", "key add", "key list", "key set",
    "key remove", "key show", "key path", "budget", "budget list",
    "budget settle-clock", "notify", "notify add", "notify list", "notify remove",
    "notify test", "spend check", "forget", "mcp-servers", "mcp-servers list", "mcp-servers test",
    "tools", "tools list", "tools test", "mcp", "chat", "chat list", "chat show", "chat forget",
    "job add", "job cancel", "job fork", "job pause", "job reload", "job resume",
    "job resume-run", "job templates", "job diff", "job revert", "job set", "job shadow",
    "job suggest", "job test", "job trials", "models try",
    "connect",
    "import", "import openclaw",
    "demo",
    "watch", "watch list", "watch peek", "watch reset", "watch test",
    "service", "service install", "service uninstall", "service status", "service check",
    "service upgrade", "service rollback",
]  # fmt: skip
WITH_JSON = [
    "status", "ask Hello", "route Hello", "job list", "job show inbox", "job run inbox", "runs",
    "runs r1", "spend", "models list", "doctor", "config check", "config show", "config path",
    "key path", "key list", "key add phone", "key set default --policy local-only",
    "config schema",
]  # fmt: skip


def run(tmp_path: Path, *words: str) -> Done:
    """One command against both stand-ins."""

    async def scenario() -> Done:
        async with standin(tmp_path) as stand:
            return await twotier("--config", str(stand.config), *words)

    return asyncio.run(scenario())


def every(group: App, above: str = "") -> Iterator[str]:
    """The commands there are, by their words."""
    for name in group:
        if not name.startswith("-"):
            yield f"{above}{name}"
            yield from every(group[name], f"{above}{name} ")


def test_every_command_explains_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`twotier X --help` says what X does; the list of commands is the one here. All in one
    process: a hundred of them take minutes.
    """
    monkeypatch.setenv("COLUMNS", "100")
    assert sorted(every(app)) == sorted(EVERY_COMMAND)
    for name in EVERY_COMMAND:
        assert in_process([*name.split(), "--help"]) == 0, name
        out = capsys.readouterr().out
        assert f"Usage: twotier {name}" in out
        assert len(out.splitlines()[2]) > 10, f"{name} does not say what it does"


def test_the_whole_explains_itself() -> None:
    """A real process, as a person types it."""
    whole = asyncio.run(twotier("--help"))
    assert whole.code == 0
    assert "--config PATH" in whole.out
    assert "3 not running" in " ".join(whole.out.split())


@pytest.mark.parametrize("words", WITH_JSON)
def test_json_is_one_document_with_a_version(tmp_path: Path, words: str) -> None:
    """Whatever the command: stdout is a document that a script can parse, and nothing else."""
    done = run(tmp_path, *words.split(), "--json")
    assert done.document.get("schema_version", words == "config schema") == 1
    assert done.code == 0, done.err


def test_the_words_of_a_policy_are_those_of_the_domain() -> None:
    """They are written twice so that parsing loads nothing; this holds them together."""
    assert set(typing.get_args(Policy)) == {policy.value for policy in TierPolicy}


def test_status_says_what_runs_and_why_not(tmp_path: Path) -> None:
    """Tiers, worker, money, with the reason of a tier that cannot be asked."""
    done = run(tmp_path, "status")
    assert done.code == 0
    assert "http://127.0.0.1:8484" in done.out
    assert "pid 4243 at http://127.0.0.1:40001" in done.out
    assert "it waits for its key: export ANTHROPIC_API_KEY=..." in done.out
    assert "worker    ready" in done.out
    assert "today $1.2345" in done.out
    assert "alert $15.00; starts anew 2026-02-04 00:00:00" in done.out
    assert run(tmp_path, "status", "--json").document == STATUS


def test_route_explains_without_asking(tmp_path: Path) -> None:
    """The order goes to main; a refusal has the refused request's exit code."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            words = ("--config", str(stand.config), "route", "check mail", "--kind", "polling")
            done = await twotier(*words, "--policy", "local-only")
            assert done.code == 0
            assert done.out.startswith("local, else frontier: rule polling, at most $0.012")
            assert "polling costs nothing locally" in done.out
            assert stand.asked[-1][3] == {
                "prompt": "check mail",
                "model": "",
                "policy": "local-only",
                "kind": "polling",
            }
            assert not [path for _, path, _, _ in stand.asked if path.startswith("/v1")]

    asyncio.run(scenario())


def test_jobs_and_runs_are_shown(tmp_path: Path) -> None:
    """A table for people; a run by hand is waited for, and its answers are shown."""
    listed = run(tmp_path, "job", "list")
    assert "every 10s" in listed.out
    assert "done 2026-02-03 07:12" in listed.out
    assert "Summarise" in run(tmp_path, "job", "show", "inbox").out
    ran = run(tmp_path, "job", "run", "inbox")
    assert ran.code == 0
    assert "run r1 of inbox has begun" in ran.err
    assert "note.txt -> outbox/note.txt (sent)\none\ntwo\nthree" in ran.out
    latest = run(tmp_path, "runs", "--job", "inbox", "--limit", "5")
    assert latest.out.splitlines()[0].split()[:4] == ["RUN", "JOB", "SLOT", "STATE"]
    assert "1 delivered" in run(tmp_path, "runs", "r1").out


def test_slots_that_say_the_same_are_one_line(tmp_path: Path) -> None:
    """For people; `--all` and JSON have each."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            fold = {**RUN, "state": "quiet", "because": "nothing new", "slots": 57}
            fold["since"] = "2026-02-03T06:00:00+00:00"
            stand.answers["GET /runs"] = (200, {"runs": [fold]})
            command = ("--config", str(stand.config), "runs")
            told = [await twotier(*command, *more) for more in ((), ("--all",), ("--json",))]
            assert "57 slots since 2026-02-03 " in told[0].out
            asked = [query for _, path, query, _ in stand.asked if path == "/runs"]
            assert [query.get("fold") for query in asked] == ["1", None, None]

    asyncio.run(scenario())


def test_a_failed_run_fails_the_command(tmp_path: Path) -> None:
    """So that `twotier job run X && ...` means what it says."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            run = stand.usual("GET", "/runs/r1")
            assert run is not None
            failed = {**run, "state": "failed", "because": "the answer had 2 lines, not 3"}
            stand.answers["GET /runs/r1"] = (200, failed)
            done = await twotier("--config", str(stand.config), "job", "run", "inbox")
            assert done.code == 1
            assert "the answer had 2 lines, not 3" in done.out

    asyncio.run(scenario())


def test_spend_asks_for_whole_local_days(tmp_path: Path) -> None:
    """Today begins at midnight here; three days are today and the two before."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            words = ("--config", str(stand.config), "spend")
            env = {"TZ": "America/Los_Angeles"}
            done = await twotier(*words, "--by", "model", env=env)
            query = stand.asked[-1][2]
            assert query["by"] == "model"
            assert "T00:00:00-0" in query["since"]
            assert query["until"] > query["since"]
            assert "0.001375" in done.out
            assert "1 estimated" in done.out
            await twotier(*words, "--month", env=env)
            assert "-01T00:00:00-0" in stand.asked[-1][2]["since"]
            await twotier(*words, "--days", "3", env=env)
            assert stand.asked[-1][2]["since"] < query["since"]
            both = await twotier(*words, "--days", "3", "--month")
            assert both.code == 2
            assert stand.asked[-1][2]["zone"] == "America/Los_Angeles"
            await twotier(*words, "--since", "2026-03-07", "--until", "2026-03-08", env=env)
            asked = stand.asked[-1][2]
            assert asked["since"] == "2026-03-07T00:00:00-08:00"
            assert asked["until"] == "2026-03-09T00:00:00-07:00"  # the clocks change that night
            written = await twotier(*words, "--by", "key", "--csv", env=env)
            assert written.out.splitlines()[0].startswith("key,requests,")
            odd = await twotier(*words, "--since", "yesterday")
            assert (odd.code, "YYYY-MM-DD" in odd.err) == (2, True)

    asyncio.run(scenario())


@pytest.mark.slow
def test_the_token_is_printed_by_key_show_alone(tmp_path: Path) -> None:
    """`key path`, `status`, `config show` and `doctor` never show it; `key show` does."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            token = tmp_path / ".twotier" / "client.key"
            token.write_text(f"{CANARY}\n")
            token.chmod(0o600)
            at = ("--config", str(stand.config))
            assert (await twotier(*at, "key", "show")).out == f"{CANARY}\n"
            assert (await twotier(*at, "key", "show", "--json")).document["key"] == CANARY
            for words in ("key path", "status", "config show", "doctor", "doctor --json"):
                done = await twotier(*at, *words.split())
                assert CANARY not in done.out + done.err
            assert (await twotier(*at, "key", "path")).out == f"{token}\n"

    asyncio.run(scenario())


def test_no_address_of_a_configuration_shows_its_secret(tmp_path: Path) -> None:
    """Wherever one may stand; a prompt is shown as it was written."""
    (tmp_path / "twotier.toml").write_text(
        f'[alerts]\nto = "webhook:https://me:{CANARY}@host/x?token={CANARY}"\n'
        f'[telemetry]\notlp_endpoint = "http://me:{CANARY}@127.0.0.1:4318"\n'
        '[[jobs]]\nname = "x"\nevery = "1h"\nprompt = "read http://a/?b=c"\n'
    )
    for more in ((), ("--json",)):
        done = run(tmp_path, "config", "show", *more)
        assert done.code == 0
        assert CANARY not in done.out
        assert "webhook:https://host/***" in done.out
        assert "read http://a/?b=c" in done.out


def test_a_token_that_is_not_there_says_what_makes_it(tmp_path: Path) -> None:
    """Before the first start."""
    done = run(tmp_path, "key", "show")
    assert done.code == 1
    assert "`twotier up` makes it" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("spend", "--days", "-3"), "between 1 and"),
        (("spend", "--days", "0"), "between 1 and"),
        (("spend", "--days", "800000"), "between 1 and"),
        (("route", "x", "--kind", "nonsense"), "polling"),
        (("runs", "--limit", "-5"), "between 1 and 1000"),
        (("runs", "--limit", "0"), "between 1 and 1000"),
        (("runs", "--limit", "2000"), "between 1 and 1000"),
        (("ask", ""), "no question"),
        (("ask", " \n"), "no question"),
        (("ask", "--help me"), "twotier ask -- '--help me'"),
        (("ask", "\udcff"), "not UTF-8"),
        (("job", "show", "\udcff"), "not UTF-8"),
    ],
)
def test_wrong_words_are_exit_code_2_and_ask_nobody(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    """In one line, before main or worker hear of it."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            done = await twotier("--config", str(stand.config), *words)
            assert (done.code, done.out) == (2, "")
            assert said in done.err
            assert len(done.err.splitlines()) == 1
            assert stand.asked == []

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["", "../x", "a/b"])
def test_a_job_that_there_is_not_lists_those_there_are(tmp_path: Path, name: str) -> None:
    """Whatever was typed; a name with `/` must not become another path of the worker."""
    done = run(tmp_path, "job", "show", name)
    assert done.code == 1
    said = f"twotier: there is no job {name!r}; there are: inbox; see `twotier job list`\n"
    assert done.err == said


def test_models_are_listed_with_what_they_are_and_can(tmp_path: Path) -> None:
    """A tier's ref and state stand beside each name that means it, aliases too."""
    (tmp_path / "twotier.toml").write_text('[aliases]\nx = "anthropic/claude-opus-4-6"\n')

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            data = [{"id": name} for name in ("auto", "local", "x")]
            stand.answers["GET /v1/models"] = (200, {"data": data})
            done = await twotier("--config", str(stand.config), "models", "list")
            assert [line.split() for line in done.out.splitlines()] == [
                ["auto", "the", "router", "decides"],
                ["local", "llama-local/smollm2-135m-instruct", "ready"],
                ["x", "anthropic/claude-opus-4-6", "no-key"],
            ]

    asyncio.run(scenario())


def test_no_address_is_shown_with_its_secrets(tmp_path: Path) -> None:
    """Neither from the file nor from main, neither to people nor to scripts."""
    (tmp_path / "twotier.toml").write_text(
        f'[ntfy]\nurl = "https://me:{CANARY}@ntfy.example"\n'
        f'[tiers.a]\nengine = "openai"\nmodel = "m"\nbase_url = "http://h/?key={CANARY}"\n'
        '[[jobs]]\nname = "a"\nevery = "1h"\nprompt = "read https://x/?q=1"\n'
        f'deliver = "webhook:https://h/x?token={CANARY}"\n'
    )

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            tier = {**STATUS["tiers"][0], "address": f"http://me:{CANARY}@h"}
            stand.answers["GET /control/status"] = (200, {**STATUS, "tiers": [tier]})
            for words in ("config show", "config show --json", "status", "status --json"):
                done = await twotier("--config", str(stand.config), *words.split())
                assert done.code == 0
                assert CANARY not in done.out + done.err
            done = await twotier("--config", str(stand.config), "config", "show")
            assert '"webhook:https://h/***"' in done.out
            assert '"https://me:***@ntfy.example"' in done.out
            assert "read https://x/?q=1" in done.out

    asyncio.run(scenario())


def test_a_worker_that_is_not_there_yet_is_not_a_program_that_is_down(tmp_path: Path) -> None:
    """With main running the way on is `status`, not `up`."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            (tmp_path / ".twotier" / "worker.sock").unlink()
            done = await twotier("--config", str(stand.config), "job", "list")
            assert done.code == 3
            said = "the worker does not answer yet; `twotier status` says why"
            assert done.err == f"twotier: {said}\n"

    asyncio.run(scenario())
