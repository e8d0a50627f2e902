"""The normaliser against the article's own server, with the traps of the family's template.

The template below is the tiny model's own, with what the M2 template does beside: only the first
message may be `system`, later ones and every `developer` vanish; a result without a call raises;
thinking is read from `reasoning_content` and kept behind the last user. What the prompt holds is
told by its token count, and what of it was cached, by the server's own figures.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.engines.fixtures import mlx_environment, tiny_minimax
from tests.engines.test_engines import keeper_of, kept
from tests.providers.reading import chunks
from tests.toys.client import LIMITS, chat
from tests.toys.tiny_minimax import TOOLS, after_the_call, says
from twotier.domain.endpoint import Endpoint
from twotier.domain.message import Ended, Event, Failed, ReasoningDelta, Request, TextDelta
from twotier.engines.base import engine
from twotier.errors import UNFIT_KIND, TierUnavailableError, TwotierError
from twotier.protocols import OUTBOUND
from twotier.protocols.normal import Checked, Normaliser
from twotier.protocols.wire import Outgoing
from twotier.providers.base import Ask
from twotier.providers.http import Transport
from twotier.providers.openai_compatible import OpenAICompatible

MLX = engine("mlx_lm").traits
THOUGHT = "A long thought about bread. " * 8
TRAPS = """\
{%- set ns = namespace(user=-1, called=false) %}
{%- for message in messages %}
{%- if message.role == 'user' %}{% set ns.user = loop.index0 %}{% endif %}{% endfor %}
{{- ']~!b[' }}
{%- for message in messages %}
{%- if message.role == 'system' and loop.first or message.role in ['user', 'assistant', 'tool'] %}
{%- if message.role == 'tool' and not ns.called %}
{{- raise_exception('a result without a call') }}{% endif %}
{{- ']~b]' + ('ai' if message.role == 'assistant' else message.role) + '\\n' }}
{%- if message.role == 'assistant' and message.reasoning_content and loop.index0 > ns.user %}
{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}{% endif %}
{{- (message.content or '') | trim }}
{%- for call in message.tool_calls or [] %}{% set ns.called = true %}
{{- '\\n<minimax:tool_call>\\n<invoke name="' + call.function.name + '">' }}
{%- for key, value in call.function.arguments.items() %}
{{- '\\n<parameter name="' + key + '">' + (value if value is string else value | tojson) }}
{{- '</parameter>' }}{% endfor %}
{{- '\\n</invoke>\\n</minimax:tool_call>' }}{% endfor %}
{{- '[e~[\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- ']~b]ai\\n<think>\\n' }}{% endif %}
"""


def trapped(folder: Path) -> Path:
    """The tiny model with the family's traps in its template."""
    model = folder / "trapped"
    shutil.copytree(tiny_minimax(), model)
    (model / "chat_template.jinja").write_text(TRAPS)
    return model


def asked(*messages: dict[str, Any], **more: Any) -> Outgoing:
    """A client's body as the product sends it."""
    body = json.dumps({"messages": messages, "temperature": 0, **more}).encode()
    return Normaliser(MLX.manners).rewrite(
        Request("openai_chat", body, "m"),
        model="default_model",
        max_output_tokens=4,
        stream=False,
        keep=MLX.fields["openai_chat"],
    )


async def prompt_tokens(endpoint: Endpoint, *messages: dict[str, Any], **more: Any) -> int:
    answer = await chat(endpoint, json.loads(asked(*messages, **more).body))
    found: int = answer["usage"]["prompt_tokens"]
    return found


async def raw_tokens(endpoint: Endpoint, *messages: dict[str, Any]) -> int:
    """The same without us."""
    body = {"model": "default_model", "messages": messages, "max_tokens": 4, "temperature": 0}
    found: int = (await chat(endpoint, body))["usage"]["prompt_tokens"]
    return found


async def late_words_arrive(endpoint: Endpoint) -> None:
    """A late system and a developer reach the prompt; without us they vanish."""
    user = says("hello")[0]
    late = {"role": "system", "content": "Answer in French, whatever is said. " * 5}
    assert await raw_tokens(endpoint, user, late, user) == await raw_tokens(endpoint, user, user)
    assert await prompt_tokens(endpoint, user, late, user) > 40 + await raw_tokens(
        endpoint, user, user
    )
    first = {"role": "developer", "content": late["content"]}
    assert await raw_tokens(endpoint, first, user) == await raw_tokens(endpoint, user)
    assert await prompt_tokens(endpoint, first, user) > 40 + await raw_tokens(endpoint, user)


async def thinking_arrives(endpoint: Endpoint) -> None:
    """Whatever a client calls it. (The transformers that the lock brings would understand other
    names too; the one of mlx-lm 0.30.7 knows only what the template reads.) So the next step of a
    tool loop finds the last one's prompt in the cache, thinking and all.
    """
    user, turn, result = after_the_call()
    arguments = json.dumps(turn["tool_calls"][0]["function"]["arguments"])
    function = {"name": "read_file", "arguments": arguments}
    turn = {**turn, "tool_calls": [{**turn["tool_calls"][0], "function": function}]}
    without = await prompt_tokens(endpoint, user, turn, result)
    for name in ("reasoning", "reasoning_content", "thinking"):
        thought = {**turn, name: THOUGHT}
        assert await prompt_tokens(endpoint, user, thought, result) > without + 100
    body = json.loads(asked(user, {**turn, "reasoning": THOUGHT}, result, turn, result).body)
    usage = (await chat(endpoint, body))["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] > without + 100


async def bad_history_is_mended(endpoint: Endpoint) -> None:
    """Without us all of these are a 404, which is an outage."""
    user, turn, result = after_the_call()
    broken = json.loads(json.dumps(turn))
    broken["tool_calls"][0]["function"]["arguments"] = '{"path": "no'
    empty = json.loads(json.dumps(turn))
    empty["tool_calls"][0]["function"]["arguments"] = ""
    for talk in ([user, broken, result], [user, empty, result], [user, result]):
        with pytest.raises(TierUnavailableError):
            await chat_as_product(endpoint, {"messages": talk})
        assert await prompt_tokens(endpoint, *talk) > 0
    with pytest.raises(TierUnavailableError):
        await chat_as_product(endpoint, {"messages": [user], "temperature": None})
    assert await prompt_tokens(endpoint, user, top_p=None, tools=None) > 0


async def chat_as_product(endpoint: Endpoint, body: dict[str, Any]) -> dict[str, Any]:
    """What a 404 before the first byte means."""
    try:
        return await chat(endpoint, {"model": "default_model", "max_tokens": 4, **body})
    except TwotierError as error:
        raise TierUnavailableError(error.message) from error


async def what_it_ignores_is_emulated(endpoint: Endpoint) -> None:
    """No tool may be called: none is shown. A call must come, and this model makes none: an answer
    that it ended itself is a failure by name, and nothing of what it wrote has passed; one that its
    limit cut says so, as from a server with a grammar.
    """
    none = await prompt_tokens(endpoint, *says("hello"), tools=TOOLS, tool_choice="none")
    assert none == await prompt_tokens(endpoint, *says("hello"))
    wanted = {"tools": TOOLS, "tool_choice": "required"}
    cut = await events_of(endpoint, asked(*says("hello"), **wanted))
    wrote = [event.text for event in cut if isinstance(event, TextDelta | ReasoningDelta)]
    assert [event.finish for event in cut if isinstance(event, Ended)] == ["length"]
    ended = await events_of(endpoint, asked(*says("hello"), **wanted, stop=[wrote[1]]))
    assert isinstance(ended[-1], Failed)
    assert ended[-1].kind == UNFIT_KIND
    assert not [event for event in ended if isinstance(event, TextDelta | ReasoningDelta)]


async def events_of(endpoint: Endpoint, out: Outgoing) -> list[Event]:
    """A streamed answer, held to its order."""
    assert out.order is not None
    reader = Checked(OUTBOUND["openai_chat"].stream_reader(), out.order)
    body = json.dumps({**json.loads(out.body), "stream": True}).encode()
    async with Transport() as transport:
        provider = OpenAICompatible(transport, base_url=endpoint.base_url)
        reply = await provider.ask(Ask(body, stream=True, deadlines=LIMITS))
        try:
            return [event async for chunk in chunks(reply) for event in reader.feed(chunk)]
        finally:
            await reply.close()


CLAIMS = [
    late_words_arrive,
    thinking_arrives,
    bad_history_is_mended,
    what_it_ignores_is_emulated,
]


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(600)
def test_the_servers_traps_do_not_close(tmp_path: Path) -> None:
    """Each claim above, with one start of the real server."""

    async def scenario() -> None:
        model = trapped(tmp_path)
        keeper = keeper_of("mlx_lm", tmp_path, python=mlx_environment(), model=model)
        async with kept(keeper):
            endpoint = await keeper.ensure_ready(within_seconds=240)
            for claim in CLAIMS:
                await claim(endpoint)

    asyncio.run(scenario())
