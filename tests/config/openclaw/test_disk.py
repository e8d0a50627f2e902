"""OpenClaw's folder as it lies on a disk: found, read, and never believed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.config.openclaw.planning import ARTICLE, MADE, of_folder
from twotier.config.openclaw.disk import Place, read
from twotier.config.openclaw.originals import KEPT, in_database, in_file
from twotier.config.openclaw.plan import Kept
from twotier.config.openclaw.remembered import FILE, Job, Memory, remember, remembered
from twotier.errors import ConfigError

GISCUS = "aa73a9c4-9562-4cb1-8d34-e8d114893976"


def look(home: Path, named: Path | None = None, env: Mapping[str, str] | None = None) -> Place:
    return read(named, env=env or {}, home=home)


def wrong(home: Path, named: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        look(home, named, env)
    return caught.value.message


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_it_is_found_where_it_usually_lies(tmp_path: Path) -> None:
    """Under today's name before the older ones, and where the environment says before all."""
    assert "no OpenClaw found in" in wrong(tmp_path)
    put(tmp_path / ".clawdbot" / "clawdbot.json", "{}")
    assert look(tmp_path).folder == tmp_path / ".clawdbot"
    put(tmp_path / ".openclaw" / "cron" / "jobs.json", "{jobs: []}")
    found = look(tmp_path)
    assert (found.folder, found.config, found.kind) == (tmp_path / ".openclaw", None, "file")
    other = put(tmp_path / "other" / "openclaw.json", "{gateway: {port: 7}}")
    assert look(tmp_path, env={"OPENCLAW_STATE_DIR": str(other.parent)}).port == 7
    found = look(tmp_path, env={"OPENCLAW_CONFIG_PATH": str(other), "OPENCLAW_GATEWAY_PORT": "8"})
    assert (found.folder, found.config, found.port) == (other.parent, other, 8)


def test_a_folder_or_a_file_of_it_may_be_named(tmp_path: Path) -> None:
    assert look(tmp_path, ARTICLE).config == ARTICLE / "openclaw.json"
    assert look(tmp_path, ARTICLE / "openclaw.json").kind == "file"
    alone = look(tmp_path, ARTICLE / "cron" / "jobs.json")
    assert (alone.folder, alone.config, len(alone.theirs.jobs)) == (ARTICLE, None, 7)
    listed = put(tmp_path / "list.json", json.dumps({"jobs": [{"id": "x"}], "total": 1}))
    assert look(tmp_path, listed).theirs.jobs == [{"id": "x"}]
    assert look(tmp_path, put(tmp_path / "bare.json", "[{}]")).theirs.jobs == [{}]
    home = tmp_path / "home"
    put(home / ".openclaw" / "openclaw.json", "{}")
    assert look(tmp_path, home).folder == home / ".openclaw"
    assert "there is nothing at" in wrong(tmp_path, tmp_path / "no")
    (tmp_path / "empty").mkdir()
    assert "no OpenClaw found in" in wrong(tmp_path, tmp_path / "empty")


def test_a_named_list_of_jobs_is_read_though_there_is_a_database(tmp_path: Path) -> None:
    shutil.copytree(MADE, tmp_path / "oc")
    jobs = put(tmp_path / "oc" / "cron" / "jobs.json", '{"version": 1, "jobs": [{"id": "one"}]}')
    assert len(look(tmp_path, tmp_path / "oc").theirs.jobs) > 1
    assert look(tmp_path, jobs).theirs.jobs == [{"id": "one"}]


def test_the_configuration_says_where_jobs_lie(tmp_path: Path) -> None:
    folder = tmp_path / "oc"
    put(tmp_path / "mine.json", '{"jobs": [{"id": "mine"}]}')
    put(folder / "own.json", '{"jobs": [{"id": "own"}]}')
    put(folder / "openclaw.json", '{cron: {store: "~/mine.json"}}')
    assert look(tmp_path, folder).theirs.jobs == [{"id": "mine"}]
    put(folder / "openclaw.json", '{cron: {store: "own.json"}}')
    assert look(tmp_path, folder).theirs.jobs == [{"id": "own"}]


def test_real_jobs_of_2026_9_6_are_read_from_its_database() -> None:
    place = look(MADE, MADE)
    assert place.kind == "database"
    names = {job["name"]: job["enabled"] for job in place.theirs.jobs}
    assert names["Giscus check"] is True
    assert names["Mentions"] is False
    assert len(place.theirs.jobs) == 17


def test_a_database_without_jobs_or_that_is_none_is_told(tmp_path: Path) -> None:
    state = tmp_path / "oc" / "state" / "openclaw.sqlite"
    put(state.parent.parent / "openclaw.json", "{}")
    state.parent.mkdir()
    with closing(sqlite3.connect(state)) as file:
        file.execute("CREATE TABLE other (x)")
    assert look(tmp_path, tmp_path / "oc").kind == "none"
    (tmp_path / "oc" / "openclaw.json").unlink()
    assert "holds neither a configuration of OpenClaw's nor jobs" in wrong(
        tmp_path, tmp_path / "oc"
    )
    put(tmp_path / "oc" / "openclaw.json", "{}")
    state.write_bytes(b"SQLite format 3\0" + b"x" * 5_000)
    assert "cannot be read" in wrong(tmp_path, tmp_path / "oc")


def test_variables_come_from_the_environment_then_dotenv_then_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "oc"
    put(folder / "openclaw.json", "{env: {vars: {A: 'file', C: 'file'}, B: 'file', D: 7}}")
    put(folder / ".env", "A=dotenv\nB=dotenv\n")
    env = look(tmp_path, folder, {"A": "shell"}).theirs.env
    assert (env["A"], env["B"], env["C"]) == ("shell", "dotenv", "file")
    assert "D" not in env


def test_an_include_stays_in_the_folder(tmp_path: Path) -> None:
    """Also behind a link; a path with dots that comes back is fine."""
    folder = tmp_path / "oc"
    main = put(folder / "openclaw.json", "{$include: './sub/../sub/a.json'}")
    put(folder / "sub" / "a.json", "{cron: {$include: '../b.json'}}")
    put(folder / "b.json", "{enabled: false}")
    assert look(tmp_path, folder).theirs.raw == {"cron": {"enabled": False}}
    outside = put(tmp_path / "outside.json", "{}")
    (folder / "link.json").symlink_to(outside)
    for named in ("../outside.json", "link.json", str(outside)):
        main.write_text(f"{{$include: {json.dumps(named)}}}")
        assert "leads out of" in wrong(tmp_path, folder)
    main.write_text(r"{$include: 'a\0b'}")
    assert "a path that cannot be one" in wrong(tmp_path, folder)
    main.write_text("{$include: 'gone.json'}")
    assert "gone.json cannot be read: No such file" in wrong(tmp_path, folder)


def test_files_that_cannot_be_are_told(tmp_path: Path) -> None:
    main = put(tmp_path / "oc" / "openclaw.json", "")
    main.write_bytes(b"\xff\xfe{}")
    assert "is not UTF-8 text" in wrong(tmp_path, tmp_path / "oc")
    main.write_bytes(b" " * 2_100_000)
    assert "is larger than 2,097,152 bytes" in wrong(tmp_path, tmp_path / "oc")
    main.write_text("{}")
    put(tmp_path / "oc" / "cron" / "jobs.json", "{no: 1}")
    assert "holds no list of jobs" in wrong(tmp_path, tmp_path / "oc")


def test_a_log_tells_what_runs_took(tmp_path: Path) -> None:
    folder = tmp_path / "oc"
    put(folder / "cron" / "jobs.json", '[{"id": "a"}, {"id": "b"}, {"id": "../c"}, {}]')
    lines = [
        '{"usage": {"total_tokens": 100}}',
        "{",
        '{"usage": 7}',
        '{"usage": {"total_tokens": 300}}',
    ]
    put(folder / "cron" / "runs" / "a.jsonl", "\n".join(lines))
    put(folder / "cron" / "runs" / "b.jsonl", '{"status": "ok"}')
    put(folder / "cron" / "c.jsonl", lines[0])
    assert look(tmp_path, folder).theirs.tokens == {"a": 200}


WORDS = st.sampled_from(
    [
        "$include",
        "models",
        "providers",
        "agents",
        "defaults",
        "model",
        "jobs",
        "id",
        "schedule",
        "kind",
        "every",
        "cron",
        "expr",
        "everyMs",
        "payload",
        "message",
        "heartbeat",
        "${X}",
        "baseUrl",
        "http://127.0.0.1/v1",
        "primary",
        "fallbacks",
        "delivery",
        "at",
        "tz",
        "name",
    ]
)
THINGS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=25,
)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(THINGS, THINGS)
def test_anything_imports_or_is_a_clear_error(tmp_path: Path, raw: object, jobs: object) -> None:
    """Whatever stands in the two files: a plan, or a sentence; never another exception."""
    put(tmp_path / "oc" / "openclaw.json", json.dumps(raw))
    put(tmp_path / "oc" / "cron" / "jobs.json", json.dumps({"jobs": [jobs]}))
    assert outcome(tmp_path / "oc")


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=65_536))
def test_64_kilobytes_of_anything_are_a_clear_error(tmp_path: Path, noise: bytes) -> None:
    folder = tmp_path / "oc"
    put(folder / "openclaw.json", "").write_bytes(noise)
    assert outcome(folder)
    put(folder / "openclaw.json", "{}")
    put(folder / "cron" / "jobs.json", "").write_bytes(b"[" + noise)
    assert outcome(folder)


def outcome(folder: Path) -> str:
    """What an import says: that there is a plan, or why there is none."""
    try:
        return repr(of_folder(folder))
    except ConfigError as exc:
        return exc.message


def enabled(path: Path) -> list[object]:
    with closing(sqlite3.connect(path)) as file:
        row = file.execute(
            "SELECT enabled, job_json, schedule_identity FROM cron_jobs WHERE job_id = ?", (GISCUS,)
        ).fetchone()
    return [row[0], json.loads(row[1])["enabled"], json.loads(row[2])["enabled"]]


def test_a_job_is_switched_in_the_database_and_back_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "openclaw.sqlite"
    shutil.copy(MADE / "state" / "openclaw.sqlite", path)

    def rows() -> list[object]:
        with closing(sqlite3.connect(path)) as file:
            return file.execute("SELECT * FROM cron_jobs ORDER BY job_id").fetchall()

    before = rows()
    assert in_database(path, GISCUS, enabled=False)
    assert enabled(path) == [0, False, False]
    assert not in_database(path, GISCUS, enabled=False)
    assert in_database(path, GISCUS, enabled=True)
    assert rows() == before


def test_a_database_that_cannot_be_changed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "openclaw.sqlite"
    with pytest.raises(ConfigError, match="could not be changed: unable to open"):
        in_database(path, GISCUS, enabled=False)
    shutil.copy(MADE / "state" / "openclaw.sqlite", path)
    with pytest.raises(ConfigError, match="has no job nobody; import again"):
        in_database(path, "nobody", enabled=False)
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE cron_jobs SET schedule_identity = NULL")
        file.commit()
    assert in_database(path, GISCUS, enabled=False)


def test_a_job_is_switched_in_its_file_and_what_it_was_is_kept(tmp_path: Path) -> None:
    path = put(tmp_path / "jobs.json", "// mine\n{version: 1, jobs: [{jobId: 'a', x: 'ü'}, 7]}\n")
    path.chmod(0o640)
    before = path.read_text()
    assert not in_file(path, "a", enabled=True)
    assert in_file(path, "a", enabled=False)
    assert json.loads(path.read_text()) == {
        "version": 1,
        "jobs": [{"jobId": "a", "x": "ü", "enabled": False}, 7],
    }
    assert path.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / f"jobs.json{KEPT}").read_text() == before
    assert in_file(path, "a", enabled=True)
    with pytest.raises(ConfigError, match="has no job b"):
        in_file(path, "b", enabled=True)


def test_what_is_remembered_is_read_back(tmp_path: Path) -> None:
    memory = Memory("/x", {"a/b": "local"}, {"id": Job(Kept("n", "w", "d", watched=True), "since")})
    assert remembered(tmp_path / "state") == Memory()
    remember(tmp_path / "state", memory)
    assert remembered(tmp_path / "state") == memory
    file = tmp_path / "state" / FILE
    assert file.stat().st_mode & 0o077 == 0
    file.write_text('{"version": 9}')
    with pytest.raises(ConfigError, match="written by a newer twotier"):
        remembered(tmp_path / "state")
    file.write_text('{"version": 1}')
    with pytest.raises(ConfigError, match="move it away to import anew"):
        remembered(tmp_path / "state")
