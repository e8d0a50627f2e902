"""A value in the type its schema wants, where that changes the type and not what it says.

`"3"` becomes 3 where a number is wanted, and 3 becomes `"3"` where text is. Families that write
nothing but text leave every type to the schema; text is the last thing their values are taken for.
Nothing here refuses: whether the result fits is the question of `json_schema`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from twotier.protocols.json_schema import TYPES, Check, listed_types, resolved, type_of
from twotier.protocols.toolcalls.lenient import BrokenJsonError, read_value

DEPTH_MAX = 32
REFERENCES_MAX = 8
# Choices within choices: a schema that refers to itself doubles the work with each.
CHOICES_MAX = 2
_INTEGER = re.compile(r"[+\-]?\d{1,30}")
_NUMBER = re.compile(r"[+\-]?(?:\d{1,30}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+\-]?\d{1,2})?")
_WORDS = {"true": True, "false": False}
# Where several types will do, the one that says most goes first.
_ORDER = ("null", "integer", "number", "boolean", "object", "array", "string")
_NO = object()
Schema = Mapping[str, Any]


class Plain(str):
    """A value as text, of a family that writes no types."""

    __slots__ = ()


class Coercion:
    """Coerces the arguments of one call. `changed` tells afterwards whether a type was."""

    def __init__(self, root: Schema, *, check: Check | None = None, choices: int = 0) -> None:
        self._root = root
        self._choices = choices
        self.check = check or Check(root)
        self.changed = False

    def arguments(self, given: Mapping[str, Any], *, plain: bool) -> dict[str, Any]:
        """The arguments, whose schema is the root."""
        values = {key: Plain(value) for key, value in given.items()} if plain else given
        return self._object(values, self._target(self._root), depth=0)

    def unguessed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments with `null` as text again, where only the text fits: of models that write
        nothing but text, it was a parser who took it for nothing.
        """
        properties = self._target(self._root).get("properties")
        known = properties if isinstance(properties, Mapping) else {}
        found = dict(given)
        for key, one in given.items():
            inner = known.get(key)
            if one is None and not self.fits(None, inner) and self.fits("null", inner):
                found[key], self.changed = "null", True
        return found

    def value(self, value: Any, schema: Any, *, depth: int) -> Any:
        """A value within them."""
        schema = self._target(schema)
        if depth > DEPTH_MAX or self.check.spent():
            return value
        for part in _parts(schema, "allOf"):
            value = self.value(value, part, depth=depth + 1)
        choices = [*_parts(schema, "anyOf"), *_parts(schema, "oneOf")]
        value = self._chosen(value, choices, depth=depth) if choices else self._typed(value, schema)
        if isinstance(value, dict):
            return self._object(value, schema, depth=depth)
        return self._array(value, schema, depth=depth) if isinstance(value, list) else value

    def _target(self, schema: Any) -> Schema:
        """What a schema refers to; an empty one for what is none."""
        for _ in range(REFERENCES_MAX):
            if not isinstance(schema, Mapping) or "$ref" not in schema:
                break
            schema = resolved(self._root, schema["$ref"])
        return schema if isinstance(schema, Mapping) else {}

    def _typed(self, value: Any, schema: Schema) -> Any:
        types = types_of(schema)
        plain = isinstance(value, Plain)
        if not types or (not plain and any(TYPES[kind](value) for kind in types)):
            return value
        for kind in _ORDER:
            if kind in types and (found := _as(value, kind)) is not _NO:
                self.changed = self.changed or not plain
                return found
        return value

    def _chosen(self, value: Any, choices: list[Any], *, depth: int) -> Any:
        """As the first alternative that it fits: as it is, or else in another type."""
        if self._choices == CHOICES_MAX:
            return value
        plain = isinstance(value, Plain)
        ordered = sorted(choices, key=self._takes_text) if plain else choices
        if not plain and any(self.fits(value, part) for part in ordered):
            return value
        for part in ordered:
            inner = Coercion(self._root, check=self.check, choices=self._choices + 1)
            found = inner.value(value, part, depth=depth + 1)
            if self.fits(found, part):
                self.changed = self.changed or inner.changed
                return found
        return value

    def fits(self, value: Any, schema: Any) -> bool:
        """Whether a value fits a part of the root."""
        return self.check.fits(value, schema)

    def _takes_text(self, schema: Any) -> bool:
        return "string" in types_of(self._target(schema))

    def _object(self, value: Mapping[str, Any], schema: Schema, *, depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        known = properties if isinstance(properties, Mapping) else {}
        more = schema.get("additionalProperties")
        required = _parts(schema, "required")
        found = {}
        for key, one in value.items():
            inner = known.get(key, more)
            if one is None and key not in required and not self.fits(one, inner):
                self.changed = True  # "nothing" said aloud, where it may be left out
                continue
            found[key] = self.value(one, inner, depth=depth + 1)
        return found

    def _array(self, value: list[Any], schema: Schema, *, depth: int) -> list[Any]:
        places, rest = _parts(schema, "prefixItems"), schema.get("items")
        return [
            self.value(one, places[at] if at < len(places) else rest, depth=depth + 1)
            for at, one in enumerate(value)
        ]


def types_of(schema: Schema) -> frozenset[str]:
    """The types that a schema names, or those of the values it lists; none where neither."""
    types = set(listed_types(schema)) or {type_of(one) for one in _listed(schema)}
    if types and schema.get("nullable") is True:
        types.add("null")
    return frozenset(types)


def _listed(schema: Schema) -> Iterator[Any]:
    """The values an `enum` or a `const` allows."""
    yield from _parts(schema, "enum")
    if "const" in schema:
        yield schema["const"]


def _parts(schema: Schema, name: str) -> list[Any]:
    found = schema.get(name)
    return found if isinstance(found, list) else []


def _as(value: Any, kind: str) -> Any:
    """The value in another type, `_NO` where it says no such thing."""
    match kind:
        case "string" if isinstance(value, bool):
            return str(value).lower()
        case "string" if isinstance(value, int | float):
            return str(value)
    return _of_text(value, kind) if isinstance(value, str) else _NO


def _of_text(text: str, kind: str) -> Any:
    word = text.strip()
    match kind:
        case "null":
            return None if word in ("null", "None") else _NO
        case "boolean":
            return _WORDS.get(word.lower(), _NO)
        case "integer" | "number":
            return _number(word, kind)
        case "object" | "array" if word.startswith("{" if kind == "object" else "["):
            return _read(word)
    return _NO


def _number(word: str, kind: str) -> Any:
    if _INTEGER.fullmatch(word):
        return int(word)
    number = float(word) if _NUMBER.fullmatch(word) else math.nan
    if kind == "integer":
        return int(number) if number.is_integer() else _NO
    return _NO if math.isnan(number) else number


def _read(word: str) -> Any:
    """JSON written as text; it must be all of the text."""
    try:
        value, end, _, closed = read_value(word, 0)
    except BrokenJsonError:
        return _NO
    return value if closed and end == len(word) else _NO
