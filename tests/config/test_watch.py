"""The settings of watchers refuse what could never work."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from twotier.config.load import check
from twotier.config.schema import Config
from twotier.errors import ConfigError

PRICES = {"kind": "prices", "url": "https://x/{symbol}", "symbols": ["A"], "path": "p"}


@pytest.mark.parametrize(
    ("watch", "said"),
    [
        (PRICES, "watch: needs above, below or change_percent"),
        (PRICES | {"above": {"A": 1}, "window": "1d"}, "window needs change_percent"),
        (PRICES | {"above": {"B": 1}}, "'B' has a line and is not one of symbols"),
        (PRICES | {"above": {"A": 0}}, "watch.above.A: Input should be greater than 0"),
        (
            PRICES | {"above": {"A": 1}, "symbols": ["A", "B"], "url": "https://x/"},
            "several symbols need {symbol} in url or in path",
        ),
        (PRICES | {"above": {"A": 1}, "path": "a..b"}, "watch.path: 'a..b' is no path; write"),
        ({"kind": "git"}, "needs either path, a folder here, or remote, an address"),
        ({"kind": "git", "path": "a", "remote": "https://x/y"}, "needs either path"),
        ({"kind": "git", "remote": "--upload-pack=x"}, "remote must be an address such as"),
        ({"kind": "git", "path": "a", "branch": "-x"}, "watch.branch: "),
        ({"kind": "git", "path": "a", "branch": "x" * 202}, "watch.branch: "),
        (
            {"kind": "http", "url": "https://x/", "secret_header": "X-Key"},
            'must be a header such as "Authorization: Bearer {secret}"',
        ),
        ({"kind": "http", "url": "https://x/", "secret": "abc"}, "not the key: env:NAME"),
    ],
)
def test_a_watcher_that_could_never_work_is_refused(watch: dict[str, Any], said: str) -> None:
    """With the setting, and what to write instead."""
    job = {"name": "a", "prompt": "p", "every": "1m", "watch": watch}
    with pytest.raises(ConfigError) as caught:
        check({"jobs": [job]}, "file")
    assert said in caught.value.message


def test_the_numbers_of_prices_arrive_as_they_are_written() -> None:
    """1.05 is not 1.0500000000000000444."""
    watch = PRICES | {"above": {"A": 1.05}, "change_percent": 5}
    config = check({"jobs": [{"name": "a", "prompt": "p", "every": "1m", "watch": watch}]}, "f")
    assert config.jobs[0].watch is not None
    told = config.jobs[0].watch.model_dump(mode="json")
    assert (told["above"], told["change_percent"], told["window"]) == ({"A": "1.05"}, "5", None)


def test_no_pattern_counts_letters_of_every_alphabet() -> None:
    """Two of them, compiled, took 40 MB in each process that reads the configuration."""
    schema = json.dumps(Config.model_json_schema())
    patterns = re.findall(r'"pattern": "(.*?)"[,}]', schema)
    assert "^[0-9]{1,19}$" in patterns
    assert [one for one in patterns if re.search(r"\\[wWsSdD][^\[\]]*\]?\{", one)] == []
