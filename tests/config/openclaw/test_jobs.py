"""One job at a time: what OpenClaw repairs, what we say otherwise, what we do not take."""

from __future__ import annotations

from typing import Any

import pytest

from tests.config.openclaw.planning import M25, NOW, config, job, one, plan, said
from twotier.config.openclaw.polling import looking
from twotier.config.openclaw.records import Original, original
from twotier.config.openclaw.times import changes, when


def read(**fields: Any) -> Original:
    found = original(fields, number_=3)
    assert found is not None
    return found


def test_old_fields_are_read_where_they_stood() -> None:
    """What OpenClaw itself repairs when it loads a job of January 2026."""
    found = read(
        jobId="old", schedule={"cron": "0 7 * * *"}, message="Say hello.\nTwice.", model="opus",
        deliver=True, channel="telegram", to="7", timeoutSeconds="60",
    )  # fmt: skip
    assert (found.id, found.name, found.kind, found.model) == (
        "old",
        "Say hello",
        "agentTurn",
        "opus",
    )
    assert found.schedule == {"cron": "0 7 * * *", "expr": "0 7 * * *", "kind": "cron"}
    assert (found.delivery.mode, found.delivery.channel, found.delivery.to) == (
        "announce",
        "telegram",
        "7",
    )
    assert found.timeout_seconds == 60


def test_what_is_missing_is_made_up_as_openclaw_does() -> None:
    assert read(payload={"kind": "agentturn", "message": "x"}).kind == "agentTurn"
    assert read(payload={"text": "wake up"}).kind == "systemEvent"
    assert read(payload={"text": "wake up"}).session == "main"
    assert read(schedule="0 7 * * *").schedule == {"kind": "cron", "expr": "0 7 * * *"}
    assert read(schedule={"everyMs": 60_000}, createdAtMs=5).schedule["anchorMs"] == 5
    assert read(schedule={"atMs": 5}).schedule["kind"] == "at"
    assert read(x=1).schedule["kind"] == ""
    assert (read(x=1).id, read(x=1).name, read(x=1).delivery.mode) == (
        "number-3",
        "number-3",
        "announce",
    )
    assert read(payload={"message": "x", "deliver": False}).delivery.mode == "none"
    assert read(delivery={"mode": "deliver"}).delivery.mode == "announce"
    assert original([], number_=0) is None


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ({"kind": "on-exit", "command": "x"}, "it starts when a program says so (on-exit)"),
        ({"kind": "stream", "command": ["x"]}, "it starts when a program says so (stream)"),
        ({"kind": "odd"}, "no schedule that can be read"),
        ({"kind": "every", "everyMs": "x"}, "shorter than a second"),
        ({"kind": "every", "everyMs": 10}, "shorter than a second"),
        ({"kind": "every", "everyMs": 10**15}, "longer than ten years"),
        ({"kind": "at", "at": "soon"}, "its instant cannot be read"),
        ({"kind": "at", "at": 1e17}, "its instant cannot be read"),
        ({"kind": "at", "at": "2026-01-01"}, "its time was 2026-01-01 00:00 UTC, which is over"),
        ({"kind": "cron", "expr": ""}, "cannot be said: it is empty"),
        ({"kind": "cron", "expr": "0 9 15W * *"}, "cannot be said: Bad day-of-month"),
        ({"kind": "cron", "expr": "0 9 * *"}, "cannot be said"),
        ({"kind": "cron", "expr": "0 9 * * *", "tz": "Mars/Base"}, "no time zone 'Mars/Base'"),
    ],
)
def test_a_schedule_that_cannot_be_said_is_a_reason(schedule: dict[str, Any], problem: str) -> None:
    found = plan(config(), [job(schedule=schedule)])
    assert found.steps == ()
    assert problem in said(found, "dropped")


def test_schedules_in_our_words() -> None:
    def settings(**schedule: Any) -> dict[str, Any]:
        return dict(when(schedule, now=NOW, local="UTC").settings)

    assert settings(kind="every", everyMs=90_061_500) == {"every": "1d1h1m1s"}
    assert settings(kind="at", at="2027-01-01T00:00") == {"at": "2027-01-01T00:00:00Z"}
    assert settings(kind="at", atMs=1_798_761_600_000) == {"at": "2027-01-01T00:00:00Z"}
    assert settings(kind="cron", expr="0 9 *,5 * ?") == {
        "cron": "0 9 1-31,5 * 0-6",
        "zone": "local",
    }
    assert settings(kind="cron", expr="@daily", tz="UTC") == {"cron": "0 0 * * *", "zone": "UTC"}
    assert settings(kind="cron", expr="0 */2 * * *", staggerMs=90_000)["jitter"] == "1m30s"
    assert "jitter" not in settings(kind="cron", expr="0 * * * *", staggerMs=0)
    assert settings(kind="cron", expr="0 0 */2,5 * * *")["jitter"] == "5m"
    assert "jitter" not in settings(kind="cron", expr="0 5 * * *")


def test_how_often_a_job_runs_is_counted() -> None:
    def often(expr: str) -> float:
        return when({"kind": "cron", "expr": expr}, now=NOW, local="UTC").runs_a_day

    assert often("*/30 * * * *") == 48
    assert often("0 9 1 1 *") == pytest.approx(1 / 366)
    assert when({"kind": "every", "everyMs": 500 * 3_600}, now=NOW, local="UTC").runs_a_day == 48


def test_milliseconds_that_are_lost_are_told() -> None:
    found = plan(config(), [job(schedule={"kind": "every", "everyMs": 90_500, "anchorMs": 0})])
    assert "its 90500 ms became 90 s" in said(found, "changed")


def test_nights_that_differ_are_told_only_where_clocks_are_set() -> None:
    assert changes("Europe/Berlin", 2026) == {"forward", "back"}
    assert changes("Asia/Kolkata", 2026) == frozenset()
    for hour in ("1-3", "0-9/2", "5,2"):
        schedule = {"kind": "cron", "expr": f"30 {hour} * * *", "tz": "Europe/Berlin"}
        assert "clocks go forward" in " ".join(when(schedule, now=NOW, local="UTC").differs)
    for expr in ("30 5 * * *", "30 */3 * * *", "30 5,*/7 * * *"):
        schedule = {"kind": "cron", "expr": expr, "tz": "Europe/Berlin"}
        assert when(schedule, now=NOW, local="UTC").differs == ()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"kind": "command", "argv": ["df"]}, "it runs a program and asks no model"),
        ({"kind": "script", "script": "x"}, "it is a script of OpenClaw's own"),
        ({"kind": "heartbeat"}, "there is nothing like heartbeat with us"),
        ({"message": "  "}, "it says nothing to a model"),
    ],
)
def test_a_payload_we_have_nothing_for_is_a_reason(payload: dict[str, Any], reason: str) -> None:
    assert reason in said(plan(config(), [job(payload=payload)]), "dropped")


def test_a_job_keeps_the_frontier_unless_its_model_is_local() -> None:
    assert one(plan(config(), [job()]))["tier"] == "frontier"
    assert one(plan(config(), [job(payload={"model": M25})]))["tier"] == "local-only"
    assert (
        one(plan(config(), [job(payload={"model": "m25", "fallbacks": []})]))["tier"]
        == "local-only"
    )
    crossing = one(plan(config(), [job(payload={"model": "m25", "fallbacks": ["opus", "m25"]})]))
    assert crossing["tier"] == "local-then-frontier"
    assert one(plan(config(primary="m25"), [job()]))["tier"] == "local-only"


def test_another_model_than_the_first_is_pinned() -> None:
    other = {"baseUrl": "http://127.0.0.1:11434/v1", "models": [{"id": "qwen"}]}
    raw = config(primary={"primary": "opus", "fallbacks": ["m25"]}, providers={"ollama": other})
    haiku = job(payload={"model": "anthropic/claude-haiku-4-5"})
    found = plan(raw, [haiku, job(id="2", payload={"model": "ollama/qwen"})])
    assert [step.twin.settings.get("model") for step in found.steps] == ["claude-haiku-4-5", "qwen"]


def test_an_agents_own_model_is_its_jobs() -> None:
    raw = config(agents={"entries": {"helper": {"model": "m25"}}})
    assert one(plan(raw, [job(agentId="helper")]))["tier"] == "local-only"
    assert one(plan(raw, [job(agentId="stranger")]))["tier"] == "frontier"
    raw = config(agents={"list": [{"id": "x"}, {"id": "helper", "default": True, "model": "m25"}]})
    assert one(plan(raw, [job()]))["tier"] == "local-only"


def test_a_job_that_its_owner_declared_by_a_key_is_his() -> None:
    assert len(plan(config(), [job(declarationKey="my-team:report")]).steps) == 1
    for own in ({"declarationKey": "heartbeat:main"}, {"description": "[managed-by=x] y"}):
        assert "OpenClaw made it for itself" in said(plan(config(), [job(**own)]), "dropped")


def test_a_model_that_is_not_allowed_or_not_there_is_told() -> None:
    found = plan(config(), [job(payload={"model": "anthropic/claude-haiku-4-5"})])
    assert "claude-haiku-4-5 is not in OpenClaw's list of models" in said(found, "warning")
    assert one(plan(config(), [job(payload={"model": "nowhere/"})]))["tier"] == "frontier"
    found = plan(config(), [job(payload={"model": "nowhere/x"})])
    assert "its model 'nowhere/x' has no tier here: it goes to the frontier" in said(
        found, "warning"
    )
    assert one(found)["tier"] == "frontier"


def test_limits_come_along() -> None:
    found = one(plan(config(), [job(payload={"timeoutSeconds": 90})]))
    assert (found["deadline"], found["output_tokens_max"]) == ("1m30s", 8_192)
    small = {"baseUrl": "http://127.0.0.1:1/v1", "models": [{"id": "s", "maxTokens": 100}]}
    raw = config(providers={"small": small})
    assert one(plan(raw, [job(payload={"model": "small/s"})]))["output_tokens_max"] == 100


@pytest.mark.parametrize(
    ("to", "taken"),
    [
        ("https://hooks.example.org/twotier", True),
        ("https://hooks.example.org/x?token=1", False),
        ("https://user:pass@hooks.example.org/x", False),
        ("https://hooks.example.org/services/T0/B0/abcdefghijklmnopqrstuvwx", False),
        ("ftp://hooks.example.org/x", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_a_webhook_comes_along_where_it_holds_no_secret(to: str, *, taken: bool) -> None:
    found = plan(config(), [job(delivery={"mode": "webhook", "to": to})])
    expected = f"webhook:{to}" if taken else "file:outbox/{job}-{date}.md"
    assert one(found)["deliver"] == expected
    assert (to in found.steps[0].text) == taken or not to


def test_tools_that_match_are_given_and_the_others_named() -> None:
    found = plan(config(), [job(payload={"toolsAllow": ["read", "ls", "web_search", "exec"]})])
    assert one(found)["tools"] == ["files"]
    told = said(found, "changed")
    assert "its tools became files" in told
    assert 'say tools = ["search"] once [tools.search] is set' in told
    assert "its tools exec have no match that is given unasked" in told
    assert "tools" not in one(plan(config(), [job(payload={"toolsAllow": ["exec"]})]))


def test_what_has_no_place_is_named() -> None:
    odd = job(
        sessionTarget="session:abc", pacing={"min": "1h"}, failureAlert={"after": 2},
        payload={"thinking": "high", "lightContext": True},
    )  # fmt: skip
    told = said(plan(config(), [odd]), "dropped")
    for text in ("the session session:abc", "thinking = high", "pacing", "failureAlert"):
        assert text in told


def test_a_key_in_a_prompt_gets_into_none_of_our_files() -> None:
    key = "ghp_" + "a" * 36
    found = plan(config(), [job(f"Use {key}.", name=f"With {key}", description=f"{key}\nx")])
    assert key not in found.steps[0].text + str(found.notes)
    assert "a key stood in its prompt and was left out" in said(found, "dropped")


def test_the_main_chats_jobs_are_off_until_somebody_looks() -> None:
    found = plan(
        config(),
        [job(sessionTarget="main", payload={"kind": "systemEvent", "text": "Tea!", "message": ""})],
    )
    assert one(found)["enabled"] is False
    assert "off: it spoke into the main chat" in said(found, "warning")


def test_switches_come_along() -> None:
    assert one(plan(config(), [job(enabled=False)]))["enabled"] is False
    assert one(plan(config(cron={"enabled": False}), [job()]))["enabled"] is False
    assert one(plan(config(cron={"skipMissedJobs": True}), [job()]))["missed"] == "skip"
    once = job(schedule={"kind": "at", "at": "2027-01-01"})
    assert "missed" not in one(plan(config(cron={"skipMissedJobs": True}), [once]))


def test_strange_names_become_names_of_ours() -> None:
    names = ["Über-Prüfung!", "日本語", "a" * 200, "Hello", "hello", 'x"\n[[jobs]]']
    found = plan(config(), [job(id=str(n), name=name) for n, name in enumerate(names)])
    made = [step.twin.name for step in found.steps]
    assert made == ["ber-pr-fung", "job", "a" * 48, "hello", "hello-2", "x-jobs"]
    for step in found.steps:
        assert "\n[[jobs]]" not in step.text


def test_what_is_odd_in_a_prompt_stays_a_prompt() -> None:
    words = 'a "quote" \\ back\nline \x7f \x00 \u2028 ü 😀 ${HOME} {job}'
    assert one(plan(config(), [job(words)]))["prompt"] == words


def test_a_log_of_its_own_tells_what_a_run_took() -> None:
    poll = job(
        "Check https://example.org for changes.",
        schedule={"kind": "every", "everyMs": 3_600_000, "anchorMs": 0},
    )
    found = plan(config(), [poll], tokens={"j1": 500}).steps[0].twin.tokens
    assert found is not None
    assert (found.before, found.after, found.measured) == (12_000, 3_000, True)
    assert "24 runs x 500, of its own log" in found.said()


@pytest.mark.parametrize(
    ("words", "kind", "settings"),
    [
        ("Check github.com/octo/blog.git discussions", "github-discussions", {"repo": "octo/blog"}),
        ("Any new Giscus comments?", "github-discussions", {}),
        ("Check issues and/or PRs of octo/tool on GitHub", "github-issues", {"repo": "octo/tool"}),
        ("Watch GitHub octo/tool for releases", "github-releases", {"repo": "octo/tool"}),
        ("Check my GitHub notifications", "github-notifications", {}),
        ("Check the inbox of a@b.org", "imap", {"user": "a@b.org"}),
        ("Any new mail?", "imap", {}),
        ("Search X for @octo", "x", {"query": "@octo -is:retweet"}),
        ("Scan Twitter for our name", "x", {}),
        ("See if https://example.org/rss has news", "feed", {"url": "https://example.org/rss"}),
        ("Check https://example.org/prices.", "page", {"url": "https://example.org/prices"}),
        ("Check our RSS feeds", "feed", {}),
        ("Watch the stock", "prices", {}),
        ("Monitor the disk", "command", {}),
    ],
)
def test_the_watcher_that_fits(words: str, kind: str, settings: dict[str, str]) -> None:
    found = looking(words, runs_a_day=48)
    assert found is not None
    assert found.kind == kind
    shown = {key: to for key, to in found.settings.items() if key not in ("token", "password")}
    assert shown == settings


def test_no_poll_no_watcher() -> None:
    assert looking("Check the mail", runs_a_day=1) is None
    assert looking("Write a poem", runs_a_day=48) is None
