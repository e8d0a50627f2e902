"""Fields a server ignores, turned into words it reads and an order its answer is held to.

A wish for no tool at all needs no words: the tools are left out. Everything else a model may fail
at, so `check` looks at what it wrote.
"""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.errors import RequestError
from twotier.protocols.normal.manners import Manners
from twotier.protocols.openai_chat.tools import ChoiceIn
from twotier.protocols.plain_schema import plain
from twotier.protocols.wire import Order, read_client_json

_NULL = msgspec.Raw(b"null")
_FALSE = msgspec.Raw(b"false")
Fields = dict[str, msgspec.Raw]


class _Named(msgspec.Struct):
    name: str = ""


class _Tool(msgspec.Struct):
    function: _Named = msgspec.field(default_factory=_Named)
    custom: _Named = msgspec.field(default_factory=_Named)


class _JsonSchema(msgspec.Struct):
    schema: dict[str, Any] | None = None


class _Format(msgspec.Struct):
    type: str
    json_schema: _JsonSchema = msgspec.field(default_factory=_JsonSchema)


_CHOICE = msgspec.json.Decoder(str | ChoiceIn)
_TOOLS: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
_NAMES: msgspec.json.Decoder[list[_Tool]] = msgspec.json.Decoder(list[_Tool])
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_FORMAT = msgspec.json.Decoder(_Format)
_encode = msgspec.json.Encoder(order="deterministic").encode

ANY_CALL = "Answer with a call of one of your tools, and with nothing else."
ONE_CALL = "Answer with a call of the tool {name}, and with nothing else."
SINGLE = "Call at most one tool in this answer."
ANY_OBJECT = "Answer with one JSON object and nothing else: no words around it, no code fence."
FITTING = (
    "Answer with one JSON value that fits this JSON schema, and with nothing else: no words around"
    " it, no code fence.\n{schema}"
)


def ordered(fields: Fields, manners: Manners) -> tuple[Order | None, str]:
    """Takes the fields that a server ignores out of the body, or says them as it can read them.
    What is left: an order for the answer, None where there is nothing to hold it to, and the words
    that ask for it, empty where the body does.

    Raises `RequestError` for a choice or a form that nobody can follow.
    """
    must, name, single = (False, "", False)
    if manners.tool_choice:
        must, name = _chosen(fields)
        single = fields.pop("parallel_tool_calls", _NULL) == _FALSE and "tools" in fields
    schema = _schema(fields) if manners.response_format else None
    if manners.response_format == "schema" and schema is not None:
        form = {"name": "answer", "schema": schema or {"type": "object"}}
        fields["response_format"] = _raw({"type": "json_schema", "json_schema": form})
        schema = None
    if not (must or single or schema is not None):
        return None, ""
    wishes = [ONE_CALL.format(name=name) if name else ANY_CALL] if must else []
    if must and manners.tool_choice == "words":
        fields["tool_choice"] = _raw("required")
        wishes = []
    wishes += [SINGLE] if single and not must else []
    if schema is not None and not must:
        wishes.append(FITTING.format(schema=_encode(schema).decode()) if schema else ANY_OBJECT)
    return Order(must, name, single, None if must else schema), "\n".join(wishes)


def plain_format(fields: Fields) -> tuple[Order | None, tuple[str, ...]]:
    """Says the schema of the answer plainly. Where something of it is cut, the answer is held to
    the client's own.
    """
    given = read_client_json(_FORMAT, bytes(fields["response_format"]))
    schema = given.json_schema.schema
    if given.type != "json_schema" or schema is None:
        return None, ()
    said, cut = plain(schema)
    if said != schema:
        form = _OBJECT.decode(fields["response_format"])
        form["json_schema"] = {**form["json_schema"], "schema": said}
        fields["response_format"] = _raw(form)
    lost = tuple(f"response_format.json_schema.schema.{name}" for name in cut)
    return Order(schema=schema) if cut else None, lost


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


def _chosen(fields: Fields) -> tuple[bool, str]:
    """Whether a call must come, and of which tool. Tools that may not be called are left out."""
    raw = fields.pop("tool_choice", _NULL)
    if raw == _NULL or fields.get("tools", _NULL) in (_NULL, msgspec.Raw(b"[]")):
        return False, ""
    choice = read_client_json(_CHOICE, bytes(raw))
    match choice:
        case "auto":
            return False, ""
        case "none":
            del fields["tools"]
            return False, ""
        case "required":
            return True, ""
        case ChoiceIn(type="allowed_tools", allowed_tools=allowed):
            names = {tool.function.name or tool.custom.name for tool in allowed.tools}
            _leave(fields, names)
            return allowed.mode == "required", ""
        case ChoiceIn(type="function" | "custom"):
            name = choice.function.name or choice.custom.name
            _leave(fields, {name})
            return True, name
        case _:
            raise RequestError(
                "tool_choice: use auto, none, required, a tool by name, or allowed_tools"
            )


def _leave(fields: Fields, names: set[str]) -> None:
    """Leave only these tools."""
    tools = bytes(fields["tools"])
    given, read = read_client_json(_TOOLS, tools), read_client_json(_NAMES, tools)
    called = [tool.function.name or tool.custom.name for tool in read]
    left = [raw for raw, name in zip(given, called, strict=True) if name in names]
    if not left:
        wanted = ", ".join(sorted(names)) or "nothing"
        raise RequestError(f"tool_choice: names {wanted}, which is not among the tools")
    fields["tools"] = msgspec.Raw(_encode(left))


def _schema(fields: Fields) -> dict[str, Any] | None:
    """The schema of the answer: None for free text, `{}` for any JSON object."""
    raw = fields.pop("response_format", _NULL)
    if raw == _NULL:
        return None
    given = read_client_json(_FORMAT, bytes(raw))
    if given.type == "text":
        return None
    if given.type == "json_object":
        return {}
    if given.type == "json_schema" and given.json_schema.schema is not None:
        return given.json_schema.schema
    raise RequestError("response_format: use text, json_object, or json_schema with its schema")
