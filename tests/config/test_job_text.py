"""The text of one job: found in a file, changed, put back."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from twotier.config.job_place import JobPlace, place_of, places, texts_shown
from twotier.config.job_text import blocks, job_in, shown, typed, unhidden, with_job, with_key
from twotier.config.load import load
from twotier.errors import ConfigError, NotFoundError

MAIN = """\
# All of it.
[gateway]
port = 0

# Mail, at night.
[[jobs]]
name = "mail"  # as it is called
every = "1h"
prompt = '''
Two
[[jobs]]
lines.'''
tier = "auto"

[jobs.watch]
kind = "files"
path = "inbox"

# The report.
[[jobs]]
name = "report"
every = "1d"
prompt = "Report."
deliver = "webhook:https://hooks.example/services/SECRET"

# The rest.
[log]
level = "info"
"""
OWN = 'every = "1h"\nprompt = "Read."\n\n[watch]\nkind = "files"\npath = "inbox"\n'


def home_with(folder: Path) -> Path:
    """A configuration with jobs in both forms."""
    config = folder / "twotier.toml"
    config.write_text(MAIN.replace("[[jobs]]\nlines.", "lines."), encoding="utf-8")
    (folder / "jobs").mkdir()
    (folder / "jobs" / "notes.toml").write_text(OWN, encoding="utf-8")
    return config


def test_a_job_is_found_with_its_own_tables_and_nothing_else() -> None:
    """Comments right above the next heading belong to that one."""
    text = MAIN.replace("[[jobs]]\nlines.", "lines.")
    assert len(list(blocks(text))) == 2
    mail = job_in(text, "mail")
    assert mail.startswith('[[jobs]]\nname = "mail"  # as it is called\n')
    assert mail.endswith('[jobs.watch]\nkind = "files"\npath = "inbox"\n')
    assert with_job(text, "mail", job=mail) == text
    with pytest.raises(ConfigError, match="no \\[\\[jobs\\]\\] in the file has the name 'x'"):
        job_in(text, "x")


def test_what_looks_like_a_heading_inside_of_a_text_is_not_guessed_at() -> None:
    """The pieces are no TOML then, so nothing is taken for the job."""
    with pytest.raises(ConfigError, match="has the name 'mail'"):
        job_in(MAIN, "mail")
    assert "Report." in job_in(MAIN, "report")


def test_a_setting_is_changed_where_it_stands_or_added_before_the_tables() -> None:
    """With its comment; in both forms of a job."""
    text = MAIN.replace("[[jobs]]\nlines.", "lines.")
    changed = with_key(job_in(text, "mail"), "tier", to="local-only")
    assert 'tier = "local-only"\n' in changed
    added = with_key(OWN, "deadline", to="5m")
    assert added == OWN.replace('"Read."\n', '"Read."\ndeadline = "5m"\n')
    commented = with_key('every = "1h"  # often\n', "every", to="2h")
    assert commented == 'every = "2h"  # often\n'
    assert with_key("", "every", to="2h") == 'every = "2h"\n'
    with pytest.raises(ConfigError, match="prompt spans lines; write it by hand"):
        with_key(job_in(text, "mail"), "prompt", to="x")


@pytest.mark.parametrize(
    ("text", "value"),
    [("local-only", "local-only"), ("30m", "30m"), ("false", False), ("3", 3), ('"a b"', "a b")],
)
def test_values_are_typed_as_people_type_them(text: str, value: object) -> None:
    """What TOML reads as a value is one; the rest is a text."""
    assert typed(text) == value


def test_secrets_of_addresses_are_hidden_and_come_back_while_they_are_there() -> None:
    """A kept text holds none; put back, it takes those of the present text."""
    present = job_in(MAIN, "report")
    kept = shown(present)
    assert "SECRET" not in kept
    assert unhidden(kept, present) == present
    moved = present.replace("https://hooks.example/services/SECRET", "https://other.example/X")
    with pytest.raises(ConfigError, match="a secret of that revision was not kept"):
        unhidden(kept, moved)


def named(place: JobPlace, name: str) -> str:
    """The line that a file of its own has no need of."""
    return f'name = "{name}"\n' if "name =" not in place.text else ""


def test_a_job_is_changed_in_its_file_and_only_if_all_of_it_is_right(tmp_path: Path) -> None:
    """In the main file or in one of its own."""
    config = home_with(tmp_path)
    mail, notes = place_of(config, "mail"), place_of(config, "notes")
    assert (mail.own, notes.own) == (False, True)
    mail.put(with_key(mail.text, "enabled", to=False))
    notes.put(with_key(notes.text, "enabled", to=False))
    loaded = load(config)
    assert {job.name: job.enabled for job in loaded.config.jobs} == {
        "mail": False,
        "report": True,
        "notes": False,
    }
    assert config.read_text(encoding="utf-8").count("# The rest.") == 1
    for place in (mail, notes):
        with pytest.raises(ConfigError, match="tier"):
            place.put(with_key(place.text, "tier", to="cheap"))
        with pytest.raises(ConfigError, match="not be valid TOML"):
            place.put(place.text + "= broken\n")
        with pytest.raises(ConfigError, match="its name must stay"):
            place.put(named(place, "other") + place.text.replace('"mail"', '"other"'))
        with pytest.raises(ConfigError):
            place.put(place.text + "[gateway]\nport = 1\n")
    with pytest.raises(ConfigError, match="and nothing else"):
        mail.put(notes.text)
    with pytest.raises(ConfigError, match="and nothing else"):
        mail.put("jobs = [1]")
    assert load(config).config.jobs == loaded.config.jobs
    with pytest.raises(NotFoundError, match="no job 'x'; there are: mail, report, notes"):
        place_of(config, "x")


def test_a_job_in_a_form_of_its_own_has_no_text(tmp_path: Path) -> None:
    """It works, and cannot be put back."""
    config = tmp_path / "twotier.toml"
    line = 'jobs = [{ name = "one", every = "1h", prompt = "x" }]\n'
    config.write_text(line, encoding="utf-8")
    loaded = load(config)
    assert [place.name for place in places(loaded)] == ["one"]
    assert list(texts_shown(loaded)) == []
    assert isinstance(places(loaded)[0], JobPlace)
    assert tomllib.loads(line)["jobs"]
