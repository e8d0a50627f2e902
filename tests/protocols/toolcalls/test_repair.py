"""An answer's events go in, and come out with calls where calls were meant; however it was cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.toolcalls.speaking import (
    ARGUMENTS,
    NAMED,
    TOOLS,
    WRITTEN,
    Heard,
    as_heard,
    heard,
)
from twotier.domain.message import (
    Began,
    Closed,
    Conversation,
    Ended,
    Event,
    Failed,
    Finish,
    Metered,
    Observed,
    Progress,
    Reasoning,
    ReasoningDelta,
    Request,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallBegan,
    ToolCallDelta,
    ToolChoice,
    Usage,
    Whole,
)
from twotier.errors import UnsayableError, UpstreamError
from twotier.protocols.toolcalls import Habits, Kind, Repair, Repaired, repair_of
from twotier.protocols.toolcalls.families import OPENERS
from twotier.protocols.toolcalls.repair import tools_of
from twotier.protocols.toolcalls.scan import HEAD_CHARS_MAX, HELD_CHARS_MAX, READS_MAX
from twotier.protocols.wire import NO_CALLS

CALL = WRITTEN["minimax_m2"]
# What models write, and what they write it in: whole calls, halves of them, quotations, noise.
SCRAPS = st.one_of(
    st.sampled_from([*WRITTEN.values(), *sorted(OPENERS), NAMED]),
    st.sampled_from(["```", "`", "\n\n", "\n", " ", "</think>", "<", "[", "]<", '"', "text", "<|"]),
    st.sampled_from(list(WRITTEN.values())).flatmap(
        lambda text: st.integers(0, len(text)).map(lambda size: text[:size])
    ),
    st.text(alphabet="ab<>`{}[]|:\"'\n \\\uff5c", max_size=8),
)
ANSWERS = st.lists(SCRAPS, max_size=6).map("".join)
FINISHES: Any = st.sampled_from(["stop", "length", "tool_calls"])
FAMILIES = st.sampled_from(["", "hermes", "llama3_json", "minimax_m2"])


@given(
    text=ANSWERS,
    thinking=ANSWERS,
    finish=FINISHES,
    family=FAMILIES,
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_however_an_answer_is_cut_it_says_the_same(
    text: str, thinking: str, finish: Finish, family: str, cuts: list[int]
) -> None:
    """Whole, in pieces, and one character at a time."""
    whole = heard(text, thinking=thinking, finish=finish, family=family)
    single = range(max(len(text), len(thinking)))
    for places in (cuts, single):
        cuts_of = [cut for cut in places if cut <= max(len(text), len(thinking))]
        assert heard(text, thinking=thinking, finish=finish, family=family, cuts=cuts_of) == whole
    if not whole.calls:
        ended = "tool_calls_missing" if finish == "tool_calls" else finish
        assert (whole.text, whole.thinking, whole.finish) == (text, thinking, ended)


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_call_cut_at_any_place_is_the_same_call(text: str) -> None:
    """In two pieces, at every place."""
    said = f"I look, a < b:\n{text}"
    whole = heard(said)
    assert whole.calls
    assert all(heard(said, cuts=[cut]) == whole for cut in range(len(said)))


def fed(*events: Event, family: str = "") -> tuple[list[list[Event]], Repair]:
    """What comes out after each event."""
    repair = Repair(lambda: TOOLS, family=family)
    return [repair.feed([event]) for event in events], repair


def test_only_what_may_be_a_marker_is_held_back() -> None:
    """Text before it passes at once, and a character that begins none a moment later."""
    out, _ = fed(TextDelta("plain"), TextDelta("a <"), TextDelta("b"), TextDelta("<tool_"))
    assert out == [[TextDelta("plain")], [TextDelta("a ")], [TextDelta("<b")], []]


def test_a_marker_without_a_tool_is_let_go_by_the_end_of_its_head() -> None:
    """An answer about tool calls goes on streaming."""
    out, _ = fed(TextDelta("<tool_call>"), TextDelta(" is a tag." * 30))
    assert out[0] == []
    assert out[1] == [TextDelta("<tool_call>" + " is a tag." * 30)]
    out, _ = fed(TextDelta("<tool_call>\n<function=other>"))
    assert out[0] == [TextDelta("<tool_call>\n<function=other>")]
    assert len("<tool_call> is a tag.") < HEAD_CHARS_MAX


def test_json_that_names_nothing_we_know_is_let_go_by_its_name() -> None:
    """An answer in JSON streams on, also of a model that calls in JSON."""
    out, repair = fed(TextDelta('{"name": "Jo'), TextDelta('hn", "age": '), family="hermes")
    assert out == [[], [TextDelta('{"name": "John", "age": ')]]
    repair.feed([Ended("length")])
    assert repair.kinds == []


@pytest.mark.parametrize("finish", ["stop", "length"])
def test_other_json_is_no_call_that_failed(finish: Finish) -> None:
    """It begins as a call might, without a name; neither counted nor asked for again."""
    text = '{"id": 1, "x": 2}' if finish == "stop" else '{"id": 1, "x": '
    out, repair = fed(TextDelta(text), Ended(finish), family="hermes")
    assert out[1] == [TextDelta(text), Ended(finish)]
    assert repair.kinds == []
    _, repair = fed(TextDelta('{"name": "read_file", "argu'), Ended("length"), family="hermes")
    assert repair.kinds == [Kind.CUT]


def test_a_plain_piece_is_passed_on_as_it_is() -> None:
    """The same object: nothing is made anew."""
    event = TextDelta("nothing here")
    assert Repair(lambda: TOOLS).feed([event])[0] is event


def test_the_tools_are_read_when_a_marker_came_and_only_then() -> None:
    """Most answers never ask."""
    asked: list[int] = []

    def tools() -> dict[str, Any]:
        asked.append(1)
        return TOOLS

    repair = Repair(tools)
    repair.feed([TextDelta("so < many [words]")])
    assert asked == []
    repair.feed([TextDelta(CALL)])
    repair.feed([Ended("stop")])
    assert asked == [1]


@pytest.mark.parametrize("blank", ["", "\n", "\n\n"])
def test_a_call_in_the_thinking_counts_where_nothing_else_was_said(blank: str) -> None:
    """Models forget to close it."""
    found = heard(blank, thinking=f"I must look.\n{CALL}")
    assert found.calls == (("read_file", ARGUMENTS),)
    assert (found.thinking, found.text) == ("I must look.\n", "")
    assert found.kinds == (Kind.LEAKED, Kind.THINKING)


def test_a_call_in_the_thinking_is_a_thought_where_an_answer_follows() -> None:
    """The model weighed it, and said something else. Blanks keep their place."""
    found = heard("\n\nNo need.", thinking=CALL)
    assert (found.thinking, found.text, found.calls) == (CALL, "\n\nNo need.", ())


def test_blank_text_behind_a_thought_that_was_no_call_stays() -> None:
    """Nothing is lost."""
    broken = '<invoke name="read_file"><parameter name="path">a'
    found = heard("\n", thinking=broken)
    assert (found.thinking, found.text, found.kinds) == (broken, "\n", (Kind.MISFIT,))


def test_a_call_of_the_server_ends_the_search() -> None:
    """What it understood is not judged, and what was held before it is text."""
    call: list[Event] = [ToolCallBegan(0, "c", "now"), ToolCallDelta(0, "{}")]
    out, repair = fed(TextDelta(CALL), *call, TextDelta(CALL), Ended("tool_calls"), Closed())
    assert out[0] == []
    assert out[1] == [TextDelta(CALL), call[0]]
    assert out[3] == [TextDelta(CALL)]
    assert repair.kinds == []


def test_signed_thinking_is_passed_on() -> None:
    """It is not ours to read; it ends what was held before it."""
    signed = ReasoningDelta("", signature="s")
    out, _ = fed(ReasoningDelta("<tool_call>"), TextDelta("\n"), signed)
    assert out == [[], [], [ReasoningDelta("<tool_call>"), TextDelta("\n"), signed]]


def test_thinking_behind_text_that_was_held_lets_it_go() -> None:
    """Whoever thinks again has not called."""
    out, _ = fed(TextDelta(CALL), ReasoningDelta("hm"), Ended("stop"))
    assert out == [[], [TextDelta(CALL), ReasoningDelta("hm")], [Ended("stop")]]


def test_usage_and_signs_of_life_are_not_held() -> None:
    """Nor does a failure swallow what came before it."""
    usage, failed = Metered(Usage(1, 1)), Failed("x", "server", 500)
    out, repair = fed(Began("a", "m"), TextDelta("<tool_"), Progress(), usage, failed)
    assert out[2:] == [[Progress()], [usage], [TextDelta("<tool_"), failed]]
    assert repair.kinds == []


def test_a_call_that_was_announced_and_never_made_is_counted() -> None:
    """Half of one, without a name: the reader says so, and the turn fails."""
    _, repair = fed(Failed("x", NO_CALLS, 502))
    assert repair.kinds == [Kind.ABSENT]


@pytest.mark.parametrize(
    ("seen", "cut"),
    [
        (Observed(finish="length", usage=Usage(1, 50), output_bytes=49), True),
        (Observed(finish="length", usage=Usage(1, 50), output_bytes=50), False),
        (Observed(finish="length"), False),
        (Observed(finish="stop", usage=Usage(1, 50)), False),
    ],
)
def test_a_server_that_swallowed_a_cut_call_counted_its_tokens(seen: Observed, cut: bool) -> None:
    """More of them than bytes came; asked twice it is counted once."""
    repair = Repair(lambda: TOOLS)
    assert (repair.cut(seen), repair.cut(seen)) == (cut, cut)
    assert repair.kinds == [Kind.CUT] * cut


def test_a_call_of_the_server_that_the_limit_cut_is_cut() -> None:
    """What we held and what it passed on."""
    _, ours = fed(TextDelta(CALL[:-30]), Ended("length"))
    _, its = fed(ToolCallBegan(0, "c", "now"), Ended("length"))
    assert all(repair.cut(Observed(finish="length")) for repair in (ours, its))
    assert ours.kinds == its.kinds == [Kind.CUT]


@pytest.mark.parametrize("thought", [False, True])
def test_a_call_that_was_announced_and_left_in_the_text_is_made(thought: bool) -> None:
    """Its server knew that it came, and could not read it; we look first."""
    before = "I look.\n"
    text, thinking = ("", before + CALL) if thought else (before + CALL, "")
    found = heard(text, thinking=thinking, finish="tool_calls")
    assert (found.arguments, found.finish) == ([ARGUMENTS], "tool_calls")
    assert Kind.ABSENT not in found.kinds


@pytest.mark.parametrize("text", ["", "So.", f"`{CALL}`", CALL.replace('"path"', '"file"')])
def test_a_call_that_was_announced_and_fits_nowhere_is_a_failed_turn(text: str) -> None:
    """Counted once, as what its server said of it. The text stays, and nothing comes after."""
    found = heard(text, finish="tool_calls")
    assert (found.text, found.finish, found.kinds) == (text, NO_CALLS, (Kind.ABSENT,))
    out, _ = fed(TextDelta(text or "."), Ended("tool_calls"), Metered(Usage()), Closed())
    assert isinstance(out[1][-1], Failed)
    assert out[2:] == [[], []]


def test_a_refusal_calls_nothing() -> None:
    """Whatever it wrote."""
    assert heard(CALL, finish="refusal").text == CALL


def test_a_call_cut_by_the_limit_is_counted() -> None:
    """As cut, not as one that does not fit."""
    assert heard(CALL[:-30], finish="length").kinds == (Kind.CUT,)
    assert heard(CALL[:80], finish="length").kinds == (Kind.CUT,)
    assert heard(CALL, finish="length").calls


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (CALL.replace('"lines">3', '"lines">three'), (Kind.MISFIT,)),
        (CALL.replace('"path"', '"file"'), (Kind.MISFIT,)),
        (WRITTEN["hermes"].replace("3", '"3"'), (Kind.TYPES, Kind.LEAKED)),
        (WRITTEN["hermes"].replace('"lines"', "'lines'"), (Kind.JSON, Kind.LEAKED)),
    ],
)
def test_what_fits_in_other_words_is_made_to_fit_and_counted(
    text: str, kinds: tuple[Kind, ...]
) -> None:
    """And what does not fit is not called."""
    found = heard(text)
    assert found.kinds == kinds
    assert found.arguments == ([] if Kind.MISFIT in kinds else [ARGUMENTS])
    assert found.text == (text if Kind.MISFIT in kinds else "")


def test_a_call_shown_first_and_made_later_is_made() -> None:
    """Only the tail is called; what stood before stays."""
    before = f"{WRITTEN['hermes']}\nwould do, so `{CALL}` and <tool_call> and:\n"
    found = heard(before + CALL)
    assert (found.text, len(found.calls)) == (before, 1)


def test_somebody_who_shows_calls_all_the_time_makes_none() -> None:
    """There is an end to looking for the tail."""
    shown = f"{WRITTEN['hermes']} or "
    assert len(heard(shown * (READS_MAX - 1) + CALL).calls) == 1
    assert heard(shown * READS_MAX + CALL).calls == ()


@pytest.mark.parametrize("step", [HELD_CHARS_MAX * 2, 1000])
def test_an_answer_too_long_to_be_held_is_text(step: int) -> None:
    """All of it, and what follows."""
    text = f"{CALL[:60]}{'x' * (HELD_CHARS_MAX + 5_000)}{CALL[60:]} {CALL}"
    assert heard(text, cuts=range(step, len(text), step)).text == text


@pytest.mark.parametrize("depth", [10, 100, 300, 600, 900, 5_000])
@pytest.mark.parametrize("schema", [{}, {"$ref": "#/$defs/a"}])
def test_arguments_nested_without_end_break_nothing(depth: int, schema: Any) -> None:
    """Whoever nests so deep is in a loop."""
    tools = {"f": {"properties": {"x": schema}, "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}}
    nested = "[" * depth + "]" * depth
    text = f'<tool_call>{{"name": "f", "arguments": {{"x": {nested}}}}}</tool_call>'
    found = heard(text, tools=tools)
    assert found.calls or found.text == text


def test_half_a_surrogate_pair_stays_an_escape() -> None:
    """No UTF-8 has it, and the client's JSON does."""
    found = heard('<tool_call>{"name": "read_file", "arguments": {"path": "\\ud83d"}}')
    assert found.arguments == [{"path": "\ud83d"}]


def whole(*parts: Text | Reasoning | ToolCall, finish: Finish = "stop") -> Whole:
    """An answer in one piece."""
    return Whole("a", "m", parts, finish, Usage(1, 2), "end")


def test_an_answer_in_one_piece_is_repaired_the_same_way() -> None:
    """Its usage stays; the thinking too."""
    given_one = whole(Reasoning("hm"), Text(f"So.\n{CALL}"))
    mended = Repair(lambda: TOOLS).whole(given_one)
    assert mended.parts[:2] == (Reasoning("hm"), Text("So.\n"))
    (call,) = mended.parts[2:]
    assert isinstance(call, ToolCall)
    assert (call.name, call.id) == ("read_file", "call_a_0")
    assert (mended.finish, mended.usage, mended.stop_sequence) == ("tool_calls", Usage(1, 2), "end")


def test_an_answer_in_one_piece_that_announced_a_call_has_it_or_fails() -> None:
    """As in a stream."""
    announced = whole(Text(CALL), finish="tool_calls")
    mended = Repair(lambda: TOOLS).whole(announced)
    assert [part.name for part in mended.parts if isinstance(part, ToolCall)] == ["read_file"]
    repair = Repair(lambda: TOOLS)
    with pytest.raises(UpstreamError, match="no call could be read") as failed:
        repair.whole(whole(Text("So."), finish="tool_calls"))
    assert (failed.value.upstream_status, repair.kinds) == (502, [Kind.ABSENT])


@pytest.mark.parametrize(
    "untouched",
    [
        whole(Text("So.")),
        whole(Text(f"`{CALL}`")),
        whole(Text("Now."), ToolCall("c", "now", "{}"), finish="tool_calls"),
    ],
)
def test_an_answer_without_repairs_is_the_same_object(untouched: Whole) -> None:
    """So that its bytes can be forwarded as they came."""
    assert Repair(lambda: TOOLS).whole(untouched) is untouched


class Chunks:
    """A reader of one byte for each event."""

    def __init__(self) -> None:
        self.ended = False

    def feed(self, chunk: bytes) -> list[Event]:
        """A character each."""
        return [TextDelta(letter) for letter in chunk.decode()]

    def end(self) -> None:
        """The end was told."""
        self.ended = True


def test_a_reader_is_repaired_as_it_reads() -> None:
    """What it says of the end stays its own word."""
    chunks = Chunks()
    reader = Repaired(chunks, Repair(lambda: TOOLS))
    assert reader.feed(b"a<") == [TextDelta("a")]
    assert reader.feed(b"b") == [TextDelta("<b")]
    reader.end()
    assert chunks.ended


def request(dialect: Any = "openai_chat", tools: int = 1) -> Request:
    """A head."""
    return Request(dialect, b"{}", "local", tools=tools)


def conversation(choice: ToolChoice | None = None) -> Conversation:
    """What its body says."""
    return Conversation((), (Tool("now", "", {}),), choice)


def test_only_a_request_with_tools_to_a_tier_that_may_leak_is_repaired() -> None:
    """Others pay nothing, and what a server keeps under its own names stays its own."""

    def opened(asked: Request, family: str | None, upstream: Any = "openai_chat") -> Repair | None:
        habits = None if family is None else Habits(family)
        return repair_of(asked, lambda _: conversation(), habits=habits, upstream=upstream)

    assert opened(request(), "hermes") is not None
    assert opened(request(), "") is not None
    assert opened(request(), None) is None
    assert opened(request(tools=0), "") is None
    assert opened(request("anthropic_count"), "", "anthropic_count") is None
    assert opened(request("openai_responses"), "", "openai_responses") is None
    assert opened(request("openai_responses"), "") is not None


def test_tools_that_must_not_be_called_are_none() -> None:
    """`tool_choice: none` holds for text as well."""
    assert tools_of(conversation()) == {"now": {}}
    assert tools_of(conversation(ToolChoice("auto"))) == {"now": {}}
    assert tools_of(conversation(ToolChoice("none"))) == {}


def test_a_body_that_cannot_be_read_has_no_tools_here() -> None:
    """It was forwarded as it is, and its server understood it."""

    def read(_: bytes) -> Conversation:
        raise UnsayableError("x")

    repair = repair_of(request(), read, habits=Habits(), upstream="openai_chat")
    assert repair is not None
    text = '<invoke name="now"></invoke>'
    events = repair.feed([TextDelta(text), Ended("stop"), Closed()])
    assert as_heard(events, repair) == Heard(text, "", (), "stop", ())


def test_the_id_that_a_model_gave_is_kept() -> None:
    """Kimi wants to see it again with the result."""
    events = Repair(lambda: TOOLS).feed([TextDelta(WRITTEN["kimi_k2"]), Ended("stop")])
    assert events[0] == ToolCallBegan(0, "functions.read_file:0", "read_file")
