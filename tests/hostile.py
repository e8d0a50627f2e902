"""Bodies that clients should not send: valid ones bent at one place, and what is no JSON at all.

    bodies = Hostile("openai_chat", seed=1)
    next(bodies)

The same seed gives the same bodies.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from twotier.domain.message import Dialect

CACHE = {"type": "ephemeral", "ttl": "1h"}
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string", "minLength": 1}},
    "required": ["a"],
}
PICTURE = "data:image/png;base64,AAAA"
PAGE = "JVBERi0xLjQKMSAwIG9iajw8L1R5cGUgL1BhZ2U+PmVuZG9iag=="  # a PDF of one
PDF = f"data:application/pdf;base64,{PAGE}"

# One of everything that each dialect has a field for.
TEMPLATES: Mapping[Dialect, dict[str, Any]] = {
    "openai_chat": {
        "model": "local",
        "messages": [
            {"role": "system", "content": "Be brief.", "cache_control": CACHE},
            {
                "role": "user",
                "name": "ann",
                "content": [
                    {"type": "text", "text": "Look.", "cache_control": CACHE},
                    {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
                    {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
                ],
            },
            {
                "role": "assistant",
                "content": "Yes.",
                "reasoning_content": "Hm.",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "Hm.", "signature": "s", "index": 0}
                ],
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "x"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "1"}]},
            {"role": "tool", "tool_call_id": "c2", "content": "2"},
            {"role": "user", "content": "Go on."},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": "F", "parameters": SCHEMA, "strict": True},
            },
            {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}},
        ],
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"function": {"name": "f"}}]},
        },
        "parallel_tool_calls": True,
        "max_tokens": 9,
        "max_completion_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "n": 1,
        "stop": ["END"],
        "stream": False,
        "stream_options": {"include_usage": True},
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
        "reasoning_effort": "low",
        "reasoning": {"max_tokens": 2000, "exclude": False},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "chat_template_kwargs": {"enable_thinking": True},
        "metadata": {"team": "a"},
        "user": "ann",
        "service_tier": "auto",
        "modalities": ["text"],
        "seed": 1,
    },
    "anthropic_messages": {
        "model": "local",
        "system": [{"type": "text", "text": "Be brief.", "cache_control": CACHE}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look.", "cache_control": CACHE},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
                    },
                    {
                        "type": "document",
                        "title": "a",
                        "source": {
                            "type": "base64",
                            "media_type": "application/pdf",
                            "data": PAGE,
                        },
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                    {"type": "redacted_thinking", "data": "d"},
                    {"type": "text", "text": "Yes."},
                    {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": "x"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "c1",
                        "is_error": False,
                        "content": [{"type": "text", "text": "1"}],
                    },
                    {"type": "text", "text": "Go on."},
                ],
            },
        ],
        "tools": [
            {"name": "f", "description": "F", "input_schema": SCHEMA, "cache_control": CACHE}
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "max_tokens": 2048,
        "temperature": 1.0,
        "top_p": 0.99,
        "top_k": 5,
        "stop_sequences": ["END"],
        "stream": False,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        "metadata": {"user_id": "ann"},
        "service_tier": "auto",
    },
    "openai_responses": {
        "model": "local",
        "instructions": "Be brief.",
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Look."},
                    {"type": "input_image", "image_url": PICTURE, "detail": "low"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": PDF},
                ],
            },
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "Hm."}],
                "encrypted_content": "twotier:signature:s",
            },
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {
                "type": "custom_tool_call_output",
                "call_id": "c2",
                "output": [{"type": "input_text", "text": "2"}],
            },
            {"role": "user", "content": "Go on."},
        ],
        "tools": [
            {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True},
            {"type": "custom", "name": "g", "format": {"type": "text"}},
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "max_output_tokens": 16,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}},
        "metadata": {"team": "a"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
        "stream": False,
        "truncation": "disabled",
        "service_tier": "auto",
        "user": "ann",
    },
    "openai_completions": {
        "model": "local",
        "prompt": ["Once"],
        "max_tokens": 9,
        "echo": True,
        "n": 1,
        "best_of": 1,
        "stop": ["END"],
        "stream": False,
        "stream_options": {"include_usage": True},
        "logprobs": None,
        "suffix": "x",
    },
    "openai_embeddings": {
        "model": "local",
        "input": ["a", "b"],
        "dimensions": 8,
        "encoding_format": "float",
        "user": "ann",
    },
}
COUNTED = ("model", "system", "messages", "tools", "tool_choice", "thinking")
TEMPLATES = {
    **TEMPLATES,
    "anthropic_count": {name: TEMPLATES["anthropic_messages"][name] for name in COUNTED},
}

# In place of any value. A text in angle brackets becomes what JSON has no Python value for.
JUNK: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    0.5,
    10**9,
    2**31,
    2**63,
    2**64,
    10**30,
    "<1e400>",
    "<-1e400>",
    "<NaN>",
    "<Infinity>",
    '<"\\ud800">',
    '<"\\ud83d\\ude42 \\u0000">',
    "",
    " ",
    "\x7f\u2028\ufeff",
    "x" * 70,
    "auto",
    "none",
    "text",
    "function",
    "base64",
    "https://example.com/a",
    "data:image/png;base64,",
    "data:text/plain;base64,%%%",
    [],
    [None],
    [[]],
    [{}],
    [1, "a", {}],
    ["a", "a"],
    {},
    {"type": "text"},
    {"type": None},
    {"": ""},
    {"a": {"b": [None]}},
)
Path = tuple[str | int, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of everything in a JSON value."""
    yield path
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        yield from places(inner, (*path, key))


def at(value: Any, path: Path) -> Any:
    """What stands there."""
    for key in path:
        value = value[key]
    return value


def written(value: Any) -> bytes:
    """As JSON, with the values that JSON has none of."""
    text = json.dumps(value, ensure_ascii=True)
    for raw in ("1e400", "-1e400", "NaN", "Infinity"):
        text = text.replace(f'"<{raw}>"', raw)
    for raw in ('"\\ud800"', '"\\ud83d\\ude42 \\u0000"'):
        text = text.replace(json.dumps(f"<{raw}>"), raw)
    return text.encode()


class Hostile:
    """An endless row of bodies for one dialect. `big` allows for those of a megabyte."""

    def __init__(self, dialect: Dialect, *, seed: int | str, big: bool = True) -> None:
        self._template = TEMPLATES[dialect]
        self._places = [path for path in places(self._template) if path]
        self._chance = random.Random(f"{dialect} {seed}")
        self._ways: list[tuple[int, Callable[[], bytes]]] = [
            (50, self._replaced),
            (15, self._gone),
            (8, self._twice),
            (8, self._grown),
            (6, self._deep),
            (8, self._bytes),
            (4, self._swapped),
            (3, self._other),
            (1 if big else 0, self._long),
        ]

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        weights = [weight for weight, _ in self._ways]
        way = self._chance.choices([way for _, way in self._ways], weights)[0]
        return way()

    def every(self) -> Iterator[bytes]:
        """Each value once in the place of each field."""
        for path in self._places:
            for junk in JUNK:
                yield written(self._with(path, junk))

    def _copy(self) -> Any:
        """The template, with a model and a stream as chance will have them."""
        body = json.loads(json.dumps(self._template))
        body["model"] = self._chance.choice(
            ["local", "wide", "frontier", "auto", "", "nobody/knows"]
        )
        if "stream" in body:
            body["stream"] = self._chance.random() < 0.3
        spare = body.keys() - {"model", "messages", "input", "prompt", "stream"}
        for name in sorted(spare):
            if self._chance.random() < 0.6:
                del body[name]
        return body

    def _somewhere(self, body: Any) -> Path:
        return self._chance.choice([path for path in places(body) if path])

    def _with(self, path: Path, junk: Any) -> Any:
        body = json.loads(json.dumps(self._template))
        at(body, path[:-1])[path[-1]] = deepcopy(junk)
        return body

    def _junk(self) -> Any:
        return deepcopy(self._chance.choice(JUNK))

    def _replaced(self) -> bytes:
        body = self._copy()
        for _ in range(self._chance.choice([1, 1, 1, 2, 3])):
            path = self._somewhere(body)
            at(body, path[:-1])[path[-1]] = self._junk()
        return written(body)

    def _gone(self) -> bytes:
        body = self._copy()
        path = self._somewhere(body)
        del at(body, path[:-1])[path[-1]]
        return written(body)

    def _twice(self) -> bytes:
        """A key that comes twice: parsers take the first or the last."""
        body = self._copy()
        name = self._chance.choice(list(body))
        again = json.dumps({name: "<again>"}, ensure_ascii=True)[1:-1]
        again = again.replace('"<again>"', written(self._junk()).decode())
        return written(body)[:-1] + b"," + again.encode() + b"}"

    def _grown(self) -> bytes:
        body = self._copy()
        path = self._somewhere(body)
        inside = at(body, path)
        if isinstance(inside, list):
            inside.extend(inside * self._chance.choice([1, 3, 200]))
        elif isinstance(inside, dict):
            inside[self._chance.choice(["", "zz", "type", "content", "\x00"])] = "x"
        else:
            at(body, path[:-1])[path[-1]] = [inside] * 3
        return written(body)

    def _deep(self) -> bytes:
        """A value so deep that a parser that calls itself runs out of stack."""
        body = self._copy()
        path = self._somewhere(body)
        at(body, path[:-1])[path[-1]] = "<deep>"
        levels = self._chance.choice([30, 200, 600, 1_100, 60_000])
        head, tail = self._chance.choice([("[", "]"), ('{"a":', "}"), ('{"type":[', "]}")])
        deep = f"{head * levels}1{tail * levels}"
        if self._chance.random() < 0.2:
            deep = head * levels
        return written(body).replace(b'"<deep>"', deep.encode())

    def _bytes(self) -> bytes:
        """Bytes lost, changed or put in."""
        data = bytearray(written(self._copy()))
        spot = self._chance.randrange(len(data))
        match self._chance.randrange(6):
            case 0:
                return bytes(data[:spot])
            case 1:
                data[spot] = self._chance.randrange(256)
            case 2:
                data[spot:spot] = self._chance.choice([b"\xff", b"\xed\xa0\x80", b"\x00", b"\xc3"])
            case 3:
                return b"\xef\xbb\xbf" + bytes(data)
            case 4:
                return bytes(data).decode().encode("utf-16")
            case _:
                return bytes(data) + self._chance.choice([b"x", b"{}", b"\x00", b" \n"])
        return bytes(data)

    def _swapped(self) -> bytes:
        """Two values change places."""
        body = self._copy()
        one, other = self._somewhere(body), self._somewhere(body)
        if one[: len(other)] == other or other[: len(one)] == one:
            return written(body)
        first, second = at(body, one), at(body, other)
        at(body, one[:-1])[one[-1]], at(body, other[:-1])[other[-1]] = second, first
        return written(body)

    def _other(self) -> bytes:
        """Nothing of the kind."""
        return self._chance.choice(
            [
                b"",
                b" ",
                b"null",
                b"[]",
                b"{}",
                b'"text"',
                b"1",
                b"[" * 5_000,
                b"--x\r\ncontent-disposition: form-data\r\n",
                b"model=local&messages=hi",
                self._chance.randbytes(60),
                written(self._chance.choice(list(TEMPLATES.values()))),
            ]
        )

    def _long(self) -> bytes:
        body = self._copy()
        path = self._somewhere(body)
        at(body, path[:-1])[path[-1]] = self._chance.choice("x ä\u0000[\\") * 1_000_000
        return written(body)
