"""apprise, the real one, against a real receiver; and what is said where it is not installed."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from urllib.parse import urlsplit

import pytest

from tests.notify.test_http import receiving
from twotier.errors import DeliveryError
from twotier.notify.apprise import Apprise
from twotier.notify.base import Message

MESSAGE = Message("Title", "text", "k", {"severity": "urgent"})


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # apprise's, where Python has it yet
def test_a_message_goes_through_apprise_and_its_url_is_never_told() -> None:
    """Its URLs are made of secrets. The severity is apprise's kind of message."""
    if importlib.util.find_spec("apprise") is None:
        pytest.skip("missing: apprise (make dev)")

    async def scenario() -> None:
        async with receiving() as receiver:
            target = f"json://{urlsplit(receiver.url).netloc}/secret"
            assert await Apprise().send(target, MESSAGE) == "apprise delivered to json"
            assert receiver.bodies[0]["message"] == "text"
            assert receiver.bodies[0]["type"] == "failure"
            receiver.status = 500
            with pytest.raises(DeliveryError, match="apprise could not deliver to json") as failed:
                await Apprise().send(target, MESSAGE)
            with pytest.raises(DeliveryError, match="apprise cannot read this nosuch URL") as bad:
                await Apprise().send("nosuch://secret", MESSAGE)
        assert "secret" not in f"{failed.value}{bad.value}"

    asyncio.run(scenario())


def test_without_the_extra_it_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(DeliveryError, match=r"pip install 'twotier\[apprise\]'"):
        asyncio.run(Apprise().send("json://h", MESSAGE))
