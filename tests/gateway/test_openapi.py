"""The OpenAPI document says what is served: no path is missing or made up, no error differs."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.gateway.anything import Anything
from tests.hostile import TEMPLATES
from twotier import errors
from twotier.build.also import also_servers
from twotier.build.front import Front
from twotier.config.schema import GatewayConfig
from twotier.config.verify import VerifyConfig
from twotier.domain.message import Dialect
from twotier.gateway.app import DIALECT_AT, Gateway
from twotier.gateway.hooks import HOOKS, NAME
from twotier.gateway.plain import FILE, description
from twotier.protocols import INBOUND
from twotier.protocols.json_schema import Check

DOCUMENT: dict[str, Any] = json.loads(description())
CHECK = Check(DOCUMENT)
METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")
# Fields that no template of a good body has: those that say nothing or are refused.
UNUSED = {
    "openai_responses": {"previous_response_id", "conversation", "background", "prompt"}
    | {"max_tool_calls"}
}


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """What the document has, by method and path."""
    return {
        (method.upper(), path): operation
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def table() -> set[tuple[str, str]]:
    """The table of paths that the servers really have; nothing behind it runs."""
    thing: Any = Anything()
    config = SimpleNamespace(verify=VerifyConfig(), gateway=GatewayConfig())
    front: Any = SimpleNamespace(
        loaded=SimpleNamespace(config=config, paths=thing),
        **dict.fromkeys(("dispatch", "telemetry", "house", "ground"), thing),
    )
    return set(Front.routes(front, thing, thing, answers=thing))


def test_every_path_is_described_and_no_other() -> None:
    """The table of paths, and the one that is looked for by its beginning."""
    heads = {("HEAD", path) for method, path in table() if method == "GET"}
    assert set(operations()) == table() | heads | {("POST", f"{HOOKS}{{job}}")}
    pattern = operations()["POST", "/hooks/{job}"]["parameters"][0]["schema"]["pattern"]
    assert pattern == f"^{NAME.pattern}$"


def test_what_needs_no_key_is_said_so() -> None:
    """And nothing else is: the document's own rule is a key."""
    assert DOCUMENT["security"] == [{"bearer": []}, {"header": []}]
    unlocked = {path for (_, path), one in operations().items() if one.get("security") == []}
    opened = Gateway(Anything(), {}, refusals=Anything()).open_paths  # type: ignore[arg-type]
    assert unlocked == opened
    assert {path for (_, path), one in operations().items() if "security" in one} - unlocked == {
        "/hooks/{job}"
    }


def test_the_paths_of_an_older_server_are_named_with_theirs() -> None:
    """Whoever has them elsewhere finds them at the path they mean."""
    source = inspect.getsource(inspect.getmodule(also_servers) or also_servers)
    found = set(re.findall(r'"(/[a-z/]+)"', source)) - set(DOCUMENT["paths"])
    said = " ".join(one.get("description", "") for one in operations().values())
    assert found == set(re.findall(r"also `(/[a-z/]+)`", said))


def references(value: Any) -> Iterator[str]:
    """Every `$ref` in it."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_all_parts_are_used_and_all_references_lead_to_one() -> None:
    """Of every kind of part; the names of operations are there once."""
    used = set(references(DOCUMENT))
    parts = {
        f"#/components/{kind}/{name}"
        for kind, named in DOCUMENT["components"].items()
        if kind != "securitySchemes"
        for name in named
    }
    assert used == parts
    names = [one["operationId"] for one in operations().values()]
    assert len(names) == len(set(names))
    schemes = {
        name for one in operations().values() for rule in one.get("security", ()) for name in rule
    }
    assert schemes | {"bearer", "header"} == set(DOCUMENT["components"]["securitySchemes"])


def schema_of(dialect: Dialect) -> dict[str, Any]:
    """The schema of a dialect's body, its reference followed."""
    (path,) = [path for path, one in DIALECT_AT.items() if one == dialect]
    content = operations()["POST", path]["requestBody"]["content"]
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][name]
    return found


@pytest.mark.parametrize("dialect", sorted(TEMPLATES))
def test_a_body_with_one_of_everything_fits(dialect: Dialect) -> None:
    """And every field that it has is named, every name is a field of it."""
    schema, body = schema_of(dialect), TEMPLATES[dialect]
    assert CHECK.problems(body, schema) == ()
    assert set(schema["properties"]) - UNUSED.get(dialect, set()) == set(body)
    for required in schema["required"]:
        lacking = {name: value for name, value in body.items() if name != required}
        assert CHECK.problems(lacking, schema)
        with pytest.raises(errors.RequestError):
            INBOUND[dialect].read_request(json.dumps(lacking).encode())


def every_error() -> list[errors.TwotierError]:
    """One of each class, an upstream's of several kinds, and a budget's with its figures."""
    classes = [
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.TwotierError)
    ]
    plain = [one("why not, and what next") for one in classes if one is not errors.UpstreamError]
    for error in plain:
        error.request_id = "r1"
    upstreams = [
        errors.UpstreamError("why", upstream_status=status, upstream_kind=kind)
        for status in (400, 401, 429, 500, 529)
        for kind in ("api_error", "insufficient_quota", "odd")
    ]
    facts = {"name": "day", "limit_usd": "1", "resets_at": "2026-12-02T00:00:00+00:00"}
    return [*plain, *upstreams, errors.BudgetError("full", facts=facts)]


@pytest.mark.parametrize("path", sorted(DIALECT_AT))
def test_every_error_has_the_shape_that_its_path_promises(path: str) -> None:
    """Whatever it is about."""
    promised = operations()["POST", path]["responses"]["default"]["$ref"].rpartition("/")[2]
    schema = DOCUMENT["components"]["schemas"][promised]
    wire = INBOUND[DIALECT_AT[path]]
    for error in every_error():
        assert CHECK.problems(json.loads(wire.write_error(error)), schema) == (), error
    assert CHECK.problems({"error": "why"}, schema), "the check can fail"


def test_the_document_is_served_without_its_blanks() -> None:
    """The same content in fewer bytes, and the version is its own."""
    raw = FILE.read_bytes()
    assert json.loads(raw) == DOCUMENT
    assert len(description()) < len(raw)
    assert DOCUMENT["info"]["version"] == "1"
