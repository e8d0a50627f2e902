"""The shapes of what real clients send go through every translation, without any client.

The recordings are made and compared by the clients' own tests (`sent.check_recorded`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.clients.sent import RECORDED, recorded
from twotier.domain.message import PATHS, RELAYED, Dialect
from twotier.protocols import INBOUND, OUTBOUND

DIALECT_AT: Mapping[str, Dialect] = {f"/v1{path}": dialect for dialect, path in PATHS.items()}


def bodies() -> Iterator[Any]:
    """Each recorded body with its dialect."""
    for path in sorted(RECORDED.glob("*.json")):
        for at, one in enumerate(recorded(path.stem)):
            dialect = DIALECT_AT[one["target"].partition("?")[0]]
            yield pytest.param(dialect, one["body"], id=f"{path.stem}-{at}")


@pytest.mark.parametrize(("dialect", "body"), list(bodies()))
def test_what_a_client_sends_is_read(dialect: Dialect, body: Mapping[str, Any]) -> None:
    """Nothing in it is refused; the head has the model, the tools and the stream."""
    request = INBOUND[dialect].read_request(json.dumps(body).encode())
    assert request.model == body["model"]
    assert request.stream is body.get("stream", False)
    assert bool(request.tools) is bool(body.get("tools"))


@pytest.mark.parametrize("target", sorted(OUTBOUND.keys() - RELAYED))
@pytest.mark.parametrize(("dialect", "body"), list(bodies()))
def test_what_a_client_sends_can_be_said_to_any_tier(
    dialect: Dialect, body: Mapping[str, Any], target: Dialect
) -> None:
    """The tools' names, the calls and their results arrive in each dialect."""
    if dialect in RELAYED:
        return  # in no other words
    conversation = INBOUND[dialect].read_conversation(json.dumps(body).encode())
    written = OUTBOUND[target].write_request(
        conversation, model="m", max_output_tokens=32_000, stream=True
    )
    said = json.loads(written.body)
    assert said["model"] == "m"
    assert bool(said.get("tools")) is bool(conversation.tools)
    assert {tool.name for tool in conversation.tools} <= words(said)


def words(value: Any) -> set[str]:
    """Every string in it."""
    match value:
        case str():
            return {value}
        case list():
            return set().union(*map(words, value))
        case dict():
            return set().union(*map(words, value.values()))
        case _:
            return set()
