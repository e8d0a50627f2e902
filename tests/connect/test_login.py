"""How clients are paid for is told by which fields there are, in the order they look."""

from __future__ import annotations

from typing import Any

import pytest

from twotier.connect.login import codex_login, login_of

OAUTH = {"claudeAiOauth": {"accessToken": "canary", "subscriptionType": "max"}}
ACCOUNT = {"oauthAccount": {"emailAddress": "canary"}}


@pytest.mark.parametrize(
    ("env", "settings", "state", "credentials", "kind"),
    [
        ({}, {}, {}, {}, "none"),
        ({}, {}, ACCOUNT, OAUTH, "subscription"),
        ({}, {}, ACCOUNT, {}, "subscription"),  # a Mac: the login itself is in the keychain
        ({"CLAUDE_CODE_OAUTH_TOKEN": "canary"}, {}, {}, {}, "subscription"),
        ({}, {}, {**ACCOUNT, "primaryApiKey": "canary"}, {}, "key"),
        ({"ANTHROPIC_API_KEY": "canary"}, {}, ACCOUNT, OAUTH, "key"),
        ({}, {"env": {"ANTHROPIC_AUTH_TOKEN": "canary"}}, ACCOUNT, OAUTH, "key"),
        ({}, {"apiKeyHelper": "canary"}, ACCOUNT, OAUTH, "key"),
        ({"CLAUDE_CODE_USE_BEDROCK": "1"}, {}, ACCOUNT, OAUTH, "cloud"),
        ({}, {"env": []}, ACCOUNT, {"claudeAiOauth": "odd"}, "subscription"),
    ],
)
def test_claude_code(
    env: dict[str, str],
    settings: dict[str, Any],
    state: dict[str, Any],
    credentials: dict[str, Any],
    kind: str,
) -> None:
    """A key beats a login, and a cloud beats both; nothing of a secret is told."""
    login = login_of(env, settings=settings, state=state, credentials=credentials)
    assert login.kind == kind
    assert "canary" not in repr(login) + login.text


def test_the_plan_is_told_only_where_it_is_a_known_word() -> None:
    """What stands there is somebody's file."""
    told = login_of({}, settings={}, state={}, credentials=OAUTH)
    assert told.plan == "max"
    assert told.text == "is paid by subscription (max): its login in .credentials.json"
    odd = {"claudeAiOauth": {"subscriptionType": "canary"}}
    assert login_of({}, settings={}, state={}, credentials=odd).plan == ""


@pytest.mark.parametrize(
    ("env", "auth", "kind"),
    [
        ({}, {}, "none"),
        ({"OPENAI_API_KEY": "canary"}, {}, "key"),
        ({"OPENAI_API_KEY": "canary"}, {"tokens": {"id_token": "canary"}}, "subscription"),
        ({}, {"OPENAI_API_KEY": "canary", "tokens": None}, "key"),
    ],
)
def test_codex(env: dict[str, str], auth: dict[str, Any], kind: str) -> None:
    """Its own file comes first."""
    login = codex_login(env, auth=auth)
    assert login.kind == kind
    assert "canary" not in login.text
