"""docs/clients.md says what the tests do: settings, versions."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from tests.clients import test_claude_code, test_codex, test_opencode

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "clients.md").read_text(encoding="utf-8")


def test_the_page_names_what_keeps_the_clients_quiet() -> None:
    """Every variable and every setting that the tests need, word for word."""
    for name, value in {**test_claude_code.QUIET, **test_opencode.QUIET}.items():
        assert f"{name}={value}" in PAGE
    codex = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert codex is not None
    told = tomllib.loads(codex[1])
    run = tomllib.loads(test_codex.CONFIG.format(model="m", base_url="b"))
    for name in ("features", "analytics", "check_for_update_on_startup", "model_provider"):
        assert told[name] == run[name]
    provider = told["model_providers"]["twotier"]
    assert provider.items() <= {**run["model_providers"]["twotier"], **ADDRESS}.items()


ADDRESS = {"base_url": "http://127.0.0.1:8484/v1"}


def test_the_page_names_the_versions() -> None:
    """Those of the locks."""
    wanted: dict[str, str] = {}
    for folder in (HERE, HERE / "openclaw"):
        package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        wanted |= {**package["dependencies"], **package["optionalDependencies"]}
    names = {"Claude Code": "@anthropic-ai/claude-code", "Codex": "@openai/codex"}
    names |= {"opencode": "opencode-linux-x64-baseline", "OpenClaw": "openclaw"}
    for shown, name in names.items():
        assert f"| {shown} | {wanted[name]} |" in PAGE
    llm = re.search(r"^llm==(.*?) ", (HERE / "llm.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert llm is not None
    assert f"| llm | {llm[1]} |" in PAGE
