"""LM Studio's local server, started from its window or with `lms server start`.

Known from its documentation and its tracker (0.4), proven here against a fake of that wire: it
refuses a tool by name in `tool_choice` (670 in its tracker) and the form `json_object` (189), some
of its templates choke on a `type` that is a list, and with `required` a model may still write its
call as text (2115), so that is checked. It tells which models are loaded, with the size of their
files; no address of its API tells its version.
"""

from __future__ import annotations

import msgspec

from twotier.engines.base import CHAT_FIELDS, COMPLETIONS_FIELDS, FIELDS, Ownership, Traits
from twotier.engines.elsewhere import Elsewhere
from twotier.engines.questions import Held, Question
from twotier.protocols.normal import Manners


class _Config(msgspec.Struct):
    context_length: int | None = None


class _Instance(msgspec.Struct):
    id: str = ""
    config: _Config = msgspec.field(default_factory=_Config)


class _Model(msgspec.Struct):
    key: str = ""
    size_bytes: int | None = None
    loaded_instances: list[_Instance] = msgspec.field(default_factory=list)


class _Models(msgspec.Struct):
    models: list[_Model]


class _OldModel(msgspec.Struct):
    id: str = ""
    state: str = ""
    loaded_context_length: int | None = None
    max_context_length: int | None = None


class _OldModels(msgspec.Struct):
    data: list[_OldModel]


_MODELS = msgspec.json.Decoder(_Models)
_OLD_MODELS = msgspec.json.Decoder(_OldModels)


def read_held(body: bytes) -> tuple[Held, ...]:
    """The answer of `/api/v1/models` (0.4 and later). The bytes are those of the file: what caches
    take beside it is not told.
    """
    return tuple(
        Held(one.id or model.key, model.size_bytes, one.config.context_length)
        for model in _MODELS.decode(body).models
        for one in model.loaded_instances
    )


def read_held_before(body: bytes) -> tuple[Held, ...]:
    """The answer of `/api/v0/models`, which older ones have: no sizes."""
    return tuple(
        Held(model.id, None, model.loaded_context_length or model.max_context_length)
        for model in _OLD_MODELS.decode(body).data
        if model.state == "loaded"
    )


class LmStudio(Elsewhere):
    """It is always asked for a stream, so that what a model may fail at can be checked."""

    traits = Traits(
        name="lmstudio",
        provider="lmstudio",
        ownership=Ownership.REMOTE,
        lock="",
        base_path="/v1",
        base_url="http://127.0.0.1:1234",
        stream_always=True,
        not_found_is_outage=False,
        window_tokens_default=4_096,
        fields={
            **FIELDS,
            "openai_chat": CHAT_FIELDS
            | {"tool_choice", "parallel_tool_calls", "response_format", "top_k"}
            | {"repeat_penalty", "reasoning_effort"},
            "openai_completions": COMPLETIONS_FIELDS | {"top_k", "repeat_penalty"},
        },
        also=frozenset({"openai_completions", "openai_embeddings"}),
        manners=Manners(
            turns_strict=True,
            thinking="reasoning_content",
            texts_joined=True,
            schemas_plain=True,
            tool_choice="words",
            response_format="schema",
        ),
        held=(Question("/api/v1/models", read_held), Question("/api/v0/models", read_held_before)),
    )
