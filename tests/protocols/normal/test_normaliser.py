"""Bodies as a server can be told them: what is mended, what is said in words, what is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from twotier.domain.message import Request
from twotier.errors import RequestError
from twotier.protocols.normal import Manners, Normaliser, normaliser
from twotier.protocols.normal import orders as words
from twotier.protocols.openai_chat.turns import NO_RESULT
from twotier.protocols.wire import Order, Outgoing

# The article's server: everything that can be wrong with one.
STRICT = Manners(
    turns_strict=True,
    thinking="reasoning_content",
    texts_joined=True,
    schemas_plain=True,
    tool_choice="ignored",
    response_format="ignored",
)
WORDS = ("tool_choice", "parallel_tool_calls", "response_format")
USER = {"role": "user", "content": "hello"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
OTHER = {"type": "function", "function": {"name": "other", "parameters": {"type": "object"}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def call(id_: Any = "c1", arguments: Any = "{}", name: str = "look") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def called(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": list(calls), **more}


def result(id_: str = "c1", text: str = "milk") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": text}


def treated(
    *messages: dict[str, Any], manners: Manners = STRICT, **fields: Any
) -> tuple[dict[str, Any], Outgoing]:
    """The body that is sent, and what is known about it."""
    body = json.dumps({"messages": messages, **fields}).encode()
    out = Normaliser(manners).rewrite(
        Request("openai_chat", body, "m"),
        model="default_model",
        max_output_tokens=50,
        stream=True,
        keep=frozenset({"tools", "seed", "temperature", *WORDS}),
    )
    return json.loads(out.body), out


def messages_of(*messages: dict[str, Any], manners: Manners = STRICT) -> list[dict[str, Any]]:
    body, _ = treated(*messages, manners=manners)
    found: list[dict[str, Any]] = body["messages"]
    return found


def test_a_server_that_takes_everything_has_no_normaliser() -> None:
    assert normaliser(Manners()) is None
    assert normaliser(STRICT) is not None


def test_a_sound_body_is_left_alone_but_for_the_limit_and_the_name() -> None:
    """Two calls answered out of order, a refusal, a late user: nothing a template minds."""
    talk = [
        {"role": "system", "content": "Be brief."},
        USER,
        called(call("c1"), call("c2")),
        result("c2"),
        result("c1"),
        {"role": "assistant", "content": "Done."},
        USER,
    ]
    body, out = treated(*talk, temperature=0.5, seed=1)
    assert body == {
        "messages": talk,
        "temperature": 0.5,
        "seed": 1,
        "max_tokens": 50,
        "model": "default_model",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert (out.unsaid, out.order) == ((), None)


def test_null_says_nothing() -> None:
    """mlx-lm refuses the whole request for a temperature of null."""
    body, out = treated(USER, temperature=None, tools=None, tool_choice=None, stop=None)
    assert body.keys() == {"messages", "max_tokens", "model", "stream", "stream_options"}
    assert out.unsaid == ()


def test_the_first_developer_is_the_system_and_later_ones_stand_with_the_user() -> None:
    """Only the first message may be `system` in the M2 template; others vanish without an error."""
    said = messages_of({"role": "developer", "content": "Be brief."}, USER)
    assert said == [{"role": "system", "content": "Be brief."}, USER]
    for role in ("system", "developer"):
        said = messages_of(USER, {"role": role, "content": "Now in French."}, USER)
        assert [message["role"] for message in said] == ["user"] * 3
        assert "Now in French." in said[1]["content"]
    two = [{"role": "system", "content": "A"}, {"role": "developer", "content": "B"}, USER]
    assert messages_of(*two) == [{"role": "system", "content": "A\n\nB"}, USER]


def test_thinking_goes_back_in_the_field_the_template_reads() -> None:
    """The answer said `reasoning`; a template that looks for `reasoning_content` would lose it, and
    the cached prefix with it.
    """
    for name in ("reasoning", "thinking"):
        (_, said, _) = messages_of(USER, {"role": "assistant", "content": "a", name: "hm"}, USER)
        assert said == {"role": "assistant", "content": "a", "reasoning_content": "hm"}
    both = {"role": "assistant", "content": "a", "reasoning": "no", "reasoning_content": "hm"}
    (_, said, _) = messages_of(USER, both, USER)
    assert said == {"role": "assistant", "content": "a", "reasoning_content": "hm\n\nno"}
    empty = {"role": "assistant", "content": "a", "reasoning": None}
    (_, said, _) = messages_of(USER, empty, USER)
    assert said == {"role": "assistant", "content": "a"}
    ollama = Manners(thinking="reasoning")
    given = {"role": "assistant", "content": "a", "reasoning_content": "hm"}
    (said,) = messages_of(given, manners=ollama)
    assert said == {"role": "assistant", "content": "a", "reasoning": "hm"}
    assert messages_of({"role": "assistant", "content": "a"}, manners=ollama)
    assert messages_of(both | {"thinking": "x"}, manners=Manners(thinking="thinking")) == [
        {"role": "assistant", "content": "a", "thinking": "x\n\nhm\n\nno"}
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ({"a": 1}, '{"a": 1}'),
        ("", "{}"),
        (None, "{}"),
        ('{"a": ', '{"unparsed":"{\\"a\\": "}'),
        ("[1]", '{"unparsed":"[1]"}'),
    ],
)
def test_past_arguments_are_the_text_of_an_object(given: Any, said: str) -> None:
    """mlx-lm refuses the whole conversation otherwise."""
    (_, turn, _) = messages_of(USER, called(call("c0"), call("c1", given)), result("c0"), result())[
        :3
    ]
    assert json.loads(turn["tool_calls"][1]["function"]["arguments"]) == json.loads(said)
    assert turn["tool_calls"][0] == call("c0")


def test_arguments_that_are_not_there_are_none() -> None:
    bare = {"id": "c1", "type": "function", "function": {"name": "look"}}
    (_, turn, _) = messages_of(USER, called(bare), result())
    assert turn["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}


def test_results_and_calls_find_each_other() -> None:
    """A result without a call raises in the M2 template; a call without a result hangs others."""
    told = messages_of(USER, result("c9"))
    assert [message["role"] for message in told] == ["user", "user"]
    assert "milk" in str(told[1]["content"])
    waiting = messages_of(USER, called(call()), USER)
    assert waiting[2] == {"role": "tool", "tool_call_id": "c1", "content": NO_RESULT}
    assert messages_of(USER, called(call()))[2]["content"] == NO_RESULT
    for odd in (call(None), call("")):
        assert messages_of(USER, called(odd), USER)[2]["role"] == "tool"
    twice = messages_of(USER, called(call("c1"), call("c1")), result(), result())
    assert [message["role"] for message in twice[2:]] == ["tool", "tool"]


def test_what_is_lost_where_the_order_is_mended_is_named() -> None:
    """Names of speakers, and fields nobody knows."""
    late = {"role": "system", "content": "now", "name": "boss", "mood": "good"}
    _, out = treated(USER, late, USER, {"role": "assistant", "content": "a", "cache_control": {}})
    assert out.unsaid == ("messages[].cache_control", "messages[].mood", "messages[].name")


def test_what_cannot_be_a_message_is_refused_by_name() -> None:
    with pytest.raises(RequestError, match=r"messages\[1\].role"):
        treated(USER, {"role": "narrator", "content": "x"}, {"role": "system", "content": "y"})
    with pytest.raises(RequestError, match=r"tool_calls\[0\].function.name: is missing"):
        treated(USER, called({"id": "c1"}))
    with pytest.raises(RequestError, match="tool_calls"):
        treated(USER, {"role": "assistant", "tool_calls": 7})


def test_a_conversation_that_says_nothing_is_refused() -> None:
    nothing = {"role": "system", "content": None}
    with pytest.raises(RequestError, match="say nothing"):
        treated(nothing, nothing, manners=Manners(turns_strict=True))


def test_texts_are_one_text_where_the_server_would_make_messages_of_them() -> None:
    """Ollama makes a message of each part, and refuses a content that is null."""
    texts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    image = [*texts, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    said = messages_of(
        {"role": "user", "content": texts},
        {"role": "assistant", "content": None},
        {"role": "user"},
        {"role": "user", "content": image},
        called(call(), content=None, role="assistant"),
        result(),
    )
    assert [message.get("content") for message in said] == ["a\n\nb", "", "", image, None, "milk"]


def test_a_mended_answer_may_have_a_call_without_a_function() -> None:
    """Where order is not looked at, what is odd stays for the server to name."""
    loose = Manners(thinking="reasoning_content", texts_joined=True)
    odd = {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}], "reasoning": "r"}
    (said,) = messages_of(odd, manners=loose)
    assert said["tool_calls"] == [{"id": "c"}]
    strict = Manners(turns_strict=True)
    assert messages_of(USER, called(call(arguments={})), result(), manners=strict)


def test_a_call_of_another_kind_stays_where_its_neighbour_is_mended() -> None:
    custom = {"id": "c2", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    talk = [USER, called(call(arguments="{broken"), custom), result(), result("c2")]
    (turn,) = [one for one in messages_of(*talk) if one.get("tool_calls")]
    assert [one["id"] for one in turn["tool_calls"]] == ["c1", "c2"]
    assert json.loads(turn["tool_calls"][0]["function"]["arguments"]) is not None


def test_schemas_are_said_plainly_and_the_same_tools_only_once() -> None:
    nullable = {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}
    tool = {"type": "function", "function": {"name": "look", "parameters": nullable}}
    body, out = treated(USER, tools=[tool, TOOL, {"type": "odd"}])
    said = body["tools"][0]["function"]["parameters"]["properties"]["n"]
    assert said == {"type": "integer", "description": "May be null."}
    assert body["tools"][1:] == [TOOL, {"type": "odd"}]
    assert out.unsaid == ()
    around = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    _, out = treated(USER, tools=[{"type": "function", "function": {"parameters": around}}])
    assert out.unsaid == ("tools[].function.parameters.$ref",)
    with pytest.raises(RequestError):
        treated(USER, tools=7)


def test_a_custom_tool_is_a_function_of_one_text() -> None:
    """Templates know no other; its calls come back as custom ones, so the answer is read."""
    custom = {"type": "custom", "custom": {"name": "shell", "description": "Runs."}}
    body, out = treated(USER, tools=[custom, TOOL])
    shell, look = body["tools"]
    assert shell["function"]["name"] == "shell"
    assert shell["function"]["parameters"]["properties"].keys() == {"input"}
    assert (look, out.order, out.unsaid) == (TOOL, Order(), ())
    past = {"id": "c1", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
    body, _ = treated(USER, called(past), result(), tools=[custom])
    assert body["messages"][1]["tool_calls"][0]["function"] == {
        "name": "shell",
        "arguments": '{"input":"ls"}',
    }
    with pytest.raises(RequestError, match="custom"):
        treated(USER, tools=[{"type": "custom"}])
    with pytest.raises(RequestError, match="name"):
        treated(USER, tools=[{"type": "custom", "custom": {}}])


def test_the_tools_of_each_request_are_its_own() -> None:
    """One server is asked by many: the same again, others between, such as are refused."""
    one = Normaliser(STRICT)

    def said(*tools: dict[str, Any]) -> list[dict[str, Any]]:
        body = json.dumps({"messages": [USER], "tools": tools}).encode()
        request = Request("openai_chat", body, "m")
        out = one.rewrite(request, model="m", max_output_tokens=5, stream=False)
        found: list[dict[str, Any]] = json.loads(out.body)["tools"]
        return found

    for tools in ((TOOL,), (TOOL,), (OTHER, TOOL), (TOOL,)):
        assert said(*tools) == list(tools)
    for _ in range(2):
        with pytest.raises(RequestError, match="custom"):
            said({"type": "custom"})
    assert said(TOOL) == [TOOL]


def test_no_tool_may_be_called_means_none_is_shown() -> None:
    body, out = treated(USER, tools=[TOOL], tool_choice="none")
    assert not body.keys() & {"tools", "tool_choice"}
    assert out.order is None


@pytest.mark.parametrize("choice", ["auto", None])
def test_a_choice_that_is_the_default_is_left_out(choice: Any) -> None:
    body, out = treated(USER, tools=[TOOL], tool_choice=choice, parallel_tool_calls=True)
    assert (body["tools"], out.order) == ([TOOL], None)
    assert not body.keys() & {"tool_choice", "parallel_tool_calls"}
    assert body["messages"] == [USER]


def test_a_call_that_must_come_is_asked_for_in_words_and_ordered() -> None:
    body, out = treated(USER, tools=[TOOL, OTHER], tool_choice="required")
    assert out.order == Order(must_call=True)
    assert body["messages"][0]["content"] == f"hello\n\n{words.ANY_CALL}"
    named = {"type": "function", "function": {"name": "look"}}
    body, out = treated(USER, tools=[TOOL, OTHER], tool_choice=named)
    assert out.order == Order(must_call=True, name="look")
    assert body["tools"] == [TOOL]
    assert "look" in body["messages"][0]["content"]
    for mode in ("required", "auto"):
        allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": "other"}}]}
        choice = {"type": "allowed_tools", "allowed_tools": allowed}
        body, out = treated(USER, tools=[TOOL, OTHER], tool_choice=choice)
        assert body["tools"] == [OTHER]
        assert out.order == (Order(must_call=True) if mode == "required" else None)


def test_a_server_that_knows_only_words_is_told_one_and_checked() -> None:
    """LM Studio refuses a tool by name, and the form `json_object`."""
    words_only = Manners(tool_choice="words", response_format="schema")
    named = {"type": "function", "function": {"name": "look"}}
    fields: dict[str, Any] = {"tools": [TOOL, OTHER], "tool_choice": named}
    body, out = treated(USER, manners=words_only, **fields)
    assert (body["tool_choice"], body["tools"]) == ("required", [TOOL])
    assert body["messages"] == [USER]
    assert out.order == Order(must_call=True, name="look")
    again, _ = treated(USER, manners=words_only, **{name: body[name] for name in fields})
    assert again == body
    body, out = treated(USER, manners=words_only, tools=[TOOL], tool_choice="auto")
    assert ("tool_choice" in body, out.order) == (False, None)
    body, out = treated(USER, manners=words_only, response_format={"type": "json_object"})
    form = {"name": "answer", "schema": {"type": "object"}}
    assert body["response_format"] == {"type": "json_schema", "json_schema": form}
    assert (body["messages"], out.order) == ([USER], None)
    again, _ = treated(USER, manners=words_only, response_format=body["response_format"])
    assert again == body


def test_one_call_at_most() -> None:
    body, out = treated(USER, tools=[TOOL], parallel_tool_calls=False)
    assert out.order == Order(single=True)
    assert body["messages"][0]["content"].endswith(words.SINGLE)
    body, out = treated(USER, tools=[TOOL], tool_choice="required", parallel_tool_calls=False)
    assert out.order == Order(must_call=True, single=True)
    body, out = treated(USER, parallel_tool_calls=False, tool_choice="required")
    assert (body["messages"], out.order) == ([USER], None)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("sometimes", "tool_choice: use auto"),
        ({"type": "function"}, "names nothing"),
        ({"type": "function", "function": {"name": "nobody"}}, "names nobody"),
        ({"type": "allowed_tools"}, "names nothing"),
    ],
)
def test_a_choice_nobody_can_follow_is_refused(choice: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        treated(USER, tools=[TOOL], tool_choice=choice)


def test_json_is_asked_for_in_words_and_ordered() -> None:
    body, out = treated(USER, response_format={"type": "json_object"})
    assert out.order == Order(schema={})
    assert words.ANY_OBJECT in body["messages"][0]["content"]
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    body, out = treated(USER, response_format=form)
    assert out.order == Order(schema=SCHEMA)
    assert '"required":["a"]' in body["messages"][0]["content"]
    assert treated(USER, response_format={"type": "text"})[1].order is None
    # A call that must come has a form of its own.
    _, out = treated(USER, response_format=form, tools=[TOOL], tool_choice="required")
    assert out.order == Order(must_call=True)
    with pytest.raises(RequestError, match="response_format"):
        treated(USER, response_format={"type": "grammar"})


def test_the_schema_of_an_answer_is_said_plainly_too() -> None:
    """llama.cpp refuses one that refers to itself; what is cut is named, and the answer is held to
    the client's own.
    """
    llama = Manners(schemas_plain=True)
    around = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": around}}
    body, out = treated(USER, manners=llama, response_format=form)
    said = body["response_format"]["json_schema"]
    assert said["schema"]["properties"]["next"]["properties"]["next"] == {"type": "object"}
    assert (said["name"], said["strict"]) == ("x", True)
    assert out.unsaid == ("response_format.json_schema.schema.$ref",)
    assert out.order == Order(schema=around)
    for fine in (
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
    ):
        body, out = treated(USER, manners=llama, response_format=fine)
        assert (body["response_format"], out.order) == (fine, None)


def test_a_wish_stands_where_it_breaks_no_cached_prefix() -> None:
    """With the user's last words; else with the system's, which is made where there is none."""
    form = {"type": "json_object"}
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}]}
    loose = Manners(response_format="ignored")
    body, _ = treated(parts, manners=loose, response_format=form)
    assert body["messages"][0]["content"][1] == {"type": "text", "text": words.ANY_OBJECT}
    body, _ = treated({"role": "user", "content": ""}, response_format=form)
    assert body["messages"][0]["content"] == words.ANY_OBJECT
    tail = [called(call()), result()]
    body, _ = treated({"role": "system", "content": "S"}, USER, *tail, response_format=form)
    assert body["messages"][0]["content"] == f"S\n\n{words.ANY_OBJECT}"
    body, _ = treated(USER, *tail, response_format=form)
    assert body["messages"][0] == {"role": "system", "content": words.ANY_OBJECT}


def test_a_translated_body_is_treated_too() -> None:
    body = {"messages": [USER], "tools": [TOOL], "tool_choice": "required"}
    given = Outgoing(json.dumps(body).encode(), ("metadata",))
    out = Normaliser(STRICT).written(given)
    assert out.unsaid == ("metadata",)
    assert out.order == Order(must_call=True)


TEXTS = st.sampled_from(["", "a", "b c", "é"])
THINKING = st.dictionaries(
    st.sampled_from(["reasoning", "reasoning_content", "thinking"]),
    st.one_of(st.none(), TEXTS),
    max_size=2,
)
CONTENTS = st.one_of(
    st.none(), TEXTS, st.lists(TEXTS.map(lambda text: {"type": "text", "text": text}), max_size=2)
)
CALLS = st.lists(
    st.builds(
        call,
        st.sampled_from(["c1", "c2", None, ""]),
        st.sampled_from(["{}", '{"a":1}', "nonsense", "", None, {"a": 1}]),
    ),
    min_size=1,
    max_size=2,
)
MESSAGES = st.lists(
    st.one_of(
        st.builds(
            lambda role, content: {"role": role, "content": content},
            st.sampled_from(["system", "developer", "user"]),
            CONTENTS,
        ),
        st.builds(
            lambda content, more: {"role": "assistant", "content": content, **more},
            CONTENTS,
            THINKING,
        ),
        st.builds(lambda calls, more: called(*calls, **more), CALLS, THINKING),
        st.builds(result, st.sampled_from(["c1", "c2", "c3"]), TEXTS),
    ),
    min_size=1,
    max_size=5,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.sampled_from([[TOOL], [TOOL, OTHER]]),
        "tool_choice": st.sampled_from(["auto", "none", "required"]),
        "parallel_tool_calls": st.booleans(),
        "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}]),
        "seed": st.integers(0, 5),
    },
)


@given(MESSAGES, FIELDS)
def test_treated_twice_is_treated_once(
    messages: list[dict[str, Any]], fields: dict[str, Any]
) -> None:
    assume(any(message["role"] not in ("system", "developer") for message in messages))
    once, _ = treated(*messages, **fields)
    again, out = treated(*once["messages"], **{k: v for k, v in once.items() if k in fields})
    assert again["messages"] == once["messages"]
    assert again.get("tools") == once.get("tools")
    assert out.order is None
    assert out.unsaid == ()


@given(MESSAGES, FIELDS)
def test_nothing_the_client_said_is_lost_without_being_named(
    messages: list[dict[str, Any]], fields: dict[str, Any]
) -> None:
    """Every text of every message is in the body, and every field, or its effect, or its name."""
    assume(any(message["role"] not in ("system", "developer") for message in messages))
    marked = [
        {**message, "content": f"<{at}>"} if isinstance(message.get("content"), str) else message
        for at, message in enumerate(messages)
    ]
    body, out = treated(*marked, **fields)
    said = json.dumps(body["messages"], ensure_ascii=False)
    for at, message in enumerate(marked):
        if message.get("content") == f"<{at}>":
            assert f"<{at}>" in said
        for name in ("reasoning_content", "reasoning", "thinking"):
            if text := message.get(name):
                assert text in said
    if fields.get("response_format", {}).get("type") == "json_object":
        assert out.order is not None
    if fields.get("tools") and fields.get("tool_choice") == "required":
        assert out.order is not None
    if "seed" in fields:
        assert body["seed"] == fields["seed"]
