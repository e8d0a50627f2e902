"""`llm`, the command line tool: a function as a tool, on both tiers, over Chat Completions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients import installed
from tests.clients.sandbox import SECRET, Ran
from tests.clients.world import World

pytestmark = pytest.mark.slow

MODELS = """
- model_id: twotier
  model_name: {model}
  api_base: {base_url}/v1
  api_key_name: twotier
  supports_tools: true
"""
FUNCTION = '''
def secret_word() -> str:
    """Return the secret word."""
    return open("secret.txt").read()
'''


def run(world: World, folder: Path, *arguments: str, model: str) -> Ran:
    """One `llm` in a home of its own."""
    python = installed.llm()
    sandbox = world.sandbox(folder)
    models = MODELS.format(model=model, base_url=sandbox.base_url)
    user = sandbox.write("llm/extra-openai-models.yaml", models).parent
    tool = sandbox.write("tool.py", FUNCTION)
    command = [str(python), "-m", "llm", "-m", "twotier", "--key", world.key]
    command += ["--functions", str(tool), *arguments]
    return sandbox.run(*command, env={"LLM_USER_PATH": str(user)})


@pytest.mark.parametrize("model", ["local", "frontier"])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_function_is_called_and_its_answer_told(
    world: World, tmp_path: Path, model: str, streamed: bool
) -> None:
    """The word lies in a file that only the tool can read."""
    world.plan(("secret_word", {}))
    flags = () if streamed else ("--no-stream",)
    ran = run(world, tmp_path, *flags, "what is the secret word?", model=model)
    assert ran.code == 0, ran
    assert f"The tool said: the secret word is {SECRET}" in ran.stdout
    assert ran.called == ""
