"""A plan of plain values, for tests: OpenClaw's configuration and jobs in, our files out."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twotier.config.openclaw.disk import read
from twotier.config.openclaw.notes import Kind
from twotier.config.openclaw.plan import Ours, Plan, Step, Terms, Theirs, planned
from twotier.config.openclaw.prices import Known

HERE = Path(__file__).parent
ARTICLE, MADE = HERE / "article", HERE / "made"
NOW = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
M25 = "mlx-local/lmstudio-community/MiniMax-M2.5-MLX-4bit"
OPUS = {"input": 5.0, "output": 25.0, "cacheRead": 0.5, "cacheWrite": 6.25}
KNOWN = Known(
    price=lambda *name: OPUS if name == ("anthropic", "claude-opus-4-6") else None,
    window=lambda model: 196_608 if "MiniMax-M2.5" in model else None,
)  # fmt: skip
MLX = {
    "baseUrl": "http://127.0.0.1:8899/v1",
    "apiKey": "local",
    "models": [{"id": "lmstudio-community/MiniMax-M2.5-MLX-4bit"}],
}


def terms(**more: Any) -> Terms:
    return Terms(now=NOW, local="Europe/Berlin", known=KNOWN, **more)


def plan(
    raw: Mapping[str, Any] | None = None,
    jobs: Sequence[Any] = (),
    *,
    ours: Ours | None = None,
    env: Mapping[str, str] | None = None,
    **more: Any,
) -> Plan:
    theirs = Theirs("/home/me/.openclaw", raw, jobs, env or {}, more.pop("tokens", {}))
    return planned(theirs, ours or Ours(), terms=terms(**more))


def of_folder(folder: Path, *, ours: Ours | None = None, **more: Any) -> Plan:
    theirs = read(folder, env={}, home=folder).theirs
    return planned(theirs, ours or Ours(), terms=terms(**more))


def config(*, primary: Any = "opus", **more: Any) -> dict[str, Any]:
    """Both tiers, an alias each."""
    listed = {"anthropic/claude-opus-4-6": {"alias": "opus"}, M25: {"alias": "m25"}}
    return {
        "models": {"providers": {"mlx-local": MLX, **more.pop("providers", {})}},
        "agents": {
            "defaults": {"model": primary, "models": listed, **more.pop("defaults", {})},
            **more.pop("agents", {}),
        },
        **more,
    }  # fmt: skip


def job(message: str = "Say hello.", **more: Any) -> dict[str, Any]:
    payload = {"kind": "agentTurn", "message": message, **more.pop("payload", {})}
    every = {"kind": "every", "everyMs": 86_400_000, "anchorMs": 0}
    return {
        "id": "j1",
        "name": "Hello",
        "schedule": every,
        "sessionTarget": "isolated",
        "payload": payload,
    } | more


def settings_of(step: Step) -> dict[str, Any]:
    return tomllib.loads(step.text)


def one(found: Plan) -> dict[str, Any]:
    """The settings of the only job's file."""
    assert len(found.steps) == 1, found.notes
    return settings_of(found.steps[0])


def said(found: Plan, kind: Kind) -> str:
    return "\n".join(f"{note.where}: {note.text}" for note in found.notes if note.kind == kind)
