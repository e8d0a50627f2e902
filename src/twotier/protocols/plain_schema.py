"""A JSON schema said in the plainest words that mean the same, for servers that choke on others.

Chat templates print `type` and expect one word there, tool parsers look a type up to know whether
`7` is a number, and grammar builders know no references. So references are put in place, what may
be null is said without null (and in words, in the description), `const` is an enum of one, a choice
of one is that one, and what forbids nothing (`true`, a type nobody knows) is left out. A value that
fits the plain schema fits the client's own, against which it is checked in any case; null itself is
the only thing a model is no longer told to write by form. What refers to itself is cut where it
comes round again, and that is named. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twotier.protocols.json_schema import listed_types, resolved

NODES_MAX = 4_000  # what references in references could grow to
NULL_SAID = "May be null."
_DROPPED = frozenset({"$defs", "definitions", "$schema", "$id", "$comment", "nullable"})
_WORDS = frozenset({"title", "description", "default", "examples"})
_LISTS = ("prefixItems", "anyOf", "oneOf", "allOf")
_MAPS = ("properties", "patternProperties", "dependentSchemas")
_ONES = ("items", "additionalProperties", "contains", "propertyNames", "then", "else")


def plain(schema: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The plain schema, and what it could not say, by keyword (only `$ref`).

    A schema that is too large for it, or refers where it cannot be unfolded, comes back as it was.
    """
    work = _Plain(schema)
    try:
        said = work.node(schema, ())
        if _refers(said):  # under `not` or `if`, where null cannot be taken out
            return dict(schema), ()
        return said, ("$ref",) if work.cut else ()
    except _TooLargeError:
        return dict(schema), ()


def _refers(value: Any) -> bool:
    """Whether a reference is left anywhere in it."""
    if isinstance(value, Mapping):
        return "$ref" in value or any(map(_refers, value.values()))
    return isinstance(value, list) and any(map(_refers, value))


class _TooLargeError(Exception):
    """The references unfold to more than anybody wants to read."""


class _Plain:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._nodes = 0
        self.cut = False

    def node(self, given: Mapping[str, Any], through: tuple[str, ...]) -> dict[str, Any]:
        """One schema. `through` are the references that led here."""
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise _TooLargeError
        schema = {name: inner for name, inner in given.items() if name not in _DROPPED}
        null = given.get("nullable") is True
        schema = self._unreferred(schema, through) if "$ref" in schema else schema
        schema = {name: self._inner(name, inner, through=through) for name, inner in schema.items()}
        schema, null = _without_null(_single(schema), null)
        return _said(schema) if null else schema

    def _unreferred(self, schema: dict[str, Any], through: tuple[str, ...]) -> dict[str, Any]:
        """The target of the reference, with what stood beside it."""
        reference = schema.pop("$ref")
        target = resolved(self._root, reference)
        if reference in through or not isinstance(target, Mapping):
            self.cut = True
            kind = listed_types(target)[:1] if isinstance(target, Mapping) else []
            return {**({"type": kind[0]} if kind else {}), **schema}
        return _merged(schema, self.node(target, (*through, reference)))

    def _inner(self, name: str, inner: Any, *, through: tuple[str, ...]) -> Any:
        """What stands under a keyword, its schemas made plain."""
        if name in _MAPS and isinstance(inner, Mapping):
            return {key: self._inner("items", one, through=through) for key, one in inner.items()}
        if name in _LISTS and isinstance(inner, list):
            return [self._inner("items", one, through=through) for one in inner]
        if name in _ONES and isinstance(inner, Mapping):
            return self.node(inner, through)
        return {} if name == "items" and inner is True else inner


def _merged(schema: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Two schemas that both hold, as one; words of the first go before."""
    if (schema.keys() & more.keys()) - _WORDS:
        return {**schema, "allOf": [*schema.get("allOf", ()), more]}
    return {**more, **schema}


def _single(schema: dict[str, Any]) -> dict[str, Any]:
    """`const` as an enum, several types as forms, and a choice of one as that one."""
    if "const" in schema:
        schema = {**schema, "enum": [schema["const"]]}
        del schema["const"]
    if "type" in schema and not (isinstance(schema["type"], str) and listed_types(schema)):
        forms = [{"type": one} for one in listed_types(schema)]
        schema = {name: inner for name, inner in schema.items() if name != "type"}
        schema = _merged(schema, {"anyOf": forms}) if forms else schema
    for name in ("allOf", "anyOf", "oneOf"):
        choice = schema.get(name)
        if isinstance(choice, list) and len(choice) == 1 and isinstance(choice[0], Mapping):
            rest = {key: inner for key, inner in schema.items() if key != name}
            schema = _merged(rest, dict(choice[0]))
    return schema


def _without_null(schema: dict[str, Any], null: bool) -> tuple[dict[str, Any], bool]:
    """The schema without its forms of null, and whether there were any."""
    values = schema.get("enum")
    if isinstance(values, list) and None in values and len(values) > 1:
        schema, null = {**schema, "enum": [one for one in values if one is not None]}, True
    for name in ("anyOf", "oneOf"):
        forms = schema.get(name)
        if not isinstance(forms, list) or len(forms) < 2:
            continue
        left = [one for one in forms if not _is_null(one)]
        if left and len(left) < len(forms):
            schema, null = _single({**schema, name: left}), True
    return schema, null


def _is_null(form: Any) -> bool:
    return isinstance(form, Mapping) and (form.get("type") == "null" or form.get("enum") == [None])


def _said(schema: dict[str, Any]) -> dict[str, Any]:
    """That it may be null, in words, because the form no longer says so."""
    told = str(schema.get("description") or "")
    if told.endswith(NULL_SAID):
        return schema
    plain_default = {
        key: inner for key, inner in schema.items() if (key, inner) != ("default", None)
    }
    return {**plain_default, "description": f"{told} {NULL_SAID}".strip()}
