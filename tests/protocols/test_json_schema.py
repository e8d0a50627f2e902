"""A value fits its schema or not, and the plain form of a schema asks for no less."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.protocols.json_schema import (
    PROBLEMS_MAX,
    STEPS_MAX,
    TOO_DEEP,
    Check,
    problems,
    resolved,
)
from twotier.protocols.plain_schema import plain

ITEM = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "next": {"$ref": "#"}},
    "required": ["name"],
}


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (1, {}),
        (1, True),
        (None, "nonsense"),
        ("a", {"type": "string"}),
        (1.0, {"type": "integer"}),
        (None, {"type": ["string", "null"]}),
        (None, {"type": "string", "enum": ["a"], "nullable": True}),
        ("x", {"type": "text"}),  # a type nobody knows forbids nothing
        ({"id": 1, "more": 2}, ITEM),
        ([1, "a"], {"prefixItems": [{"type": "integer"}, {"type": "string"}]}),
        ([{"id": 1}], {"items": {"$ref": "#/$defs/item"}, "$defs": {"item": ITEM}}),
        ({"name": "a", "next": {"name": "b"}}, TREE),
        (1, {"$ref": "#"}),
        (1, {"$ref": "https://example.com/schema"}),
        (1, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ("a", {"enum": ["a", "b"]}),
        (1.0, {"const": 1}),
        ({"x-1": 2}, {"patternProperties": {"^x": {}}, "additionalProperties": False}),
        ("ab", {"minLength": 2, "maxLength": 2}),
        (True, {"minimum": 5}),
        (5, {"minimum": 5, "maximum": 5, "exclusiveMinimum": 4, "exclusiveMaximum": 6}),
        (5, {"minimum": True, "properties": None, "required": None}),
    ],
)
def test_it_fits(value: Any, schema: Any) -> None:
    assert problems(value, schema) == ()


@pytest.mark.parametrize(
    ("value", "schema", "said"),
    [
        ("a", {"type": "integer"}, "it must be integer, and is string"),
        (True, {"type": ["integer", "number"]}, "it must be integer or number, and is boolean"),
        (1.5, {"type": "integer"}, "it must be integer, and is number"),
        ({}, ITEM, "id is missing"),
        ({"id": "1"}, ITEM, "id must be integer, and is string"),
        (
            {"a": {"b": [1, "x"]}},
            {"properties": {"a": {"properties": {"b": {"items": {"type": "integer"}}}}}},
            "a.b[1] must be integer, and is string",
        ),
        ({"x": 1}, {"additionalProperties": False}, "x must not be there"),
        ({"x": 1}, {"additionalProperties": {"type": "string"}}, "x must be string, and is number"),
        (1, False, "it must not be there"),
        (1, {"anyOf": [{"type": "string"}, False]}, "it fits none of the possible forms"),
        (1, {"oneOf": [{}, {"type": "integer"}]}, "it fits 2 of the possible forms, and must"),
        (1, {"allOf": [{"type": "integer"}, {"minimum": 2}]}, "it is 1, and must be 2 or more"),
        ("c", {"enum": ["a", "b"]}, "it must be one of 'a', 'b'"),
        (True, {"const": 1}, "it must be one of 1"),
        ("abc", {"maxLength": 2}, "it is 3 characters, and must be 2 or less"),
        ([1], {"minItems": 2}, "it is 1 items, and must be 2 or more"),
        ({}, {"minProperties": 1}, "it is 0 fields, and must be 1 or more"),
        (4, {"exclusiveMinimum": 4}, "it is 4, and must be more than 4"),
        (6, {"exclusiveMaximum": 6}, "it is 6, and must be less than 6"),
        (None, {"$ref": "#/$defs/a~1b", "$defs": {"a/b": ITEM}}, "it must be object, and is null"),
    ],
)
def test_it_does_not_fit_and_the_place_is_named(value: Any, schema: Any, said: str) -> None:
    assert problems(value, schema)[0].startswith(said)


def test_only_the_first_problems_are_told() -> None:
    assert len(problems([0] * 99, {"items": {"type": "string"}})) == PROBLEMS_MAX


def nested(leaf: Any, levels: int) -> Any:
    """A value within objects within objects."""
    for _ in range(levels):
        leaf = {"c": leaf}
    return leaf


@pytest.mark.parametrize("leaf", [{"v": 1}, {"v": "wrong"}])
@pytest.mark.parametrize("word", ["anyOf", "oneOf", "allOf"])
@pytest.mark.parametrize("same", [True, False])
def test_the_work_grows_with_the_depth_and_does_not_double(
    leaf: Any, word: str, same: bool
) -> None:
    """A schema that refers to itself twice at each level. Steps are counted, never time: it was
    twice the time with each level, 281 ms at 14 of them.
    """
    inside: list[dict[str, Any]] = [{"v": {"type": "integer"}} for _ in range(2 - same)]
    one, other = ({"type": "object", "properties": inside[at]} for at in (0, -1))
    both = {word: [{"$ref": "#/$defs/one"}, {"$ref": "#/$defs/other"}]}
    for properties in inside:
        properties["c"] = both
    root = {"$defs": {"one": one, "other": other}, **both}

    def steps(levels: int) -> int:
        check = Check(root)
        check.problems(nested(leaf, levels), root)
        return check.steps

    growth = steps(12) - steps(11)
    assert growth <= 20
    assert steps(40) <= steps(10) + 31 * growth


def test_what_takes_too_many_steps_or_levels_is_too_deep_to_check() -> None:
    """Whatever was found until then is said as well."""
    wide = {"items": {"enum": list(range(1000))}, "maxItems": 3}
    found = problems(list(range(1000)), wide)
    assert found == ("it is 1000 items, and must be 3 or less", TOO_DEEP)
    tree = {"properties": {"c": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}}
    deep = nested(1, 100_000)
    assert problems(deep, tree) == (TOO_DEEP,)
    assert not Check(tree).fits(deep, tree)
    while isinstance(deep, dict):  # taken apart by hand: even forgetting it would recurse
        deep = deep.pop("c")


REFERRED = st.sampled_from([{"$ref": f"#/$defs/{name}"} for name in "abc"])
PARTS: Any = st.recursive(
    REFERRED
    | st.sampled_from([{"type": "integer"}, {"enum": [1, "x"]}, {"required": ["k"]}, False]),
    lambda part: st.one_of(
        st.builds(
            lambda word, parts: {word: parts},
            st.sampled_from(["anyOf", "oneOf", "allOf", "prefixItems"]),
            st.lists(part, min_size=1, max_size=3),
        ),
        st.builds(lambda one: {"properties": {"k": one}, "additionalProperties": one}, part),
        st.builds(lambda one: {"items": one}, part),
    ),
    max_leaves=6,
)
VALUES: Any = st.recursive(
    st.sampled_from([1, "x", None]),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from("kl"), one),
    max_leaves=12,
)


@given(parts=st.fixed_dictionaries(dict.fromkeys("abc", PARTS)), value=VALUES)
def test_no_schema_takes_more_than_its_allowance(parts: Any, value: Any) -> None:
    """However its parts refer to one another; and asked again it says the same."""
    root = {"$defs": parts, "$ref": "#/$defs/a"}
    check = Check(root)
    found = check.problems(value, root)
    assert check.steps <= STEPS_MAX + 3
    assert check.fits(value, root) == (not found) or TOO_DEEP in found
    assert check.problems(value, root) == found or TOO_DEEP in found


def test_references_go_through_lists_and_lead_nowhere() -> None:
    root = {"anyOf": [{"type": "string"}], "a": 1}
    assert resolved(root, "#/anyOf/0") == {"type": "string"}
    assert resolved(root, "#") is root
    assert [resolved(root, one) for one in ("#/anyOf/7", "#/b", "#/a/b", 5, "x")] == [None] * 5


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": ["string", "null"]}, {"type": "string", "description": "May be null."}),
        (
            {
                "anyOf": [{"type": "integer"}, {"type": "null"}],
                "description": "Lines.",
                "default": None,
            },
            {"type": "integer", "description": "Lines. May be null."},
        ),
        ({"const": "a"}, {"enum": ["a"]}),
        ({"enum": ["a", None]}, {"enum": ["a"], "description": "May be null."}),
        ({"type": "string", "nullable": True}, {"type": "string", "description": "May be null."}),
        ({"allOf": [{"type": "string"}], "title": "T"}, {"type": "string", "title": "T"}),
        (
            {"type": ["string", "integer"]},
            {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        ),
        (
            {"nullable": True, "description": "May be null."},
            {"description": "May be null."},
        ),
        ({"type": ["null"]}, {"type": "null"}),
        ({"type": []}, {}),
        ({"type": "text", "title": "T"}, {"title": "T"}),
        ({"type": 7}, {}),
        ({"type": [{}, "string"]}, {"type": "string"}),
        ({"properties": {"a": True, "b": False}}, {"properties": {"a": {}, "b": False}}),
        (
            {"anyOf": "nonsense", "oneOf": [1, 2], "items": True},
            {"anyOf": "nonsense", "oneOf": [1, 2], "items": {}},
        ),
        (
            {"oneOf": [{"type": "null"}, {"enum": [None]}]},
            {"oneOf": [{"type": "null"}, {"enum": [None]}]},
        ),
        (
            {
                "properties": {"i": {"$ref": "#/$defs/item", "description": "One."}},
                "$defs": {"item": ITEM},
                "$schema": "x",
            },
            {"properties": {"i": {**ITEM, "description": "One."}}},
        ),
        (
            {"$ref": "#/$defs/item", "type": "object", "$defs": {"item": ITEM}},
            {"type": "object", "allOf": [ITEM]},
        ),
        (
            {
                "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "number"}]},
                "items": {"prefixItems": [{"const": 1}]},
                "properties": None,
            },
            {
                "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "number"}]},
                "items": {"prefixItems": [{"enum": [1]}]},
                "properties": None,
            },
        ),
    ],
)
def test_a_schema_is_said_plainly(schema: dict[str, Any], said: dict[str, Any]) -> None:
    assert plain(schema) == (said, ())


def test_what_refers_to_itself_is_cut_and_named() -> None:
    said, lost = plain(TREE)
    inner = said["properties"]["next"]
    assert lost == ("$ref",)
    assert inner["properties"]["next"] == {"type": "object"}
    assert plain({"$ref": "https://example.com"}) == ({}, ("$ref",))


def test_references_are_unfolded_everywhere_or_nowhere() -> None:
    """One that is left over without its target would be refused by whoever reads it."""
    kind = {"type": "string"}
    for name, inner in (
        ("patternProperties", {"^a": {"$ref": "#/$defs/A"}}),
        ("contains", {"$ref": "#/$defs/A"}),
        ("else", {"$ref": "#/$defs/A"}),
    ):
        said, cut = plain({name: inner, "$defs": {"A": kind}})
        assert (said, cut) == ({name: {"^a": kind} if name[0] == "p" else kind}, ())
    turned = {"not": {"$ref": "#/$defs/A"}, "$defs": {"A": kind}}
    assert plain(turned) == (turned, ())


def test_a_schema_that_would_unfold_without_end_stays_as_it_is() -> None:
    """Each level names the one below ten times."""
    levels: dict[str, Any] = {
        f"l{n}": {"properties": {f"p{k}": {"$ref": f"#/$defs/l{n + 1}"} for k in range(10)}}
        for n in range(6)
    }
    schema = {"$ref": "#/$defs/l0", "$defs": levels}
    assert plain(schema) == (schema, ())


LEAVES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": "string"},
        {"type": ["integer", "null"]},
        {"enum": ["a", 1, None]},
        {"const": "a"},
        {"$ref": "#/$defs/leaf"},
        {"type": "string", "nullable": True, "description": "D"},
        {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
        {"type": ["string", "integer"]},
    ]
)
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda a, b, required: {
                "type": "object",
                "properties": {"a": a, "b": b},
                "required": required,
            },
            inner,
            inner,
            st.sampled_from([[], ["a"], ["a", "b"]]),
        ),
        st.builds(lambda one: {"type": "array", "items": one}, inner),
        st.builds(lambda one: {"allOf": [one], "description": "E"}, inner),
    ),
    max_leaves=5,
).map(lambda schema: {**schema, "$defs": {"leaf": {"type": ["string", "null"]}}})
VALUES = st.recursive(
    st.sampled_from([None, True, "a", "b", 1, 2.5]),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(["a", "b"]), inner), st.lists(inner, max_size=2)
    ),
    max_leaves=5,
)


@given(SCHEMAS, VALUES)
def test_what_fits_the_plain_schema_fits_the_clients_own(
    schema: dict[str, Any], value: Any
) -> None:
    """And saying a plain schema plainly changes nothing."""
    said, lost = plain(schema)
    assert lost == ()
    assert plain(said) == (said, ())
    if not problems(value, said):
        assert not problems(value, schema)
