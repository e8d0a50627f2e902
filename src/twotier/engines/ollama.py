"""Ollama, which keeps its own server running and loads models when they are asked for.

Known from its documentation and its source (0.40), proven here against a fake of that wire: it
ignores `tool_choice`, `parallel_tool_calls` and `logit_bias`; makes a message of each text in a
content, and refuses a content of null; refuses a history whose arguments are no JSON object; says
the role in every chunk; reads and writes thinking as `reasoning`. **A prompt longer than its window
is cut at its beginning without a word**, and that window is 4,096 tokens where nobody set it: so a
tier's `window_tokens` should be what `ollama ps` shows, and longer prompts are not sent there.
"""

from __future__ import annotations

import msgspec

from twotier.engines.base import CHAT_FIELDS, COMPLETIONS_FIELDS, FIELDS, Ownership, Traits
from twotier.engines.elsewhere import Elsewhere
from twotier.engines.questions import Held, Question, Release, read_version
from twotier.protocols.normal import Manners


class _Running(msgspec.Struct):
    name: str = ""
    model: str = ""
    size: int | None = None
    context_length: int | None = None


class _Processes(msgspec.Struct):
    models: list[_Running] | None = None


_PROCESSES = msgspec.json.Decoder(_Processes)


def read_held(body: bytes) -> tuple[Held, ...]:
    """The answer of `/api/ps`. `size` is all of it, on the GPU and beside it."""
    models = _PROCESSES.decode(body).models or ()
    return tuple(Held(one.name or one.model, one.size, one.context_length) for one in models)


def drop(model: str) -> bytes:
    """What `ollama stop` sends: without a prompt nothing is generated, and a request of somebody
    else's that is in the model is waited for.
    """
    return msgspec.json.encode({"model": model, "keep_alive": 0})


class Ollama(Elsewhere):
    """It is always asked for a stream, so that what is asked in words can be checked."""

    traits = Traits(
        name="ollama",
        provider="ollama",
        ownership=Ownership.REMOTE,
        lock="",
        base_path="/v1",
        base_url="http://127.0.0.1:11434",
        stream_always=True,
        not_found_is_outage=False,
        window_tokens_default=4_096,
        fields={
            **FIELDS,
            "openai_chat": (CHAT_FIELDS - {"logit_bias"})
            | {"tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort"},
            "openai_completions": COMPLETIONS_FIELDS - {"logit_bias", "echo", "logprobs"},
        },
        also=frozenset({"openai_completions", "openai_embeddings"}),
        stream_bent=True,
        manners=Manners(
            turns_strict=True,
            thinking="reasoning",
            texts_joined=True,
            schemas_plain=True,
            tool_choice="ignored",
        ),
        held=(Question("/api/ps", read_held),),
        version=Question("/api/version", read_version),
        release=Release("/api/generate", drop),
    )
