"""How Claude Code and Codex are paid for: by subscription, by key, by a cloud's account. Pure.

Looks at which fields there are, never at what is in them. On a Mac the login itself is in the
keychain; what is left of it on disk is the account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["subscription", "key", "cloud", "none"]
KEYS = ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY")
CLOUDS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
PLANS = ("pro", "max", "team", "enterprise")


@dataclass(frozen=True, slots=True)
class Login:
    """`because` says what told it; `plan` is the subscription's name where that is known."""

    kind: Kind
    because: str
    plan: str = ""

    @property
    def text(self) -> str:
        """In words, behind a client's name."""
        named = f" ({self.plan})" if self.plan else ""
        return {
            "subscription": f"is paid by subscription{named}: {self.because}",
            "key": f"is paid by the token, with a key: {self.because}",
            "cloud": f"is paid by the token, at a cloud: {self.because}",
            "none": f"has no login yet: {self.because}",
        }[self.kind]


def login_of(
    env: Mapping[str, str],
    *,
    settings: Mapping[str, Any],
    state: Mapping[str, Any],
    credentials: Mapping[str, Any],
) -> Login:
    """In the order in which Claude Code itself looks. The documents are its `settings.json`,
    `.claude.json` and `.credentials.json`, empty where there is none.
    """
    own = settings.get("env")
    inside = own if isinstance(own, Mapping) else {}
    oauth = credentials.get("claudeAiOauth")
    plan = oauth.get("subscriptionType") if isinstance(oauth, Mapping) else ""
    first: tuple[tuple[Kind, tuple[str, ...]], ...] = (("cloud", CLOUDS), ("key", KEYS))
    for kind, names in first:
        for name in names:
            if env.get(name) or inside.get(name):
                where = "the environment" if env.get(name) else "env of settings.json"
                return Login(kind, f"{name} in {where}")
    found: tuple[tuple[object, Kind, str], ...] = (
        (settings.get("apiKeyHelper"), "key", "apiKeyHelper in settings.json"),
        (
            env.get("CLAUDE_CODE_OAUTH_TOKEN"),
            "subscription",
            "CLAUDE_CODE_OAUTH_TOKEN in the environment",
        ),
        (oauth, "subscription", "its login in .credentials.json"),
        (state.get("primaryApiKey"), "key", "a Console login in .claude.json"),
        (state.get("oauthAccount"), "subscription", "its account in .claude.json"),
    )
    for there, kind, because in found:
        if there:
            return Login(kind, because, str(plan) if there is oauth and plan in PLANS else "")
    return Login("none", "nothing in the environment, .claude.json or .credentials.json")


def codex_login(env: Mapping[str, str], *, auth: Mapping[str, Any]) -> Login:
    """Codex's, from its `auth.json`, empty where there is none."""
    if auth.get("OPENAI_API_KEY"):
        return Login("key", "auth.json")
    if auth.get("tokens"):
        return Login("subscription", "a ChatGPT login in auth.json")
    if env.get("OPENAI_API_KEY"):
        return Login("key", "OPENAI_API_KEY in the environment")
    return Login("none", "nothing in the environment or auth.json")
