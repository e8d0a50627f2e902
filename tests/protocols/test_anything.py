"""Whatever a client sends: it is read, or refused by a sentence. Never anything else."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice

import pytest

from tests.hostile import TEMPLATES, Hostile, written
from twotier.domain.message import (
    RELAYED,
    Began,
    Closed,
    Dialect,
    Ended,
    Request,
    Text,
    TextDelta,
    ToolCall,
    ToolCallBegan,
    Whole,
)
from twotier.domain.task import Caller
from twotier.engines.base import FIELDS
from twotier.errors import RequestError
from twotier.protocols import INBOUND, OUTBOUND
from twotier.protocols.wire import check_text
from twotier.router.estimate import estimate

SEED = os.environ.get("SEED", "1")
COUNT = 20_000 if os.environ.get("SOAK") else 400
STEP = 1 if os.environ.get("SOAK") else 3  # of every value, one in so many
EVENTS = (Began("", ""), TextDelta("a"), ToolCallBegan(0, "c", "g"), Ended("tool_calls"), Closed())
WHOLE = Whole("i", "m", (Text("a"), ToolCall("c", "g", '{"input":"x"}')), "tool_calls")
every = pytest.mark.parametrize("dialect", sorted(INBOUND))


def take(dialect: Dialect, body: bytes) -> None:
    """All that the gateway does with a body, before an upstream is asked and after."""
    wire = INBOUND[dialect]
    try:
        check_text(body)
        request = wire.read_request(body)
    except RequestError:
        return
    estimate(request, Caller())
    if relayed(request) + translated(request) and dialect not in RELAYED:
        writer = wire.stream_writer("id", model="m", created=1, request=request)
        for event in EVENTS:
            writer.write(event)
        wire.write_whole(WHOLE, created=1, request=request)


def relayed(request: Request) -> int:
    """How many kinds of servers it can be passed on to."""
    count = 0
    for keep in (None, FIELDS[request.dialect]):
        with suppress(RequestError):
            INBOUND[request.dialect].rewrite(
                request, model="m", max_output_tokens=7, stream=True, keep=keep
            )
            count += 1
    return count


def translated(request: Request) -> int:
    """How many dialects it can be said in."""
    if request.dialect in RELAYED:
        return 0
    count = 0
    with suppress(RequestError):
        conversation = INBOUND[request.dialect].read_conversation(request.body)
        for name in OUTBOUND.keys() - RELAYED:
            # A schema is said anew level by level, and `exchange` expects that it is too deep.
            with suppress(RequestError, RecursionError):
                OUTBOUND[name].write_request(
                    conversation, model="m", max_output_tokens=7, stream=True
                )
                count += 1
    return count


def took(dialect: Dialect, bodies: Iterable[bytes]) -> int:
    """Take each of them; what ends in anything but a sentence shows its body."""
    count = 0
    for body in bodies:
        try:
            take(dialect, body)
        except Exception as exc:
            exc.add_note(f"{dialect}: {body[:2_000]!r}")
            raise
        count += 1
    return count


def test_every_dialect_that_is_served_has_a_template() -> None:
    assert set(TEMPLATES) == set(INBOUND)


@every
def test_a_template_is_taken(dialect: Dialect) -> None:
    """Else nothing that is bent would get past its first field."""
    request = INBOUND[dialect].read_request(written(TEMPLATES[dialect]))
    if dialect not in RELAYED:
        INBOUND[dialect].read_conversation(request.body)


@every
def test_any_body_is_read_or_refused(dialect: Dialect) -> None:
    assert took(dialect, islice(Hostile(dialect, seed=SEED), COUNT)) == COUNT


@every
@pytest.mark.slow
def test_any_value_in_any_field_is_read_or_refused(dialect: Dialect) -> None:
    assert took(dialect, islice(Hostile(dialect, seed=2).every(), int(SEED) % STEP, None, STEP))
