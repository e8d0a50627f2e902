"""JSON Schema, as far as tools and structured answers use it: does a value fit?

Checked are types, enums, required and additional properties, lengths, bounds, items, the three
combiners and local references. Not checked are patterns and formats: a regular expression of a
stranger may run for ever, and what a schema does not forbid here its tool will refuse by itself.
Whoever wrote the schema cannot make this long either: a place is looked at once under each part of
the schema that speaks of it, and after `STEPS_MAX` steps, or too many levels, it is too deep to
check, which is a problem like others. Pure. What makes a schema plainer for servers that choke on
it stands in `plain_schema`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeGuard

PROBLEMS_MAX = 8
SHOWN_CHARS_MAX = 60
STEPS_MAX = 20_000  # a step is 2 to 4 microseconds
FLOAT_MAX = 1e300
TOO_DEEP = "it is too deep to check"
TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, float) and value.is_integer())
    ),
}


def problems(value: Any, schema: Any) -> tuple[str, ...]:
    """What keeps a value from fitting, one sentence each, the first few; empty where it fits."""
    return Check(schema).problems(value, schema)


def resolved(root: Any, reference: Any) -> Any:
    """What a local reference (`#/$defs/Item`) points at; None for every other one."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found = root
    for name in reference.removeprefix("#").split("/")[1:]:
        key = name.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found


def type_of(value: Any) -> str:
    """The JSON type of a value, in the schema's own words."""
    return next(name for name, fits in TYPES.items() if name != "integer" and fits(value))


def listed_types(schema: Mapping[str, Any]) -> list[str]:
    """The types a schema allows by name, none where it says nothing."""
    given = schema.get("type")
    names: list[Any] = given if isinstance(given, list) else [given]
    return [name for name in names if isinstance(name, str) and name in TYPES]


class Check:
    """Values against parts of one schema; `root` is where local references begin.

    All that is asked of it shares one allowance of steps, and what is known already.
    """

    def __init__(self, root: Any) -> None:
        self._root = root
        self.steps = 0
        self._targets: dict[str, Any] = {}
        # By the identity of a value and a part of the schema, and the references that led there.
        self._known: dict[tuple[int, int, tuple[str, ...]], bool] = {}
        self._alive: list[Any] = []  # or an identity would come to mean something else

    def problems(self, value: Any, schema: Any) -> tuple[str, ...]:
        """As the function of this name, of a part of the root."""
        self._alive.append((value, schema))
        found: list[str] = []
        try:
            found.extend(islice(self._look(value, schema, at="", through=()), PROBLEMS_MAX))
        except (_TooLongError, RecursionError, OverflowError):
            found.append(TOO_DEEP)
        return tuple(found)

    def fits(self, value: Any, schema: Any) -> bool:
        """Whether a value fits a part of the root; what is too deep to check does not."""
        self._alive.append((value, schema))
        try:
            return self._fits(value, schema, through=())
        except (_TooLongError, RecursionError, OverflowError):
            return False

    def spent(self, steps: int = 1) -> bool:
        """Take steps; whether there were not enough of them."""
        self.steps += steps
        return self.steps > STEPS_MAX

    def _spend(self, steps: int) -> None:
        if self.spent(steps):
            raise _TooLongError

    def _fits(self, value: Any, schema: Any, *, through: tuple[str, ...]) -> bool:
        key = (id(value), id(schema), through)
        known = self._known.get(key)
        if known is None:
            known = next(self._look(value, schema, at="", through=through), None) is None
            self._known[key] = known
        else:
            self._spend(1)
        return known

    def _look(self, value: Any, schema: Any, *, at: str, through: tuple[str, ...]) -> Iterator[str]:
        """The problems at this place. `through` are the references that led here."""
        self._spend(1)
        if schema is False:
            yield f"{at or 'it'} must not be there"
        if not isinstance(schema, Mapping):
            return
        key = (id(value), id(schema), through)
        if self._known.get(key):
            return
        clean = True
        for problem in self._all(value, schema, at=at, through=through):
            clean = False
            yield problem
        self._known[key] = clean

    def _all(
        self, value: Any, schema: Mapping[str, Any], *, at: str, through: tuple[str, ...]
    ) -> Iterator[str]:
        if value is None and schema.get("nullable") is True:  # OpenAPI's word, which tools use
            return
        types = listed_types(schema)
        if types and not any(TYPES[name](value) for name in types):
            yield f"{at or 'it'} must be {' or '.join(types)}, and is {type_of(value)}"
            return
        self._spend(len(_many(schema, "enum")))
        yield from _listed(value, schema, at=at)
        yield from _sized(value, schema, at=at)
        if isinstance(value, dict):
            yield from self._object(value, schema, at=at)
        elif isinstance(value, list):
            yield from self._array(value, schema, at=at)
        yield from self._referred(value, schema, at=at, through=through)
        yield from self._combined(value, schema, at=at, through=through)

    def _referred(
        self, value: Any, schema: Mapping[str, Any], *, at: str, through: tuple[str, ...]
    ) -> Iterator[str]:
        reference = schema.get("$ref")
        if not isinstance(reference, str) or reference in through:
            return  # a circle says nothing of the value
        if reference not in self._targets:
            self._targets[reference] = resolved(self._root, reference)
        target = self._targets[reference]
        yield from self._look(value, target, at=at, through=(*through, reference))

    def _combined(
        self, value: Any, schema: Mapping[str, Any], *, at: str, through: tuple[str, ...]
    ) -> Iterator[str]:
        def fitting(name: str) -> int:
            return sum(self._fits(value, one, through=through) for one in schema[name])

        for one in _many(schema, "allOf"):
            yield from self._look(value, one, at=at, through=through)
        if _many(schema, "anyOf") and not fitting("anyOf"):
            yield f"{at or 'it'} fits none of the possible forms"
        if _many(schema, "oneOf") and (count := fitting("oneOf")) != 1:
            yield f"{at or 'it'} fits {count} of the possible forms, and must fit one"

    def _object(
        self, value: dict[str, Any], schema: Mapping[str, Any], *, at: str
    ) -> Iterator[str]:
        properties = schema.get("properties")
        known: Mapping[str, Any] = properties if isinstance(properties, Mapping) else {}
        self._spend(len(_many(schema, "required")))
        yield from (
            f"{_below(at, name)} is missing"
            for name in _many(schema, "required")
            if name not in value
        )
        for name, inner in value.items():
            if name in known:
                yield from self._look(inner, known[name], at=_below(at, name), through=())
            elif "patternProperties" not in schema and "additionalProperties" in schema:
                more = schema["additionalProperties"]
                yield from self._look(inner, more, at=_below(at, name), through=())

    def _array(self, value: list[Any], schema: Mapping[str, Any], *, at: str) -> Iterator[str]:
        places = _many(schema, "prefixItems")
        for number, inner in enumerate(value):
            one = places[number] if number < len(places) else schema.get("items")
            yield from self._look(inner, one, at=f"{at}[{number}]", through=())


class _TooLongError(Exception):
    """The allowance of steps is used up."""


def _below(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _many(schema: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = schema.get(name)
    return found if isinstance(found, list) else ()


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON has it: 1 is 1.0, and true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _listed(value: Any, schema: Mapping[str, Any], *, at: str) -> Iterator[str]:
    choices = [schema["const"]] if "const" in schema else _many(schema, "enum")
    if choices and not any(_same(value, one) for one in choices):
        yield f"{at or 'it'} must be one of {', '.join(map(repr, choices))}"[:SHOWN_CHARS_MAX]


def _sized(value: Any, schema: Mapping[str, Any], *, at: str) -> Iterator[str]:
    size: float
    low, high, unit = "minimum", "maximum", ""
    match value:
        case bool() | None:
            return
        case str():
            size, low, high, unit = len(value), "minLength", "maxLength", " characters"
        case list():
            size, low, high, unit = len(value), "minItems", "maxItems", " items"
        case dict():
            size, low, high, unit = len(value), "minProperties", "maxProperties", " fields"
        case _:  # a whole number may have more digits than a float can say
            size = value if abs(value) < FLOAT_MAX else math.inf if value > 0 else -math.inf
    if _is_number(schema.get(low)) and size < schema[low]:
        yield f"{at or 'it'} is {size:g}{unit}, and must be {schema[low]:g} or more"
    if _is_number(schema.get(high)) and size > schema[high]:
        yield f"{at or 'it'} is {size:g}{unit}, and must be {schema[high]:g} or less"
    if unit:
        return
    least, most = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if _is_number(least) and size <= least:
        yield f"{at or 'it'} is {size:g}, and must be more than {least:g}"
    if _is_number(most) and size >= most:
        yield f"{at or 'it'} is {size:g}, and must be less than {most:g}"


def _is_number(bound: Any) -> TypeGuard[float]:
    return isinstance(bound, int | float) and not isinstance(bound, bool)
