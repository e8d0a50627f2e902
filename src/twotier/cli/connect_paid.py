"""How a client is paid for now, and what a key would make of that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twotier.build.money import price_on, prices
from twotier.cli.output import dollars
from twotier.clock import SystemClock
from twotier.config.load import load
from twotier.connect.login import Login, codex_login, login_of
from twotier.connect.plan import Client, Home
from twotier.connect.usage import DAYS, Estimate, estimate
from twotier.domain.money import MICROUSD_PER_USD

FILE_BYTES_MAX = 64_000_000


@dataclass(frozen=True, slots=True)
class Paid:
    """The login, and what the last days would have cost by the token, where that is known."""

    title: str
    login: Login
    estimate: Estimate | None

    @property
    def document(self) -> Mapping[str, Any]:
        """For scripts."""
        guess = self.estimate if self.estimate and self.estimate.answers else None
        return {
            "kind": self.login.kind,
            "plan": self.login.plan,
            "because": self.login.because,
            "estimated_usd_a_day": None if guess is None else usd(guess.a_day),
            "estimate_days": None if guess is None else guess.days,
        }

    @property
    def told(self) -> str:
        """In a sentence."""
        return f"{self.title} {self.login.text}"

    @property
    def warning(self) -> str:
        """What changes where all of it goes through a key; empty where nothing does."""
        if self.login.kind != "subscription":
            return ""
        text = (
            "WARNING: through the gateway the frontier is asked with a key and billed by the token;"
            " the subscription goes on and is not used."
        )
        guess = self.estimate
        if guess is None or not guess.answers:
            return f"{text} Its logs tell nothing of the last {DAYS} days, so no estimate."
        plural = "" if guess.active == 1 else "s"
        left = f" ({guess.unpriced} answers have no known price)" if guess.unpriced else ""
        return (
            f"{text} Estimate from its own logs, by today's price list: {dollars(usd(guess.a_day))}"
            f" a day on {guess.active} day{plural} with work of the last {guess.days},"
            f" {dollars(usd(guess.microusd))} in all{left}."
        )


def paid_how(config: Path, client: Client, *, home: Home, url: str) -> Paid | None:
    """None for clients that have no login we know of."""
    if client.name == "codex":
        folder = home.place(".codex", variable="CODEX_HOME")
        return Paid(client.title, codex_login(home.env, auth=document(folder / "auth.json")), None)
    if client.name != "claude-code":
        return None
    folder = home.place(".claude", variable="CLAUDE_CONFIG_DIR")
    state = folder if "CLAUDE_CONFIG_DIR" in home.env else home.folder
    login = login_of(
        home.env,
        settings=without_ours(document(folder / "settings.json"), url),
        state=document(state / ".claude.json"),
        credentials=document(folder / ".credentials.json"),
    )
    if login.kind != "subscription":
        return Paid(client.title, login, None)
    price = price_on(prices(load(config)))
    return Paid(client.title, login, estimate(folder, now=SystemClock().now(), price=price))


def without_ours(settings: Mapping[str, Any], url: str) -> Mapping[str, Any]:
    """Its settings without the variables that lead to our address: that key is ours."""
    env = settings.get("env")
    if isinstance(env, dict) and env.get("ANTHROPIC_BASE_URL") == url:
        return {**settings, "env": {}}
    return settings


def document(path: Path) -> Mapping[str, Any]:
    """The top of a JSON file; nothing where there is none. What is in it is never shown."""
    with suppress(OSError, ValueError):
        if path.stat().st_size <= FILE_BYTES_MAX:
            found = json.loads(path.read_bytes())
            return found if isinstance(found, dict) else {}
    return {}


def usd(microusd: int) -> str:
    """Dollars and cents."""
    return f"{microusd / MICROUSD_PER_USD:.2f}"
