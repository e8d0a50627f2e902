"""vLLM: a server that runs already, or one that twotier starts from the `vllm` on this machine.

Known from its documentation and its source (0.19), proven here against a fake of that wire, because
its CPU build cannot serve the models we have: it honours `tool_choice` and `response_format`, reads
past thinking from `reasoning` and drops `reasoning_content`, answers `reasoning`, says errors in
two forms, stops when its caller leaves, and reads a model's own sampling settings. Tools need a
parser that is named at its start; which one is chosen by the model's name.
"""

from __future__ import annotations

import re
from pathlib import Path

from twotier.domain.launch import Launch
from twotier.engines.base import (
    CHAT_FIELDS,
    COMPLETIONS_FIELDS,
    FIELDS,
    Ownership,
    Settings,
    Traits,
)
from twotier.engines.elsewhere import Elsewhere
from twotier.engines.questions import Question, read_version
from twotier.protocols.normal import Manners

SERVED = "twotier-model"  # the one name a server of ours is asked under
# By the model's name, the first that fits: its parser of tool calls, and that of its thinking.
PARSERS: tuple[tuple[str, str, str], ...] = (
    ("minimax-?m2", "minimax_m2", "minimax_m2"),
    ("qwen-?3-?coder", "qwen3_coder", ""),
    ("qwen-?3[._-]?5", "qwen3_coder", "qwen3"),
    ("qwen-?3", "hermes", "qwen3"),
    ("glm-?4[._-]?7", "glm47", "glm45"),
    ("glm-?4", "glm45", "glm45"),
    ("kimi-?k2", "kimi_k2", "kimi_k2"),
    ("gpt-?oss", "openai", "openai_gptoss"),
    ("deepseek-?v3[._-]?1", "deepseek_v31", "deepseek_v3"),
    ("deepseek-?v3", "deepseek_v3", ""),
    ("deepseek-?r1", "hermes", "deepseek_r1"),
    ("mistral|mixtral|codestral|devstral", "mistral", ""),
    ("llama-?3", "llama3_json", ""),
)


def parsers(model: str) -> tuple[str, str]:
    """The parser of tool calls for a model, and that of its thinking, empty for none.

    The one for a model nobody knows is the commonest; calls it misses stay text, and are looked for
    there by twotier.
    """
    for pattern, tools, thinking in PARSERS:
        if re.search(pattern, model, re.IGNORECASE):
            return tools, thinking
    return "hermes", ""


TRAITS = Traits(
    name="vllm",
    provider="vllm-local",
    ownership=Ownership.REMOTE,
    lock="",
    base_path="/v1",
    base_url="http://127.0.0.1:8000",
    stream_always=True,
    not_found_is_outage=False,
    window_tokens_default=32_768,
    fields={
        **FIELDS,
        "openai_chat": CHAT_FIELDS
        | {"tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "n"}
        | {"top_k", "min_p", "repetition_penalty", "chat_template_kwargs", "logprobs"},
        "openai_completions": COMPLETIONS_FIELDS | {"top_k", "min_p", "repetition_penalty", "n"},
    },
    also=frozenset({"openai_completions"}),
    stream_bent=True,
    manners=Manners(turns_strict=True, thinking="reasoning"),
    version=Question("/version", read_version),
)


class Vllm(Elsewhere):
    """One that somebody else runs."""

    traits = TRAITS


class VllmServe:
    """One that twotier starts: `vllm serve`, found on PATH or named by the tier's `program`."""

    traits = Traits(
        name="vllm_serve",
        provider=TRAITS.provider,
        ownership=Ownership.MANAGED,
        lock="",
        program="vllm",
        base_path=TRAITS.base_path,
        stream_always=True,
        not_found_is_outage=False,
        window_tokens_default=TRAITS.window_tokens_default,
        fields=TRAITS.fields,
        also=TRAITS.also,
        stream_bent=True,
        manners=TRAITS.manners,
        version=TRAITS.version,
        sizes_itself=True,
    )

    def launch(self, program: Path, model: Path, *, port: int, settings: Settings) -> Launch:
        """Its own command. `model` is a folder on this machine: nothing is fetched."""
        tools, thinking = parsers(str(model))
        argv = (
            *(str(program), "serve", str(model)),
            *("--host", "127.0.0.1", "--port", str(port)),
            # Its default is `["*"]`: any page in a browser could use the model.
            *("--allowed-origins", f'["http://127.0.0.1:{port}"]'),
            *("--served-model-name", SERVED),
            *("--max-model-len", str(settings.window_tokens)),
            *("--max-num-seqs", str(settings.parallel)),
            *("--enable-auto-tool-choice", "--tool-call-parser", tools),
        )
        more = ("--reasoning-parser", thinking) if thinking else ()
        quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        return Launch(argv=(*argv, *more), env={**quiet, **offline})

    def model_upstream(self, model: str) -> str:  # noqa: ARG002 - it has one name
        """The name we gave it at its start."""
        return SERVED

    def version_command(self, program: Path) -> tuple[str, ...]:
        """Prints its version alone."""
        return (str(program), "--version")
