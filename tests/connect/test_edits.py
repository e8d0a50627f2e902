"""Edits: what is put in can be taken out, also when somebody has changed the file since."""

from __future__ import annotations

import tomllib

import msgspec
import pytest

from twotier.connect import block, toml_text
from twotier.connect.edits import BlockEdit, Edit, JsonEdit, TomlEdit, WholeEdit
from twotier.errors import ConfigError

JSON = JsonEdit([(["model"], "twotier/local"), (["provider", "twotier"], {"name": "twotier"})])
TOML = TomlEdit(
    {"model": "local", "model_context_window": 9},
    {"providers.twotier": {"url": "u"}, "providers.twotier.auth": {"args": ["x"]}},
)
CONFIG_TOML = """# mine
model = "gpt"  # the one I like
approval = "never"

# a project
[projects."/x"]
trust = "yes"
"""


def test_json_settings_come_back_one_by_one() -> None:
    """What the client has added since stays; what somebody changed of ours is left and named."""
    before = '{\n  "model": "opus",\n  "theme": "dark"\n}\n'
    after = JSON.put(before)
    assert JSON.take_out(after, before) == (before, [])
    grown = after.replace('"theme": "dark"', '"theme": "light",\n  "seen": 3')
    text, left = JSON.take_out(grown, before)
    assert text == '{\n  "model": "opus",\n  "theme": "light",\n  "seen": 3\n}\n'
    assert left == []
    changed = after.replace("twotier/local", "sonnet")
    text, left = JSON.take_out(changed, before)
    assert left == ["model"]
    assert '"sonnet"' in text
    assert "twotier" not in text
    own = '{"provider": {}}'
    assert JSON.take_out(JSON.put(own), own) == (own, [])
    assert JSON.take_out('{"theme": "x"}', before) == ('{"theme": "x"}', [])


def test_toml_settings_stand_at_the_top_and_tables_at_the_end() -> None:
    """Comments and order stay, and it is TOML before and after."""
    after = TOML.put(CONFIG_TOML)
    told = tomllib.loads(after)
    assert told["model"] == "local"
    assert told["approval"] == "never"
    assert told["providers"]["twotier"] == {"url": "u", "auth": {"args": ["x"]}}
    assert '[projects."/x"]' in after
    assert "# the one I like" in after
    assert TOML.put(after) == after
    assert TOML.take_out(after, CONFIG_TOML) == (CONFIG_TOML, [])


def test_toml_that_has_changed_since_keeps_the_change() -> None:
    """A project that was trusted since stays; a model of somebody's own is left."""
    grown = TOML.put(CONFIG_TOML) + '\n[projects."/y"]\ntrust = "yes"\n'
    grown = grown.replace('model = "local"', 'model = "other"')
    text, left = TOML.take_out(grown, CONFIG_TOML)
    assert left == ["model"]
    told = tomllib.loads(text)
    assert told["projects"].keys() == {"/x", "/y"}
    assert "providers" not in told
    assert "model_context_window" not in told


def test_an_empty_toml_file_and_one_without_settings() -> None:
    """Nothing is needed to begin with."""
    assert tomllib.loads(TOML.put(""))["model"] == "local"
    assert TOML.take_out(TOML.put(""), "") == ("", [])
    assert toml_text.line_of("", "model") is None
    assert toml_text.put_line("a = 1\n", "model", line=None) == "a = 1\n"
    # A comment alone, and a setting of ours that somebody has taken out
    assert TOML.put("# mine\n").startswith('# mine\nmodel = "local"\n')


def test_toml_that_cannot_be_changed_is_refused() -> None:
    """No TOML, or a setting over several lines."""
    with pytest.raises(ConfigError, match="no TOML"):
        TOML.put("model = \n")
    with pytest.raises(ConfigError, match="spans lines"):
        TOML.put("model = [\n1]\n")


YAML = """name: mine
models:
  - name: a
    model: x

  # the second
  - name: b
rules:
  - be brief
"""
ITEM = "- name: ours\n  model: y\n"


@pytest.mark.parametrize("first", [True, False])
def test_a_block_stands_among_the_items_of_a_list(first: bool) -> None:
    """Indented like them, in front of all or behind all, and nothing else moves."""
    edit = BlockEdit(ITEM, "models", first)
    after = edit.put(YAML)
    lines = [line for line in after.splitlines() if "name: " in line and line.startswith(" ")]
    names = [line.rpartition(" ")[2] for line in lines]
    assert names == (["ours", "a", "b"] if first else ["a", "b", "ours"])
    assert "  - name: ours\n    model: y\n" in after
    assert after.index("ours") < after.index("rules:")
    assert edit.put(after) == after
    assert edit.take_out(after, YAML) == (YAML, [])


def test_a_block_makes_the_list_where_there_is_none() -> None:
    """With the head of a new file above it; an empty list takes items too."""
    edit = BlockEdit(ITEM, "models", head="name: new\n")
    assert edit.put("").splitlines()[0] == "name: new"
    assert edit.put("").splitlines()[2:4] == ["models:", "- name: ours"]
    assert "name: new" not in edit.put("name: mine\n")
    assert "models:\n  # twotier: begin" in edit.put("models:\nrules: []\n")
    assert "models:\n  # twotier: begin" in edit.put("models:")
    assert edit.put("models:  # none\n").startswith("models:  # none\n  # twotier: begin")
    with pytest.raises(ConfigError, match="on one line"):
        edit.put("models: []\n")


def test_a_block_at_the_end_begins_on_a_line_of_its_own() -> None:
    """Also behind a last line without an end."""
    after = BlockEdit("KEY=1\n").put("A=b")
    assert after.startswith(f"A=b\n{block.BEGIN}\nKEY=1\n{block.END}\n")
    assert block.found(after) == f"{block.BEGIN}\nKEY=1\n{block.END}\n"
    assert block.found("A=b") is None
    assert BlockEdit("KEY=2\n").put(after).count("KEY=") == 1


def test_a_whole_file_is_ours_or_nobodys() -> None:
    """Somebody else's file of that name is not written over, unless it holds one choice only."""
    assert WholeEdit("x").put("") == WholeEdit("x").put("x") == "x"
    with pytest.raises(ConfigError, match="something else in it"):
        WholeEdit("x").put("y")
    assert WholeEdit("x", replaces=True).put("y") == "x"
    assert WholeEdit("x").take_out("z", "") == ("z", ["all of it"])


def test_edits_are_kept_as_json() -> None:
    """The record holds them, and gives them back as they were."""
    for edit in (JSON, TOML, BlockEdit(ITEM, "models"), WholeEdit("x")):
        assert msgspec.json.decode(msgspec.json.encode(edit), type=Edit) == edit
