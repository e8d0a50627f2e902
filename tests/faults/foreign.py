"""Everything of ours that reads what others wrote: one entry each, with seeds, for fuzzers.

    TARGETS["json5"].take(b"{a: 1}")

It returns, also where the bytes are refused with an error that their reader declares. An error of
another kind goes on to the caller: that is a finding. `within` are the places of a well-formed
input where a stranger's text may stand, beside all of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

from tests.config.openclaw.planning import config, job, plan
from tests.hostile import TEMPLATES, written
from tests.models.made import M25, safetensors_header
from tests.outside import samples
from tests.protocols.test_anything import take as take_body
from tests.protocols.toolcalls.speaking import TOOLS, WRITTEN, heard
from twotier.agent.guard import plain, unlinked
from twotier.cli.price_update import taken
from twotier.config import edit, json5
from twotier.config.job_text import blocks, shown, typed, with_key
from twotier.config.load import check_text
from twotier.config.openclaw.include import assembled
from twotier.config.openclaw.notes import rows
from twotier.config.values import check_cron, duration_seconds
from twotier.connect import block, jsonc, toml_text
from twotier.domain import json_path
from twotier.domain.message import RELAYED, Dialect, Request
from twotier.domain.urls import shown_target, shown_url
from twotier.errors import (
    ConfigError,
    EngineError,
    StreamBrokenError,
    ToolError,
    UpstreamError,
    UsageError,
    WatchError,
)
from twotier.jobs import judging
from twotier.jobs.chat_text import parts_of, title_of
from twotier.jobs.schedule import cron_after
from twotier.ledger.prices import load_prices
from twotier.models import describe, gguf, safetensors
from twotier.outside import bills, claude_code, openclaw
from twotier.protocols import INBOUND, OUTBOUND
from twotier.protocols.freeform import unwrapped
from twotier.protocols.json_schema import problems
from twotier.protocols.normal.check import json_in
from twotier.protocols.plain_schema import plain as plain_schema
from twotier.protocols.sse import Decoder
from twotier.protocols.toolcalls.detect import BARE, by_model, by_template
from twotier.protocols.toolcalls.lenient import BrokenJsonError, read_value, strict
from twotier.service.redact import redacted
from twotier.tools.mcp_text import described, schema_of
from twotier.tools.readable import tidy
from twotier.tools.unpack import unpacked
from twotier.verify import checks, rubric, same
from twotier.watch import github_wire, x_wire
from twotier.watch.feed import FeedWatcher
from twotier.watch.html_text import html_text
from twotier.watch.json_list import JsonList, values_of
from twotier.watch.mail_text import letter_of
from twotier.watch.page import lines_of
from twotier.watch.visible import visible

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HERE = Path("twotier.toml")
FAMILIES = ("", *sorted(BARE))
Within = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """One reader. `refuses` are the errors it declares."""

    read: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...] = ()
    seeds: tuple[bytes, ...] = ()
    within: tuple[Within, ...] = ()

    def take(self, data: bytes) -> None:
        """Read it, or hear why not."""
        with suppress(*self.refuses):
            self.read(data)


def told(data: bytes) -> str:
    """The bytes as whoever opened them would have decoded them."""
    return data.decode("utf-8", "replace")


def of_text(*readers: Callable[[str], object]) -> Callable[[bytes], object]:
    """Readers of text as one of bytes."""
    return lambda data: [reader(told(data)) for reader in readers]


def of_json(reader: Callable[[Any], object]) -> Callable[[bytes], object]:
    """A reader of values as one of bytes; what is no JSON it is never given."""

    def read(data: bytes) -> object:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return None
        return reader(value)

    return read


def put_in(value: Any, mark: str = "HERE") -> Within:
    """A JSON document in which a text takes the place of a mark."""
    before, _, after = json.dumps(value).partition(f'"{mark}"')
    return lambda text: f"{before}{json.dumps(text)}{after}".encode()


def between(before: str, after: str = "") -> Within:
    """A text with a beginning and an end that are good."""
    return lambda text: f"{before}{text}{after}".encode()


# -- streams and answers of upstreams


def decoded(data: bytes) -> None:
    """Any cut gives the same events."""
    at = data[0] * len(data) // 256 if data else 0
    whole, cut = Decoder(), Decoder()
    try:
        events = whole.feed(data)
    except StreamBrokenError:
        return
    assert [*cut.feed(data[:at]), *cut.feed(data[at:])] == events


def observed(dialect: Dialect, data: bytes) -> None:
    """As a stream that is read, as one that is passed on, whole, and as an error."""
    outbound, inbound = OUTBOUND[dialect], INBOUND[dialect]
    asked = Request(dialect, b"{}", "m", stream=True, include_usage=True)
    for reader in (outbound.stream_reader(), inbound.stream_relay(asked)):
        with suppress(StreamBrokenError, UpstreamError):
            reader.feed(data)
            reader.end()
    with suppress(StreamBrokenError, UpstreamError):
        outbound.read_whole(data)
    with suppress(StreamBrokenError, UpstreamError):
        outbound.observe_whole(data)
    outbound.read_error(500, data, headers={})


STREAMED: dict[str, tuple[bytes, ...]] = {
    "openai_chat": (
        (
            b'data: {"id":"a","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
            b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f",'
            b'"arguments":"{}"}}]},"finish_reason":"tool_calls"}]}\n\ndata: {"choices":[],"usage":'
            b'{"prompt_tokens":3,"completion_tokens":1}}\n\ndata: [DONE]\n\n'
        ),
        b'{"error":{"message":"m","type":"t","code":1}}',
    ),
    "anthropic_messages": (
        (
            b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":'
            b'{"input_tokens":3}}}\n\n'
            b'data: {"type":"content_block_start","index":0,"content_block":'
            b'{"type":"tool_use","id":"c","name":"f","input":{}}}\n\ndata: {"type":'
            b'"content_block_delta","index":0,"delta":{"type":"input_json_delta",'
            b'"partial_json":"{}"}}'
            b'\n\ndata: {"type":"content_block_stop","index":0}\n\ndata: {"type":"message_delta",'
            b'"delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":1}}\n\n'
            b'data: {"type":"message_stop"}\n\n'
        ),
        b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}',
    ),
    "openai_responses": (
        (
            b'data: {"type":"response.created","response":{"id":"r","model":"m"}}\n\ndata: {"type":'
            b'"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"i",'
            b'"call_id":"c","name":"f","arguments":""}}\n\ndata: {"type":'
            b'"response.function_call_arguments.delta","output_index":0,"delta":"{}"}\n\n'
            b'data: {"type":'
            b'"response.completed","response":{"id":"r","status":"completed","usage":'
            b'{"input_tokens":3,"output_tokens":1}}}\n\n'
        ),
    ),
}


# -- what models write


def called(data: bytes) -> None:
    """An answer with the family, the thinking and the pieces that its first byte says."""
    first, text = (data[0], told(data[1:])) if data else (0, "")
    half = len(text) // 2
    heard(text, cuts=[half] * (first % 2), family=FAMILIES[first // 2 % len(FAMILIES)])
    heard("", thinking=text, finish="length" if first % 3 else "stop")


def lenient(data: bytes) -> None:
    """Arguments as a model writes them."""
    text = told(data)
    with suppress(ValueError, RecursionError):
        strict(text)
    with suppress(BrokenJsonError, RecursionError):
        read_value(text, 0)
    unwrapped(text)
    json_in(text)


SUM = "In three lines: how many are 12 * 3 + 4? Answer yes or no, see https://example.com/a."


def verified(data: bytes) -> None:
    """An answer under every free look, and what it comes to."""
    text = told(data)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    for form in (None, schema):
        asked = checks.Asked(prompt=SUM, sources=(SUM, text[:400]), schema=form, tools=TOOLS)
        checks.look(asked, checks.Said(text, calls=(("read_file", text),)))
    same.value_of(text, prompt=SUM)
    same.value_of(text, prompt=SUM, structured=True)
    checks.lines_asked(text)
    rubric.read(text)
    rubric.question(text, (text,), answer=text)
    judging.word(text)
    judging.because(text)
    judging.question(text, (text,), answers=(text, text))


# -- files of the owner and of other programs


def configured(data: bytes) -> None:
    """A configuration file."""
    check_text(told(data), HERE)


def imported(data: bytes) -> None:
    """OpenClaw's configuration, then a list of its jobs, between them a NUL."""
    first, _, second = data.partition(b"\0")
    raw = assembled(told(first), path="openclaw.json", opened=lambda name, _: (name, "{}"))
    plan(raw if isinstance(raw, dict) else {}, rows(json5.read(told(second) or "[]", source="j")))


def scheduled(data: bytes) -> None:
    """An expression, and the first times it names."""
    text = told(data)
    with suppress(ValueError):
        duration_seconds(text)
    if not check_cron(text):
        list(islice(cron_after(text, "Europe/Berlin", after=NOON), 5))


def edited(data: bytes) -> None:
    """Files that are changed as text, a person's own marks kept."""
    text = told(data)
    with suppress(ConfigError):
        jsonc.drop(jsonc.put(text, ("a", "b"), value={"c": [1]}), ("a", "b"), down_to=0)
    with suppress(ConfigError):
        toml_text.put_table(toml_text.put_top(text, "model", to="m"), "tiers", settings={"a": 1})
    with suppress(ConfigError):
        block.put(text, "a: 1", under="models")
    with suppress(ConfigError):
        with_key(text, "every", to="30m")
    list(blocks(text))
    typed(text)
    edit.put(text, "gateway", key="port", to=1)
    edit.cut(text, "gateway")


# -- what watchers and tools are sent

AROUND: Any = None  # a feed looks at it only where it asks the network
FEED = FeedWatcher("https://example.com/f", since_seconds=None, item_bytes_max=9_000, around=AROUND)
LISTED = JsonList.of(
    {
        "items": "data.items",
        "item_bytes_max": 9_000,
        **dict.fromkeys(("title", "text", "author", "at", "link"), "text"),
        "id": "id",
    },
    "https://example.com",
)


def watched(data: bytes) -> None:
    """An answer of GitHub and of X, and a list somewhere in JSON."""
    found = github_wire.decoded(data)
    threads = github_wire.threads_of(found)
    for row in github_wire.rows(found):
        github_wire.item_of(github_wire.rest_post(row), "t", bytes_max=99)
    github_wire.graphql_errors(found)
    github_wire.refusal(403, {"link": told(data)}, raw=data)
    github_wire.next_page({"link": told(data)})
    github_wire.page_link(told(data))
    x_wire.posts_of(data, bytes_max=99)
    x_wire.refusal(503, data)
    LISTED.entries(values_of(data, "here"))
    assert threads is not None


def paged(data: bytes) -> None:
    """A page, as lines and as words."""
    text = told(data)
    html_text(text)
    lines_of(text, is_html=True)
    lines_of(text, is_html=False)
    tidy(text)


def packed(data: bytes) -> None:
    """What came packed: no more than is allowed is ever unpacked."""
    for encoding in ("gzip", "deflate"):
        with suppress(ValueError):
            assert len(unpacked(data, encoding, bytes_max=10_000)) <= 10_000


def schemas(value: Any) -> None:
    """A schema of a client or of an MCP server, and a value for it."""
    schema, given = ([*value, None, None])[:2] if isinstance(value, list) else (value, value)
    problems(given, schema)
    if isinstance(schema, dict):
        with suppress(RecursionError):  # `exchange` expects that it is too deep, and says so
            plain_schema(schema)
        schema_of(schema, tool="t")


def priced(data: bytes) -> None:
    """A list of prices: the public one, and a file of the house."""
    with suppress(ConfigError):
        load_prices(told(data))
    seed = taken(data, origin="https://example.com/list.json", today=NOON.date())
    for provider, model in islice(seed.models(), 20):
        seed.price(provider, model, on=date(2026, 3, 2))


def weighed(data: bytes) -> None:
    """Headers of model files."""
    with suppress(EngineError):
        gguf.header(BytesIO(data).read)
    with suppress(EngineError):
        safetensors.header_bytes(data[:8])
    with suppress(EngineError):
        safetensors.weights(data)
    with suppress(EngineError):
        found = describe.config_of(data)
        header = safetensors.weights(safetensors_header({"a": ("BF16", [4])}))
        describe.of_parts("m", found, found=header, origin="here")


def audited(data: bytes) -> None:
    """Other programs' logs, and a provider's own reports."""
    claude_code.read(data)
    openclaw.read(data)
    bills.read(data)


PRICES = [
    {
        "id": "p",
        "name": "P",
        "models": [
            {"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 2, "output_mtok": "8"}}
        ],
    }
]
RSS = (
    b'<rss version="2.0"><channel><title>N</title><item><guid>a</guid><title>b</title><description>'
    b"&lt;p&gt;c&lt;/p&gt;</description><pubDate>Mon, 02 Mar 2026 12:00:00 GMT</pubDate></item>"
    b"</channel></rss>"
)
ATOM = (
    b'<feed xmlns="http://www.w3.org/2005/Atom"><title>N</title><entry><id>a</id><title>b</title>'
    b'<link href="/a"/><updated>2026-03-02T12:00:00Z</updated><content type="html">c</content>'
    b"</entry></feed>"
)
JSON_FEED = (
    b'{"version":"https://jsonfeed.org/version/1.1","title":"N","items":[{"id":"a","title":"b",'
    b'"content_html":"<p>c</p>","date_published":"2026-03-02T12:00:00Z"}]}'
)
PAGE = b"<html><head><title>a</title><style>b</style></head><body><h1>c</h1><p>d &amp; e<!--f-->"
MAIL = (
    b"From: =?utf-8?q?J=C3=B6rg?= <a@example.org>\nDate: Mon, 2 Mar 2026 13:00:00 +0100\n"
    b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain; charset=utf-8\n"
    b"Content-Transfer-Encoding: base64\n\nSGk=\n--x\nContent-Disposition: attachment; filename="
    b"a.pdf\n\nb\n--x--\n"
)
GITHUB = {
    "repository": {
        "discussions": {
            "nodes": [{"id": "a", "title": "HERE", "body": "b", "comments": {"nodes": []}}],
            "pageInfo": {"endCursor": "c", "hasNextPage": True},
        }
    }
}
POSTS = {"data": [{"id": "1", "text": "HERE", "created_at": "2026-03-02T12:00:00Z"}], "meta": {}}
TOML = (
    '[tiers.local]\nengine = "openai"\nmodel = "m"\nbase_url = "http://127.0.0.1:1/v1"\n\n'
    '[[jobs]]\nname = "a"\ncron = "30 6 * * 1-5"\nprompt = "p"\n[jobs.watch]\nkind = "feed"\n'
)
IMPORTS = (
    json.dumps(config()).encode() + b"\0" + json.dumps([job()]).encode(),
    json.dumps(config(primary={"primary": "m25", "fallbacks": ["opus"]})).encode()
    + b"\0"
    + json.dumps(
        [job("Check my mail me@example.org", schedule={"kind": "cron", "expr": "0 7 * * *"})]
    ).encode(),
)
BY_THE_MODEL = tuple(bytes([2 * at + 1]) + one.encode() for at, one in enumerate(WRITTEN.values()))


def spoken(dialect: Dialect) -> Within:
    """A request whose every short text is this one."""
    template = written(TEMPLATES[dialect]).decode()

    def body(text: str) -> bytes:
        said = json.dumps(text)
        filled = template.replace('"Look."', said).replace('"Be brief."', said)
        return filled.replace('"Once"', said).replace('"F"', said).replace('"{}"', said).encode()

    return body


TARGETS: dict[str, Target] = {
    "sse": Target(decoded, seeds=sum(STREAMED.values(), ()), within=(between("data: "),)),
    **{
        f"upstream_{dialect}": Target(
            partial(observed, dialect),
            seeds=STREAMED.get(dialect, ()),
            within=(between("data: "), between('data: {"choices":[{"delta":{"content":"')),
        )
        for dialect in sorted(set(OUTBOUND) & set(INBOUND) - RELAYED)
    },
    **{
        f"body_{dialect}": Target(
            partial(take_body, dialect),
            seeds=(written(TEMPLATES[dialect]),),
            within=(spoken(dialect), between('{"model":"m","messages":[{"role":"user","content":')),
        )
        for dialect in sorted(INBOUND)
    },
    "calls": Target(
        called,
        seeds=BY_THE_MODEL,
        within=tuple(between(chr(2 * at)) for at in range(len(FAMILIES))),
    ),
    "lenient": Target(
        lenient,
        seeds=(b"{'a': [1, True,], b: \"c\"", b'```json\n{"a": 1}\n```'),
        within=(between("{'a': \""), between('{"input": "'), between('{"a":'), between("[")),
    ),
    "schema": Target(
        of_json(schemas),
        (ToolError,),
        (
            (
                b'[{"type":"object","properties":{"a":{"type":["string","null"],"pattern":"a+"}},'
                b'"required":["a"],"$defs":{"b":{"anyOf":[{"$ref":"#/$defs/b"}]}}},{"a":"b"}]'
            ),
        ),
        (put_in([{"properties": {"a": {"enum": ["HERE"]}}}, {"a": 1}]), put_in([{}, "HERE"])),
    ),
    "template": Target(of_text(by_template, by_model), seeds=(b"{{ '<tool_call>' }}", b"Qwen3-8B")),
    "verified": Target(
        verified,
        seeds=(SUM.encode(), b"12 * 3 = 36\n\\boxed{\\frac{1}{2}} Yes, #12 ABC-1", b"- a\n- b"),
        within=(between("\\boxed{"), between("Yes"), between("1+1=2 "), between('{"a":')),
    ),
    "json5": Target(
        lambda data: json5.read(told(data), source="a"),
        (ConfigError,),
        (b"{a: 1, 'b': [.5, 0x1F, +1e3,], // c\n/* d */ \"e\": '\\u0041\\\n'}",),
        (between("{a: "), between("{a: '"), between("/*"), between("[")),
    ),
    "config": Target(
        configured,
        (ConfigError,),
        (TOML.encode(),),
        (between(f"{TOML}url = '"), between("a = "), between("a = [")),
    ),
    "openclaw": Target(
        imported,
        (ConfigError,),
        IMPORTS,
        (
            lambda text: json.dumps(config()).encode() + b"\0" + json.dumps([job(text)]).encode(),
            lambda text: b"{}\0" + json.dumps([job(f"check github {text}", name=text)]).encode(),
            lambda text: json.dumps(
                {"agents": {"defaults": {"heartbeat": {"every": text}}}}
            ).encode(),
        ),
    ),
    "schedule": Target(scheduled, seeds=(b"30 6 * * 1-5", b"*/5 0-3,7 1 jan L", b"1h30m", b"0.5s")),
    "edited": Target(
        edited, seeds=(TOML.encode(), b'{\n  "a": {"b": 1}, // c\n}', b"models:\n- a")
    ),
    "feed": Target(
        lambda data: FEED._entries(data, "https://example.com/f"),
        (WatchError,),
        (RSS, ATOM, JSON_FEED),
        (between(RSS.decode().replace("b</title>", "")), between(ATOM.decode()[:-40])),
    ),
    "watched": Target(
        watched,
        (WatchError,),
        (json.dumps(GITHUB).encode(), json.dumps(POSTS).encode(), b'{"data":{"items":[{"id":1}]}}'),
        (put_in(GITHUB), put_in(POSTS), put_in({"data": {"items": [{"id": "1", "text": "HERE"}]}})),
    ),
    "page": Target(paged, seeds=(PAGE,), within=(between("<p>"), between("<!--"), between("<a "))),
    "mail": Target(
        partial(letter_of, text_bytes_max=9_000),
        seeds=(MAIL,),
        within=(between("Subject: "), between(MAIL.decode()[:-5]), between("Content-Type: a/b;")),
    ),
    "packed": Target(
        packed, seeds=(bytes.fromhex("1f8b0800000000000003cbc80400ac2a93d802000000"),)
    ),
    "prices": Target(
        priced,
        (ConfigError,),
        (json.dumps(PRICES).encode(), b'[[price]]\nprovider = "a"\nmodel = "b"\ninput = 1\n'),
        (between('[{"id":"p","models":['),),
    ),
    "model files": Target(
        weighed,
        seeds=(
            safetensors_header({"a": ("BF16", [2, 3])}),
            json.dumps(M25).encode(),
            b"GGUF\x03\0\0\0" + bytes(7) + b"\0" + b"\x01" + bytes(7),
        ),
    ),
    "audited": Target(
        audited,
        (UsageError,),
        (
            samples.claude(),
            samples.openclaw(),
            b'{"data":[{"starting_at":"2026-03-10T00:00:00Z"}]}',
        ),
    ),
    "words": Target(
        of_text(
            *(
                plain,
                unlinked,
                redacted,
                visible,
                shown_url,
                shown_target,
                shown,
                title_of,
                html_text,
            ),
            partial(parts_of, units_max=4_000),
            partial(described, characters_max=400),
        ),
        seeds=(
            b"![a](https://example.com/?a=b) <img src=c> [d](e) a@example.org token=f sk-012345678",
            b"```py\nx\n```\n| a | b |\nBearer abcdefgh12 0.0.0.0 /home/me/x 00:11:22:33:44:55",
        ),
        within=(between("https://"), between("token"), between("[a](")),
    ),
    "json path": Target(
        of_text(json_path.parts_of), (ValueError,), (b'data.items[0]["a\\"b"].c',), (between('["'),)
    ),
}
