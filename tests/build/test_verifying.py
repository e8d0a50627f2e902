"""The program of a job that looks at its answers: it gets the answer as its input, and its end is
the verdict.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from twotier.build.verifying import commanded
from twotier.config.load import Loaded, load
from twotier.domain.job import Job
from twotier.errors import ConfigError, ToolError
from twotier.worker import jobs_of

CONFIG = """
[tiers.local]
engine = "openai"
model = "toy"
base_url = "http://127.0.0.1:9/v1"

[tools.command.strict]
argv = ["grep", "-qx", "12"]
changes = false

[[jobs]]
name = "count"
every = "1h"
prompt = "How many?"
verify = ["checks", "second", "rubric:frontier", "numbers"]
verify_command = "strict"
"""


SECOND = '[verify]\nsecond = "far"\n\n'


def loaded(home: Path, text: str = CONFIG) -> Loaded:
    """The configuration of a home folder."""
    path = home / "twotier.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def said(config: Loaded, answer: str, *, job: Job | None = None) -> tuple[bool, str]:
    """What the program says of an answer."""
    return asyncio.run(commanded(lambda: config, job or jobs_of(config)[0], answer=answer))


def test_it_reads_the_answer_and_ends_with_its_verdict(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert said(config, "12")[0]
    assert said(config, "13") == (False, "it ended with 1: it printed nothing")


def test_the_settings_become_rungs(tmp_path: Path) -> None:
    verify = jobs_of(loaded(tmp_path))[0].verify
    assert verify.rungs == {"checks", "second", "rubric", "command"}
    assert (verify.looks, verify.command, verify.rubric) == (("numbers",), "strict", "frontier")
    nothing = CONFIG.replace('verify_command = "strict"', "").replace(
        '["checks", "second", "rubric:frontier", "numbers"]', '["no"]'
    )
    assert jobs_of(loaded(tmp_path, nothing))[0].verify.rungs == frozenset()


def test_what_was_taken_out_meanwhile_is_told(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    (job,) = jobs_of(config)
    gone = replace(job, verify=replace(job.verify, command="gone"))
    with pytest.raises(ToolError, match=r"there is no \[tools.command.gone\] any more"):
        said(config, "12", job=gone)
    with pytest.raises(ToolError, match="is not in the configuration any more"):
        said(config, "12", job=replace(job, name="other"))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('verify_command = "strict"', 'verify_command = "none"', r"no \[tools.command.none\]"),
        ('"-qx", "12"]', '"-qx", "{word}"]', "strict has places for a model to fill"),
        ('"numbers"]', '"no"]', r'verify = \["no"\] stands alone'),
        ('"numbers"]', '"rubric"]', "verify names two judges"),
        ("[tools.command.strict]", f"{SECOND}[tools.command.strict]", "'far' is no local tier"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in CONFIG
    with pytest.raises(ConfigError, match=says):
        loaded(tmp_path, CONFIG.replace(old, new))
