"""The settings of each client, word for word where the client reads them so.

Claude Code, Codex, opencode and llm also run with them, in `tests/clients/test_connect.py`.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml  # type: ignore[import-untyped]

from twotier.cli.connect_words import ClientName
from twotier.connect.clients import CLIENTS
from twotier.connect.jsonc import read
from twotier.connect.plan import NO_KEY, Given, Home, Model, Plan

MODELS = (
    Model("local", 131_072, local=True),
    Model("frontier", 200_000, local=False, vendor_model="claude-opus-4-6"),
    Model("auto", 200_000, local=False),
)
KEY = "tt-canary"


@pytest.fixture
def given(tmp_path: Path) -> Given:
    return Given(
        url="http://127.0.0.1:8484",
        key=KEY,
        key_file=tmp_path / "connect" / "x.key",
        models=MODELS,
        model="auto",
        program=("/bin/twotier", "--config", "/x/twotier.toml"),
        home=Home(tmp_path, {"PATH": ""}),
    )


def texts(plan: Plan, given: Given, before: str = "") -> dict[str, str]:
    """Each file by its path below home."""
    return {
        str(one.path.relative_to(given.home.folder)): one.edit.put(before) for one in plan.files
    }


def test_the_words_of_the_command_are_these() -> None:
    """They are written twice so that parsing loads nothing; this holds them together."""
    assert get_args(ClientName) == tuple(CLIENTS)
    assert [one.name for one in CLIENTS.values()] == list(CLIENTS)


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("everything", [True, False])
def test_a_key_is_only_where_it_is_kept(given: Given, name: str, everything: bool) -> None:
    """In files for their owner alone, never in the sentence that says how to start; with the place
    of a key in place of one, nothing of it is shown. All of it can be written twice.
    """
    given = replace(given, everything=everything)
    plan = CLIENTS[name].plan(given)
    for one in plan.files:
        text = one.edit.put("")
        assert (KEY in text) <= one.secret
        assert one.edit.put(text) == text
        assert one.edit.take_out(text, "")[0] in ("", "{}\n", text) or "name: My" in text
    assert KEY not in plan.use + "".join(plan.notes)
    shown = CLIENTS[name].plan(replace(given, key=NO_KEY))
    assert KEY not in "".join(one.edit.put("") for one in shown.files)
    assert plan.keyed == (plan.wire != "mcp")


def test_claude_code_gets_the_local_side_only(given: Given) -> None:
    """Its own models, its login and its settings stay as they are."""
    found = texts(CLIENTS["claude-code"].plan(given), given)
    assert found.keys() == {".claude.json", ".claude/agents/twotier-reader.md"}
    server = json.loads(found[".claude.json"])["mcpServers"]["twotier"]
    arguments = ["--config", "/x/twotier.toml", "mcp"]
    assert server == {"type": "stdio", "command": "/bin/twotier", "args": arguments, "env": {}}
    head = found[".claude/agents/twotier-reader.md"].split("---")[1]
    told = yaml.safe_load(head)
    assert told["name"] == "twotier-reader"
    assert "mcp__twotier__read_local" in told["tools"]
    assert "free of charge" in told["description"]


def environment(given: Given) -> dict[str, str]:
    found = texts(CLIENTS["claude-code"].plan(replace(given, everything=True)), given)
    env: dict[str, str] = json.loads(found[".claude/settings.json"])["env"]
    return env


def test_claude_code_sends_everything_when_told_to(given: Given) -> None:
    """The frontier by its maker's name; small tasks to the local tier where they fit there."""
    env = environment(replace(given, model="frontier"))
    assert env == {
        "ANTHROPIC_BASE_URL": given.url,
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "ANTHROPIC_MODEL": "claude-opus-4-6",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "local",
    }
    narrow = (replace(MODELS[0], window_tokens=32_768), *MODELS[1:])
    env = environment(replace(given, model="frontier", models=narrow))
    assert "ANTHROPIC_DEFAULT_HAIKU_MODEL" not in env
    env = environment(replace(given, model="local"))
    assert env["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "131072"
    assert env["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "8192"
    assert env["CLAUDE_CODE_MODEL_CAPABILITIES"] == "-mid_conv_system"


def test_claude_code_in_a_folder_of_its_own(given: Given, tmp_path: Path) -> None:
    """`CLAUDE_CONFIG_DIR` moves all of it."""
    home = Home(tmp_path, {"CLAUDE_CONFIG_DIR": str(tmp_path / "cc")})
    found = texts(CLIENTS["claude-code"].plan(replace(given, home=home, everything=True)), given)
    assert found.keys() == {
        "cc/.claude.json",
        "cc/agents/twotier-reader.md",
        "cc/settings.json",
    }


def test_codex_gets_a_profile_of_its_own(given: Given) -> None:
    """`codex -p twotier` reads it on top of what there is; `--all` writes the same into that."""
    found = texts(CLIENTS["codex"].plan(given), given)
    profile = tomllib.loads(found[".codex/twotier.config.toml"])
    assert profile["model_provider"] == "twotier"
    assert profile["model_providers"]["twotier"] == {
        "name": "twotier",
        "base_url": "http://127.0.0.1:8484/v1",
        "wire_api": "responses",
        "auth": {"command": "/bin/cat", "args": [str(given.key_file)]},
    }
    mine = '# mine\nmodel = "gpt-6"\n[features]\nplugins = true\n'
    plan = CLIENTS["codex"].plan(replace(given, everything=True, model="local"))
    told = tomllib.loads(texts(plan, given, mine)[".codex/config.toml"])
    assert (told["model"], told["model_context_window"]) == ("local", 131_072)
    assert told["features"] == {"plugins": True}


def test_opencode_gets_a_provider(given: Given, tmp_path: Path) -> None:
    """Its own model only with `--all`; a configuration with comments stays one."""
    found = json.loads(
        texts(CLIENTS["opencode"].plan(given), given)[".config/opencode/opencode.json"]
    )
    assert found.keys() == {"provider"}
    provider = found["provider"]["twotier"]
    assert provider["options"]["apiKey"] == f"{{file:{given.key_file}}}"
    assert provider["models"]["local"]["limit"] == {"context": 131_072, "output": 8192}
    there = tmp_path / ".config" / "opencode" / "opencode.jsonc"
    there.parent.mkdir(parents=True)
    there.write_text("{}")
    plan = CLIENTS["opencode"].plan(replace(given, everything=True))
    (text,) = texts(plan, given, '{\n  // mine\n  "model": "x/y"\n}\n').values()
    assert plan.files[0].path == there
    assert "// mine" in text
    assert '"model": "twotier/auto"' in text
    assert '"small_model": "twotier/local"' in text
    named = replace(given, home=Home(tmp_path, {"OPENCODE_CONFIG": str(tmp_path / "o.json")}))
    assert CLIENTS["opencode"].plan(named).files[0].path == tmp_path / "o.json"


def openclaw(given: Given, text: str, **more: Any) -> dict[str, Any]:
    path = given.home.folder / ".openclaw" / "openclaw.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    plan = CLIENTS["openclaw"].plan(replace(given, **more))
    assert "TWOTIER_KEY=tt-canary\n" in plan.files[1].edit.put("OTHER=1\n")
    changed = plan.files[0].edit.put(text)
    assert changed.count("// mine") == text.count("// mine")
    found: dict[str, Any] = read(changed).value
    return found


def test_openclaw_gets_a_provider_with_window_and_price(given: Given) -> None:
    """Left out, it takes 200,000 tokens and, in older releases, a price of nothing anyway."""
    found = openclaw(given, "{ models: { mode: 'merge' }, } // mine\n")
    provider = found["models"]["providers"]["twotier"]
    assert provider["apiKey"] == "${TWOTIER_KEY}"
    assert provider["api"] == "openai-completions"
    assert [one["contextWindow"] for one in provider["models"]] == [131_072, 200_000, 200_000]
    assert provider["models"][0]["cost"]["input"] == 0
    assert "agents" not in found


def test_openclaw_with_a_list_of_allowed_models_gets_ours_into_it(given: Given) -> None:
    """A map with one entry refuses every model that is not in it."""
    text = "{ agents: { defaults: { models: { 'a/b': {} }, model: 'a/b' } } }"
    found = openclaw(given, text, everything=True)["agents"]["defaults"]
    assert found["models"].keys() == {"a/b", "twotier/local", "twotier/frontier", "twotier/auto"}
    assert found["model"] == "twotier/auto"
    spread = "{ agents: { defaults: { model: { primary: 'a/b', fallbacks: ['c/d'] } } } }"
    found = openclaw(given, spread, everything=True)["agents"]["defaults"]
    assert found["model"] == {"primary": "twotier/auto", "fallbacks": ["c/d"]}
    assert "models" not in found


def test_aider_gets_a_file_of_its_own(given: Given) -> None:
    """It has one address for all that is OpenAI's."""
    (path, text), *_ = texts(CLIENTS["aider"].plan(given), given).items()
    told = yaml.safe_load(text)
    assert path == ".aider.twotier.yml"
    assert told == {
        "model": "openai/auto",
        "openai-api-base": "http://127.0.0.1:8484/v1",
        "openai-api-key": KEY,
        "show-model-warnings": False,
        "weak-model": "openai/local",
    }
    assert ".aider.conf.yml" in texts(CLIENTS["aider"].plan(replace(given, everything=True)), given)


def test_llm_gets_models_beside_its_own(given: Given, tmp_path: Path) -> None:
    """In its own list, which holds others too; its folder is where it says."""
    where = ".config/io.datasette.llm/"
    plan = CLIENTS["llm"].plan(given)
    mine = "- model_id: mine\n  model_name: x\n"
    assert str(plan.files[0].path).endswith(f"{where}extra-openai-models.yaml")
    told = yaml.safe_load(plan.files[0].edit.put(mine))
    names = ["mine", "twotier-local", "twotier-frontier", "twotier-auto"]
    assert [one["model_id"] for one in told] == names
    assert told[1]["api_base"] == "http://127.0.0.1:8484/v1"
    assert json.loads(plan.files[1].edit.put('{"openai": "x"}')) == {"openai": "x", "twotier": KEY}
    every = texts(CLIENTS["llm"].plan(replace(given, everything=True)), given)
    assert every[f"{where}default_model.txt"] == "twotier-auto"
    mac = replace(given, home=Home(tmp_path, mac=True))
    assert "Library" in str(CLIENTS["llm"].plan(mac).files[0].path)
    named = replace(given, home=Home(tmp_path, {"LLM_USER_PATH": "/l"}))
    assert CLIENTS["llm"].plan(named).files[0].path == Path("/l/extra-openai-models.yaml")


def test_continue_gets_models_in_its_list(given: Given) -> None:
    """Behind its own by default, in front with `--all`; the key in its `.env`."""
    mine = "name: x\nversion: 1.0.0\nmodels:\n  - name: mine\n    provider: ollama\n"
    for everything, place in ((False, -1), (True, 0)):
        plan = CLIENTS["continue"].plan(replace(given, everything=everything))
        told = yaml.safe_load(plan.files[0].edit.put(mine))["models"]
        assert len(told) == 4
        assert (told[place]["name"] == "mine") == (not everything) or place == -1
        ours = next(one for one in told if one["name"] == "twotier local")
        assert ours["apiBase"] == "http://127.0.0.1:8484/v1"
        assert ours["apiKey"] == "${{ secrets.TWOTIER_KEY }}"
        assert ours["defaultCompletionOptions"]["contextLength"] == 131_072
        assert plan.files[1].edit.put("").splitlines()[1] == f"TWOTIER_KEY={KEY}"
    fresh = yaml.safe_load(plan.files[0].edit.put(""))
    assert (fresh["schema"], fresh["models"][0]["name"]) == ("v1", "twotier auto")


def test_open_webui_gets_an_environment(given: Given) -> None:
    """A file that docker and shells both read."""
    (one,) = CLIENTS["open-webui"].plan(given).files
    told = dict(line.split("=", 1) for line in one.edit.put("").splitlines())
    assert told["OPENAI_API_BASE_URL"] == "http://127.0.0.1:8484/v1"
    assert told["OPENAI_API_KEY"] == KEY
    assert one.path.parent == given.key_file.parent


def test_cursor_gets_the_mcp_server(given: Given) -> None:
    """And is told why an address of this machine would not help."""
    plan = CLIENTS["cursor"].plan(given)
    told = json.loads(texts(plan, given, '{"mcpServers": {"x": {}}}')[".cursor/mcp.json"])
    assert told["mcpServers"].keys() == {"x", "twotier"}
    assert told["mcpServers"]["twotier"]["command"] == "/bin/twotier"
    assert "own servers" in plan.notes[0]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_is_found_by_its_program_or_its_folder(name: str, tmp_path: Path) -> None:
    """And is not there on a machine that has never seen it."""
    found = CLIENTS[name].found
    assert found(Home(tmp_path, {"PATH": ""})) == ""
    program = {"claude-code": "claude", "continue": "cn"}.get(name, name)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / program).touch(mode=0o755)
    where = str(tmp_path / "bin" / program)
    assert found(Home(tmp_path, {"PATH": str(tmp_path / "bin")})) == where
