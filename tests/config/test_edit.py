"""A configuration is changed as a person would: one line, and all the rest as it was."""

from __future__ import annotations

import tomllib

import pytest

from twotier.config.edit import drop, put
from twotier.errors import ConfigError

TEXT = """\
# mine
[gateway]
port = 8484   # the port
# also_ports = [1]

[tiers.local]  # the server
engine = "mlx_lm"
base_url = "http://127.0.0.1:8080/v1"

[[jobs]]
name = "x"
"""


def test_a_setting_is_changed_added_or_dropped_in_its_section() -> None:
    """Comments stay; a section that is not there is made; a commented line is none."""
    text = put(TEXT, "gateway", key="port", to=9000)
    text = put(text, "gateway", key="also_ports", to=[8080, 8081])
    text = put(text, "aliases", key="org/a model", to="local")
    text = drop(text, "tiers.local", key="base_url")
    text = put(text, "tiers.local", key="command_env", to={"A_B": "c"})
    assert "# mine" in text
    assert "port = 9000  # the port" in text
    assert put("[a]\nb = '#1' # two # three", "a", key="b", to=2) == "[a]\nb = 2  # two # three\n"
    assert put("[a]\nb = '#1'", "a", key="b", to=2) == "[a]\nb = 2\n"
    assert "# also_ports = [1]" in text
    assert tomllib.loads(text) == {
        "gateway": {"port": 9000, "also_ports": [8080, 8081]},
        "tiers": {"local": {"engine": "mlx_lm", "command_env": {"A_B": "c"}}},
        "jobs": [{"name": "x"}],
        "aliases": {"org/a model": "local"},
    }


def test_what_is_not_there_is_not_dropped_and_what_spans_lines_is_refused() -> None:
    """Better a line to write by hand than a broken file."""
    assert drop(TEXT, "tiers.other", key="engine") == TEXT
    long = TEXT.replace("port = 8484   # the port", "also_ports = [\n  1,\n]")
    with pytest.raises(ConfigError, match=r"write it by hand: also_ports = \[8080\]"):
        put(long, "gateway", key="also_ports", to=[8080])
    assert put("", "a", key="b", to=True) == "\n[a]\nb = true\n"
    assert "c = {}" in put("", "a", key="c", to={})
