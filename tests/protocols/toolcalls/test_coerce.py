"""Arguments get the types of their schema where they say the same in another one."""

from __future__ import annotations

from typing import Any

import pytest

from twotier.protocols.json_schema import STEPS_MAX
from twotier.protocols.toolcalls.coerce import CHOICES_MAX, DEPTH_MAX, Coercion, Plain, types_of

INT, STR, NUM, BOOL = ({"type": t} for t in ("integer", "string", "number", "boolean"))
LIST = {"type": "array", "items": INT}
OBJ = {"type": "object", "properties": {"a": INT}, "additionalProperties": NUM}


def coerced(value: Any, schema: Any, **root: Any) -> tuple[Any, bool]:
    """One argument, and whether it was changed."""
    coercion = Coercion({"properties": {"x": schema}, **root})
    return coercion.arguments({"x": value}, plain=False).get("x", "left out"), coercion.changed


def told(text: str, schema: Any, **root: Any) -> Any:
    """One argument of a family that writes text."""
    coercion = Coercion({"properties": {"x": schema}, **root})
    found = coercion.arguments({"x": text}, plain=True)["x"]
    assert not coercion.changed
    return found


@pytest.mark.parametrize(
    ("value", "schema", "wanted"),
    [
        ("3", INT, 3),
        ("-3", INT, -3),
        ("3.0", INT, 3),
        ("3.5", NUM, 3.5),
        ("3", NUM, 3),
        ("true", BOOL, True),
        ("False", BOOL, False),
        (3, STR, "3"),
        (2.5, STR, "2.5"),
        (True, STR, "true"),
        ("null", {"type": ["integer", "null"]}, None),
        ("[1, 2]", LIST, [1, 2]),
        (["1", 2], LIST, [1, 2]),
        ('{"a": "1", "b": "2"}', OBJ, {"a": 1, "b": 2}),
        (["1", "2"], {"type": "array", "prefixItems": [STR, INT]}, ["1", 2]),
        ("2", {"enum": [1, 2]}, 2),
        ("2", {"const": 2}, 2),
        ("2", {"allOf": [INT, {"minimum": 1}]}, 2),
        ("2", {"anyOf": [INT, {"type": "null"}]}, 2),
        ("2", {"oneOf": [BOOL, INT]}, 2),
        ("3", {"$ref": "#/$defs/n"}, 3),
        (["3"], {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/n"}]}}, [3]),
    ],
)
def test_another_type_of_the_same_meaning(value: Any, schema: Any, wanted: Any) -> None:
    """Text that is a number, a number that is text, JSON inside of JSON."""
    found, changed = coerced(value, schema, **{"$defs": {"n": INT}})
    assert found == wanted
    assert type(found) is type(wanted)
    assert changed


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (3, INT),
        (3.0, INT),
        ("3", STR),
        ("3", {}),
        ("3", True),
        ("3", None),
        ("three", INT),
        ("3.5", INT),
        ("", NUM),
        ("1e999", NUM),
        ("9" * 40, INT),
        ("maybe", BOOL),
        ("null", STR),
        ("[1", LIST),
        ("[1] 2", LIST),
        ("{a}", OBJ),
        ("a", OBJ),
        ([1], STR),
        (None, {"type": ["integer", "null"]}),
        ("3", {"anyOf": [STR, INT]}),
        ("x", {"anyOf": [BOOL, INT]}),
        ("x", {"type": "made-up"}),
        ("3", {"$ref": "#/nowhere"}),
    ],
)
def test_what_fits_or_never_will_is_left_alone(value: Any, schema: Any) -> None:
    """Whether it fits is not asked here."""
    assert coerced(value, schema) == (value, False)


def test_nothing_said_aloud_is_left_out() -> None:
    """Where it may be, and where it is no value."""
    assert coerced(None, INT) == ("left out", True)
    assert coerced(None, INT, required=["x"]) == (None, False)
    assert coerced(None, {}) == (None, False)


@pytest.mark.parametrize(
    ("text", "schema", "wanted"),
    [
        ("3", INT, 3),
        ("3", STR, "3"),
        ("null", STR, "null"),
        ("3", {}, "3"),
        ("3", {"type": ["string", "integer"]}, 3),
        ("three", {"type": ["string", "integer"]}, "three"),
        ("three", INT, "three"),
        ("null", {"type": "string", "nullable": True}, None),
        ("x", {"type": ["string", "null"]}, "x"),
        ("3", {"anyOf": [STR, INT]}, 3),
        ("x", {"anyOf": [STR, INT]}, "x"),
        ("null", {"anyOf": [STR, {"type": "null"}]}, None),
        ("b", {"enum": ["a", "b"]}, "b"),
        (" true\n", BOOL, True),
        ("  leading", STR, "  leading"),
        ('{"a": 1}', OBJ, {"a": 1}),
        ("[1,]", LIST, [1]),
        ('["3"]', {"type": "array", "items": {"type": ["string", "integer"]}}, ["3"]),
    ],
)
def test_text_is_the_last_thing_a_text_is_taken_for(text: str, schema: Any, wanted: Any) -> None:
    """Where a family writes nothing else; that is no repair."""
    found = told(text, schema)
    assert found == wanted
    assert isinstance(found, Plain) is isinstance(wanted, str)


def test_schemas_that_go_round_in_circles_end() -> None:
    """And so do values that are nested deeper than anybody means."""
    assert coerced("3", {"$ref": "#/$defs/a"}, **{"$defs": {"a": {"$ref": "#/$defs/a"}}})[0] == "3"
    root = {"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}}
    value: Any = "3"
    for _ in range(DEPTH_MAX + 4):
        value = [value]
    assert coerced(value, {"$ref": "#/$defs/a"}, **root) == (value, False)


def test_choices_within_choices_have_an_end() -> None:
    """Where each refers to both, each level would double the work."""
    both = {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}
    tree = {"type": "object", "properties": {"v": INT, "c": both}}
    root = {"$defs": {"a": tree, "b": tree}}

    def nested(value: Any, levels: int) -> Any:
        return {"c": nested(value, levels - 1)} if levels else {"v": value}

    for levels, wanted in ((0, 3), (1, 3), (CHOICES_MAX, "3")):
        assert coerced(nested("3", levels), both, **root)[0] == nested(wanted, levels)


def test_a_schema_that_refers_to_itself_often_has_an_allowance() -> None:
    """Also where all of its parts must fit: steps are counted, never time."""
    root: Any = {"$defs": {"a": {"properties": {"c": {"allOf": [{"$ref": "#/$defs/a"}] * 8}}}}}
    value: Any = "3"
    for _ in range(10):
        value = {"c": value}
    coercion = Coercion({**root, "$ref": "#/$defs/a"})
    assert coercion.arguments(value, plain=False) == value
    assert coercion.check.steps < 2 * STEPS_MAX


def test_a_reference_to_the_whole_means_the_whole() -> None:
    """`#` inside a part is where the schema begins, not where the part does."""
    tree = {"properties": {"v": INT, "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}
    given = {"next": {"v": "1", "next": {"v": "2"}}}
    found = Coercion(tree).arguments(given, plain=False)
    assert found == {"next": {"v": 1, "next": {"v": 2}}}


def test_malformed_schemas_say_nothing() -> None:
    """They come from clients, and their server took them."""
    schema = {"properties": [], "required": "x", "anyOf": {}, "type": 3}
    assert Coercion(schema).arguments({"x": "3"}, plain=False) == {"x": "3"}
    assert types_of({"type": [3, "string"]}) == {"string"}
