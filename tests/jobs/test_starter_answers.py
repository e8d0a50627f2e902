"""Three lines for any text, from the starter model and the configuration that `up` writes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.story.service import Service, eventually
from twotier.config.load import check
from twotier.config.starter import STARTER, LocalModel, starter_toml

CHANGES = Path(__file__).resolve().parents[2] / "CHANGELOG.md"
TEXTS = {  # short: the starter model reads a hundred tokens in a second of a core
    "changes": CHANGES.read_text(encoding="utf-8")[
        :900
    ],  # its URL was repeated until the answer was cut
    "words": "hello world\n",
    "japanese": ("本日は晴天なり。新しい機械が届き、作業員は喜んでいます。" * 200)[:300],
    "digits": "3141592653589793 2384626433832795 0288419716939937\n" * 3,
}


@pytest.mark.parametrize(
    ("local", "bytes_max"), [(STARTER, 3_000), (LocalModel("llama_cpp", "/m/real.gguf"), 12_000)]
)
def test_only_the_starter_model_gets_little_to_read(local: LocalModel, bytes_max: int) -> None:
    """Its machine is slow: 12,000 bytes of Japanese were two minutes before the first word."""
    config = check(tomllib.loads(starter_toml(local)), "starter")
    (one,) = config.jobs
    assert one.watch is not None
    assert one.watch.item_bytes_max == bytes_max


@pytest.mark.slow
@pytest.mark.timeout(560)  # half a minute alone; two busy cores are ten times slower
@pytest.mark.engine
def test_any_text_gets_three_lines_at_the_first_run(tmp_path: Path) -> None:
    """None of them blank, none cut, whatever is in the file."""
    starter_engine_environment()
    starter_model()
    (tmp_path / "inbox").mkdir()
    for name, text in TEXTS.items():
        (tmp_path / "inbox" / f"{name}.txt").write_text(text, encoding="utf-8")
    # A busy machine is slow to the first word, and is not what this is about.
    patient = 'model = "starter"\nfirst_token_seconds = 500\ntotal_seconds = 500\n'
    written = starter_toml().replace('model = "starter"\n', patient, 1)
    with Service(
        tmp_path, written.replace("answer_lines", 'deadline = "500s"\nanswer_lines')
    ) as service:
        ends = ("done", "late", "failed")
        run = eventually(
            lambda: next((run for run in service.runs() if run["state"] in ends), None),
            seconds=500,
            what="four answers",
        )
        assert (run["state"], run["because"]) == ("done", "4 new items")
        for name in TEXTS:
            summary = tmp_path / "outbox" / f"{name}.summary.txt"
            lines = summary.read_text(encoding="utf-8").splitlines()
            assert len([line for line in lines if line.strip()]) == 3, name
