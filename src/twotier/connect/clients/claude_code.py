"""Claude Code: by default it keeps its own way to its models and gets the local side only.

That is our MCP server, and a sub-agent that knows what to give to it. Its small model has no
address of its own, so it comes to us only where everything does.
"""

from __future__ import annotations

from twotier.connect.edits import JsonEdit, WholeEdit
from twotier.connect.plan import Client, FileChange, Given, Home, Plan, first_of

AGENT = """---
name: twotier-reader
description: Reads for you on this machine's own model, free of charge. Use it proactively when\
 long files, logs or many files are to be read and a short answer is what you need (summing up,\
 looking for a fact, an error or a place), and for simple writing that you can check. Not for\
 editing, not for judging hard code.
tools: mcp__twotier__read_local, mcp__twotier__ask_local, Glob, Grep
model: haiku
---

You have reading done by a model that runs on this machine and costs nothing.

1. Find the files with Glob and Grep. Do not read them yourself.
2. Call `read_local` with their paths and one precise question. Ask for what can be checked: names,
   line numbers, values, quotes. Several questions are several calls.
3. For text without files call `ask_local`.
4. Give back the answer in a few lines, with the files it comes from. The local model is small:
   where its answers contradict each other or the question, say so and do not guess.

If a tool says that the local tier is down, say exactly that and stop.
"""
QUIET = (
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1, DISABLE_TELEMETRY=1, DISABLE_ERROR_REPORTING=1"
    " and DISABLE_AUTOUPDATER=1 keep it from calling anybody else; they are yours to set"
)
SMALL = (
    "its small tasks stay with the frontier: they hold whole pages, and the local tier's window is"
    " below 65,536 tokens"
)


def plan(given: Given) -> Plan:
    """Our MCP server and the sub-agent; with `everything`, its address and its key too."""
    home = given.home
    folder = home.place(".claude", variable="CLAUDE_CONFIG_DIR")
    moved = "CLAUDE_CONFIG_DIR" in home.env
    state = (folder if moved else home.folder) / ".claude.json"
    program, *arguments = given.program
    server = {"type": "stdio", "command": program, "args": [*arguments, "mcp"], "env": {}}
    files = [
        FileChange(state, JsonEdit([(["mcpServers", "twotier"], server)])),
        FileChange(folder / "agents" / "twotier-reader.md", WholeEdit(AGENT)),
    ]
    if not given.everything:
        use = "claude   (then: /mcp shows `twotier`, /agents shows `twotier-reader`)"
        return Plan(tuple(files), "mcp", use, (QUIET,), keyed=False)
    members = [(["env", name], value) for name, value in environment(given).items()]
    files.append(FileChange(folder / "settings.json", JsonEdit(members), secret=True))
    notes = (QUIET,) if given.small else (SMALL, QUIET)
    return Plan(tuple(files), "messages", "claude", notes)


def environment(given: Given) -> dict[str, str]:
    """What brings all it does to us."""
    chosen = given.chosen
    env = {
        "ANTHROPIC_BASE_URL": given.url,
        "ANTHROPIC_AUTH_TOKEN": given.key,
        "ANTHROPIC_MODEL": chosen.vendor_model or chosen.name,
    }
    if given.small:
        env["ANTHROPIC_DEFAULT_HAIKU_MODEL"] = given.small.name
    if not chosen.vendor_model:
        # It knows neither the room of a model of ours, nor that some want `system` first.
        env["CLAUDE_CODE_MODEL_CAPABILITIES"] = "-mid_conv_system"
        env["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] = str(chosen.window_tokens)
        env["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(chosen.answer_tokens)
    return env


def found(home: Home) -> str:
    """The program, else its folder."""
    return first_of(home, "claude", home.place(".claude", variable="CLAUDE_CONFIG_DIR"))


CLIENT = Client("claude-code", "Claude Code", found, plan, by_name=True)
