"""`twotier prices`: what is shown, what is written, and what an update keeps and gives back."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from twotier.build.money import prices
from twotier.cli import run
from twotier.clock import SystemClock
from twotier.config.load import load
from twotier.domain.money import Price

CONFIG = """# mine
[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"  # the big one

[tiers.far]
engine = "openai"
provider = "openai"
model = "gpt-9"
base_url = "https://far.example/v1"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "twotier.toml"
    path.write_text(CONFIG)
    path.chmod(0o640)
    return path


def call(config: Path, *words: str) -> int:
    return run(["--config", str(config), "prices", *words])


def price(config: Path, provider: str, model: str) -> Price | None:
    """What a process that starts now would charge."""
    return prices(load(config)).price(provider, model, on=SystemClock().now().date())


def public(folder: Path, *, input_usd: object = 3, model: str = "gpt-9") -> Path:
    """The public data, with one model in it."""
    rates = {"input_mtok": input_usd, "output_mtok": 12.5}
    models = [{"id": model, "match": {"equals": model}, "prices": rates}]
    path = folder / "data.json"
    path.write_text(json.dumps([{"id": "openai", "name": "OpenAI", "models": models}]))
    return path


def test_the_prices_of_the_tiers_are_shown_with_their_source(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(config, "show") == 0
    out = capsys.readouterr().out
    assert "anthropic/claude-opus-4-6" in out
    assert "platform.claude.com" in out
    assert "x/post_read" in out
    assert "gpt-9" not in out  # nobody knows what it costs


def test_one_model_is_shown_whole_and_a_part_of_a_name_finds_many(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(config, "show", "openai/gpt-5.4") == 0
    whole = capsys.readouterr().out
    assert "above 272000 tokens" in whole
    assert "each web_search" in whole
    assert call(config, "show", "anthropic/claude-opus-4-6") == 0
    assert "in us" in capsys.readouterr().out
    assert call(config, "show", "x/post_read") == 0
    assert "0.005" in capsys.readouterr().out
    assert call(config, "show", "e") == 0
    assert "more; name more of it" in capsys.readouterr().err


def test_a_script_reads_a_price_as_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(config, "show", "anthropic/claude-opus-4-6", "--json") == 0
    (shown,) = json.loads(capsys.readouterr().out)["prices"]
    assert shown["rates"][0]["cache_write"] == "6.25"
    assert shown["modes"]["batch"][0]["input"] == "2.5"
    assert shown["fees_usd"] == {"web_search": "0.01"}


def test_an_unknown_price_names_the_command(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(config, "show", "openai/gpt-9") == 1
    assert "twotier prices set openai/gpt-9 input=... output=..." in capsys.readouterr().err


def test_a_price_is_written_where_a_person_would_and_wins(config: Path) -> None:
    """Comments, order and the rights of the file stay; a second time only what is named changes."""
    assert call(config, "set", "openai/gpt-9", "input=2", "output=8.50", "web_search=0.01") == 0
    assert call(config, "set", "openai/gpt-9", "input=3") == 0
    text = config.read_text()
    assert text.startswith(CONFIG)
    assert text.endswith(
        '[prices."openai/gpt-9"]\ninput_usd = 3\noutput_usd = 8.50\nweb_search_usd = 0.01\n'
    )
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    found = price(config, "openai", "gpt-9")
    assert found is not None
    assert (found.base.input, found.base.output) == (3_000_000, 8_500_000)
    assert found.fees == (("web_search", 10_000),)
    assert found.source == "configuration"


def test_what_is_no_token_can_have_a_price_of_the_owners(config: Path) -> None:
    assert call(config, "set", "x/post_read", "each=0.004", "--json") == 0
    book = prices(load(config))
    unit = book.unit_price("x", "post_read", on=SystemClock().now().date())
    assert unit is not None
    assert (unit.microusd, unit.source) == (4_000, "configuration")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("gpt-9", "input=2"), "is no provider/model"),
        (("openai/gpt-9", "2"), "is no price; write for example input=2"),
        (("openai/gpt-9", "inptu=2"), "inptu= is no part of a price"),
        (("openai/gpt-9", "input=2"), "output= is missing"),
        (("openai/gpt-9", "output=2"), "input= is missing"),
        (("openai/gpt-9", "input=two", "output=2"), "'two' is no number"),
        (("openai/gpt-9", "input=-1", "output=2"), "input_usd"),
        (("x/post_read", "each=1", "input=2"), "each= stands alone"),
    ],
)
def test_words_that_are_no_price_change_nothing(
    config: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    assert call(config, "set", *words) in (1, 2)
    assert says in capsys.readouterr().err
    assert config.read_text() == CONFIG


def test_an_update_is_shown_kept_and_taken_back(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tiers' own models first; two updates, and each is taken back."""
    assert price(config, "openai", "gpt-9") is None
    assert call(config, "update", "--from", str(public(tmp_path)), "--yes") == 0
    out = capsys.readouterr()
    assert "your tier's model openai/gpt-9: unknown -> 3 in, 12.5 out" in out.out
    assert "sha256" in out.err
    kept = load(config).paths.prices
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    found = price(config, "openai", "gpt-9")
    assert found is not None
    assert found.base.input == 3_000_000
    assert "genai-prices, data.json of" in found.source
    # Ours for Anthropic hold whatever a list says.
    assert price(config, "anthropic", "claude-opus-4-6")
    source = public(tmp_path, input_usd="4.5")
    assert call(config, "update", "--from", f"file://{source}", "--yes", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["tiers"] == [["openai/gpt-9", "3 in, 12.5 out", "4.5 in, 12.5 out"]]
    assert call(config, "update", "--undo") == 0
    back = price(config, "openai", "gpt-9")
    assert back == found
    assert call(config, "update", "--undo", "--json") == 0
    assert price(config, "openai", "gpt-9") is None
    assert call(config, "update", "--undo") == 1


def test_a_list_that_was_kept_can_be_given_to_another_machine(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And where nothing is different nobody is asked."""
    assert call(config, "update", "--from", str(public(tmp_path)), "--yes") == 0
    kept = tmp_path / "kept.json"
    kept.write_bytes(load(config).paths.prices.read_bytes())
    assert call(config, "update", "--from", str(kept)) == 0
    assert "nothing is different" in capsys.readouterr().err


def test_a_list_by_which_something_is_free_says_so(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "free.json"
    rates = {"input_mtok": 0, "output_mtok": 0}
    model = {"id": "gpt-9", "match": {"equals": "gpt-9"}, "prices": rates}
    source.write_text(json.dumps([{"id": "openai", "name": "O", "models": [model]}]))
    assert call(config, "update", "--from", str(source), "--yes") == 0
    assert "these would cost nothing, look twice: openai/gpt-9" in capsys.readouterr().out


def test_nothing_is_used_that_nobody_agreed_to(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(config, "update", "--from", str(public(tmp_path))) == 2
    assert "add --yes" in capsys.readouterr().err
    assert not load(config).paths.prices.exists()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("http://far.example/data.json", "only https is asked"),
        ("no/such/file.json", "there is no file"),
        ("https://127.0.0.1:9/data.json", "cannot be fetched"),
        ("broken.json", "is no JSON"),
        ("other.json", "not the data of genai-prices"),
    ],
)
def test_what_is_no_list_is_refused_by_name(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, says: str
) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('[{"id": "x"}]')
    there: Any = tmp_path / source
    assert call(config, "update", "--from", str(there) if there.exists() else source, "--yes") in (
        1,
        2,
    )
    assert says in capsys.readouterr().err


def test_a_kept_list_that_is_broken_is_named_and_the_next_update_mends_it(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = load(config).paths
    paths.make()
    paths.prices.write_text("{")
    assert call(config, "show") != 0
    assert "twotier prices update" in capsys.readouterr().err
    assert call(config, "update", "--from", str(public(tmp_path)), "--yes") == 0
    assert price(config, "openai", "gpt-9")
