"""Message Batches over HTTP, against the fake API: what is sent, what comes, what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from anthropic import Anthropic

from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.anthropic_batches import Fault
from twotier.errors import StreamBrokenError, TierUnavailableError, TwotierError, UpstreamError
from twotier.providers import anthropic_batches, http
from twotier.providers.anthropic_batches import AnthropicBatches
from twotier.providers.http import Transport

BODY = (
    b'{"model":"claude-opus-4-6","max_tokens":50,'
    b'"messages":[{"role":"user","content":"say: good morning"}]}'
)
Story = Callable[[AnthropicBatches], Awaitable[None]]


@pytest.fixture
def fake() -> Iterator[FakeAnthropic]:
    with FakeAnthropic() as fake:
        yield fake


def play(base_url: str, story: Story, *, key: str = "sk-ant-fake-0001") -> None:
    async def run() -> None:
        async with Transport() as transport:
            await story(AnthropicBatches(transport, key=lambda: key, base_url=base_url))

    asyncio.run(run())


def test_the_whole_way_and_the_official_sdk_sees_the_same(fake: FakeAnthropic) -> None:
    async def story(client: AnthropicBatches) -> None:
        fake.batches.holds = True
        batch_id = await client.submit("ours-1", BODY)
        seen = await client.look(batch_id)
        assert (seen.id, seen.ended, seen.requests) == (batch_id, False, 1)
        fake.batches.holds = False
        assert (await client.look(batch_id)).ended
        result = await client.result(batch_id, "ours-1")
        assert result is not None
        assert (result.kind, result.status) == ("succeeded", 200)
        assert b"good morning" in result.body
        assert await client.result(batch_id, "theirs") is None

    play(fake.base_url, story)
    with Anthropic(base_url=fake.base_url, api_key=fake.key, max_retries=0) as sdk:
        (batch,) = sdk.messages.batches.list().data
        assert (batch.processing_status, batch.request_counts.succeeded) == ("ended", 1)
        (line,) = sdk.messages.batches.results(batch.id)
        assert line.result.type == "succeeded"
        assert line.result.message.usage.service_tier == "batch"


def test_a_batch_is_cancelled_once(fake: FakeAnthropic) -> None:
    async def story(client: AnthropicBatches) -> None:
        fake.batches.holds = True
        batch_id = await client.submit("ours-1", BODY)
        await client.cancel(batch_id)
        assert (await client.look(batch_id)).ended
        result = await client.result(batch_id, "ours-1")
        assert result is not None
        assert result.kind == "canceled"
        with pytest.raises(UpstreamError, match="ended already"):
            await client.cancel(batch_id)

    play(fake.base_url, story)


def test_a_list_is_read_page_by_page_and_not_past_its_moment(
    fake: FakeAnthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anthropic_batches, "PAGE_BATCHES", 2)
    now = datetime.now(UTC)
    for number in range(7):
        fake.batches.add_foreign().created_at = now - timedelta(hours=7 - number)

    async def story(client: AnthropicBatches) -> None:
        found = await client.since(now - timedelta(hours=3, minutes=30))
        assert [one.id for one in found] == [f"msgbatch_other{number}" for number in (6, 5, 4)]
        assert len(await client.since(now - timedelta(days=9))) == 7

    play(fake.base_url, story)


def test_a_name_of_the_providers_leads_nowhere_else(fake: FakeAnthropic) -> None:
    async def story(client: AnthropicBatches) -> None:
        with pytest.raises(UpstreamError) as caught:
            await client.look("../messages")
        assert caught.value.upstream_status == 404

    play(fake.base_url, story)


@pytest.mark.parametrize(
    ("fault", "error"), [(Fault.LOST, UpstreamError), (Fault.BUSY, UpstreamError)]
)
def test_trouble_has_our_words(
    fake: FakeAnthropic, fault: Fault, error: type[TwotierError]
) -> None:
    async def story(client: AnthropicBatches) -> None:
        fake.batches.queue(fault)
        with pytest.raises(error) as caught:
            await client.submit("ours-1", BODY)
        assert fake.key not in str(caught.value)

    play(fake.base_url, story)


def test_without_a_key_or_a_server_nothing_is_sent(fake: FakeAnthropic) -> None:
    async def story(client: AnthropicBatches) -> None:
        with pytest.raises(TierUnavailableError):
            await client.submit("ours-1", BODY)

    play(fake.base_url, story, key="")
    play("http://127.0.0.1:1", story)
    assert fake.batches.made == []


def test_more_than_any_result_could_be_is_not_read(
    fake: FakeAnthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "FETCH_BYTES_MAX", 100)

    async def story(client: AnthropicBatches) -> None:
        with pytest.raises(UpstreamError, match="longer than 100 bytes"):
            await client.submit("ours-1", BODY)

    play(fake.base_url, story)


def test_a_server_that_hangs_is_left_and_the_call_is_late(
    fake: FakeAnthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "FETCH_SECONDS_MAX", 0.0)

    async def story(client: AnthropicBatches) -> None:
        with pytest.raises(TwotierError) as caught:
            await client.submit("ours-1", BODY)
        assert not isinstance(caught.value, TierUnavailableError | StreamBrokenError)
        await asyncio.sleep(0.1)  # what it had begun to open is closed by then, on both sides

    play(fake.base_url, story)
