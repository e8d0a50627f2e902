"""JSON schemas as the API takes them where it holds a model to one.

It insists on `additionalProperties: false` and knows no lengths, ranges or patterns (its page on
structured outputs). They go into the description, where the model can still read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMED = frozenset({"properties", "$defs", "definitions"})
_LIMITS = frozenset(
    {"minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
)


def closed(schema: Any) -> Any:
    """The schema with every object closed, and the limits it may not have said in words."""
    if not isinstance(schema, Mapping):
        return [closed(item) for item in schema] if isinstance(schema, list) else schema
    limits = {key: value for key, value in schema.items() if key in _LIMITS}
    done = {
        # Below `properties` the keys are names, and a name may be any word.
        key: {name: closed(one) for name, one in value.items()}
        if key in _NAMED and isinstance(value, Mapping)
        else closed(value)
        for key, value in schema.items()
        if key not in limits
    }
    if done.get("type") == "object":
        done.setdefault("additionalProperties", False)
    if limits:
        said = ", ".join(f"{key}: {value}" for key, value in limits.items())
        done["description"] = f"{done.get('description', '')} ({said})".strip()
    return done
