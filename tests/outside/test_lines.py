"""Session logs of other programs: numbers, ids, names and times are taken, never a text."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.outside.samples import AT_MS, SECRET, claude, openclaw
from twotier.domain.message import Usage
from twotier.outside import claude_code
from twotier.outside import openclaw as claw
from twotier.outside.lines import COUNT_MAX, a_count, a_model, an_id, an_instant


def test_a_line_of_claude_code() -> None:
    """Both lives of the cache, the searches, the ids."""
    seen = claude_code.read(claude())
    assert seen is not None
    usage = Usage(10, 40, 5000, 200, 100, uses=(("web_search", 2),))
    assert (seen.source, seen.id, seen.request_id) == ("claude_code", "msg_01A", "req_011CAbc")
    assert (seen.provider, seen.model, seen.at_ms) == ("anthropic", "claude-opus-4-6", AT_MS)
    assert seen.usage == usage
    assert seen.tokens == 5350


def test_what_a_sub_agent_did_counts() -> None:
    """In a file of its own, or as progress in the file of the one who sent it."""
    side = claude_code.read(claude(isSidechain=True, agentId="a1"))
    inner = json.loads(claude())
    line = {"type": "progress", "timestamp": "2026-03-10T12:00:01Z", "data": {"message": inner}}
    nested = claude_code.read(json.dumps(line).encode())
    assert side == nested == claude_code.read(claude())


@pytest.mark.parametrize(
    "line",
    [
        claude(type="user"),
        claude(model="<synthetic>"),
        claude(message_id=""),
        claude(at="yesterday"),
        claude(message={"role": "assistant", "usage": None}),
        claude(message=None, toolUseResult={"usage": 1}),
        claude(
            usage={
                "input_tokens": 0,
                "output_tokens": 0,
                "cache_read_input_tokens": 0,
                "cache_creation_input_tokens": 0,
                "cache_creation": None,
            }
        ),
        b'{"type":"progress","data":{"message":null},"usage":1}',
        b'{"type":"progress","data":null,"usage":1}',
        b'{"type":"assistant","usage":',
        b'{"type":"summary","summary":"x"}',
    ],
)
def test_other_lines_of_claude_code_are_none(line: bytes) -> None:
    """People's own, notices of the program, halves."""
    assert claude_code.read(line) is None


def test_a_line_of_openclaw() -> None:
    """Its id counts only inside its file, so the instant belongs to it; or the model's own."""
    seen = claw.read(openclaw())
    assert seen is not None
    assert (seen.source, seen.id, seen.request_id) == ("openclaw", f"0a1b2c3d:{AT_MS}", "")
    assert (seen.provider, seen.model, seen.at_ms) == ("anthropic", "claude-opus-4-6", AT_MS)
    assert seen.usage == Usage(10, 40, 5000, 300)
    usage = {"input": 1, "output": 2, "cacheRead": 3, "cacheWrite": 300, "cacheWrite1h": 100}
    lives = claw.read(openclaw(usage=usage))
    assert lives is not None
    assert lives.usage == Usage(1, 2, 3, 200, 100)
    named = claw.read(openclaw(responseId="msg_01B", timestamp=None))
    assert named is not None
    assert (named.id, named.at_ms) == ("msg_01B", AT_MS)


@pytest.mark.parametrize(
    "line",
    [
        openclaw(role="user"),
        openclaw(provider=""),
        openclaw(model=""),
        openclaw(line_id=""),
        openclaw(at=None, timestamp=None),
        openclaw(usage=None),
        openclaw(usage={"input": 0, "output": None}),
        b'{"type":"message","usage":1}',
        b'{"type":"message","message":{"usage":[]}}',
        b'{"type":"session","version":3}',
    ],
)
def test_other_lines_of_openclaw_are_none(line: bytes) -> None:
    """As above."""
    assert claw.read(line) is None


def test_nothing_is_taken_on_trust() -> None:
    """What is not made like an id, a name, a count or an instant is not kept."""
    assert an_id(SECRET) == an_id("x" * 129) == an_id(None) == a_model("my model") == ""
    assert a_model("lmstudio-community/MiniMax-M2.5-MLX-4bit").startswith("lmstudio")
    assert [a_count(n) for n in (None, -1, COUNT_MAX + 1, float("nan"), float("inf"), 2.0)] == [
        *(0, 0, 0, 0, 0),
        2,
    ]
    wrong: list[Any] = [None, "", "1", "0001-01-01", 5, float("nan"), 10**400]
    assert [an_instant(value) for value in wrong] == [0] * 7
    assert an_instant("2026-03-10T12:00:00") == an_instant(AT_MS) == AT_MS


@given(st.binary())
def test_any_bytes(line: bytes) -> None:
    """Nothing crashes, whatever lies in the folder."""
    for read in (claude_code.read, claw.read):
        read(line)
        read(b'{"usage":' + line)


NUMBERS = st.integers() | st.floats() | st.none() | st.text(max_size=5)
TEXTS = st.text() | st.none() | st.integers()


@given(NUMBERS, NUMBERS, TEXTS, TEXTS, TEXTS, TEXTS)
def test_any_values(count: Any, other: Any, text: Any, name: Any, asked: Any, at: Any) -> None:
    """Whatever stands in a field: no text with a blank in it comes out, no count below nothing."""
    usage = {"input_tokens": count, "output_tokens": other}
    message = {"id": text, "model": name, "usage": usage}
    line = {"type": "assistant", "message": message, "requestId": asked, "timestamp": at}
    lines = [json.dumps(line | {"timestamp": "2026-03-10T12:00:00Z"}), json.dumps(line)]
    message = {"role": "assistant", "provider": text, "model": name, "timestamp": AT_MS}
    message["usage"] = {"input": count, "output": other}
    lines.append(json.dumps({"type": "message", "id": asked, "message": message}))
    for raw in lines:
        for seen in (claude_code.read(raw.encode()), claw.read(raw.encode())):
            if seen is not None:
                assert seen.tokens > 0
                assert seen.usage.input_tokens >= 0 <= seen.usage.output_tokens
                assert not any(char.isspace() for char in msgspec.json.encode(seen).decode())


def test_no_text_is_kept() -> None:
    """Of all that a line holds of somebody's work nothing is left."""
    kept = msgspec.json.encode([claude_code.read(claude()), claw.read(openclaw())])
    for word in (SECRET, "secret-project", "secret-branch", "5a0c1b8e"):
        assert word.encode() not in kept
