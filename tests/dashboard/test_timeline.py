"""Runs and their steps in words; text of strangers stays text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.dashboard.busy import COLOURED, NOTE, TURNED
from twotier.dashboard.pages.approvals import answered_told, approval_told, is_soon
from twotier.dashboard.pages.jobs import month_begin
from twotier.dashboard.render import environment
from twotier.dashboard.run_words import bars, run_told, shown, summary
from twotier.dashboard.timeline import MESSAGES_MAX, TEXT_CHARACTERS_MAX, messages, talk, timeline
from twotier.dashboard.visible import cut, pretty, visible
from twotier.domain.job import RunState

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_signs_that_hide_or_turn_text_are_named() -> None:
    assert visible(COLOURED) == "[U+001B][31mred[U+001B][0m"
    assert visible(TURNED) == "invoice[U+202E]txt.exe"
    assert visible("a\r\nb\tc\n") == "a\nb\tc\n"
    assert visible("a\rb\x7f\x85\ud800") == "a[U+000D]b[U+007F][U+0085][U+D800]"
    plain = "naïve 日本語 שלום 👩‍🚀"
    assert visible(plain) == plain


def test_every_plain_text_of_a_template_is_shown_so_and_escaped() -> None:
    """A form's text alone comes back as it was."""
    made = environment().from_string("{{ text }}|{{ text | e }}")
    assert made.render(text=f"<b>{TURNED}") == (
        f"&lt;b&gt;invoice[U+202E]txt.exe|&lt;b&gt;{TURNED}"
    )


def test_texts_are_cut_and_say_by_how_much() -> None:
    assert cut("abcdef", 4) == ("abcd", 2)
    assert cut("abc", 4) == ("abc", 0)
    assert pretty({"b": "ü"}) == '{\n  "b": "ü"\n}'


@pytest.mark.parametrize("state", list(RunState))
def test_each_state_of_a_run_has_its_words(state: RunState) -> None:
    assert shown(state.value).means
    assert run_told({"state": state.value})["kind"] in ("good", "warn", "bad", "busy", "idle")


def test_a_state_nobody_thought_of_is_something_to_look_at() -> None:
    assert (shown("odd").kind, shown("odd").word) == ("warn", "odd")


def test_a_strip_in_words() -> None:
    runs = [{"state": "quiet"}] * 3 + [{"state": "failed"}]
    assert summary(runs) == "last 4 runs: 3 quiet, 1 failed"
    assert summary(runs[:1]) == "one run: quiet"
    assert summary([]) == "no run yet"
    (bar,) = bars([{"state": "done", "slot": NOON.isoformat()}], zone=UTC, now=NOON)
    assert bar["title"] == "done, 12:00"


def step(name: str, **facts: Any) -> dict[str, Any]:
    """A step as the worker tells it."""
    return {"number": 3, "name": name, "seconds": 1.0, "taint": [], **facts}


@pytest.mark.parametrize(
    ("told", "words", "kind"),
    [
        (step("begin", items=2, left_out=["a: too large"]), "Began", "idle"),
        (step("model", tier="local", model="toy"), "Asked local", "good"),
        (step("model", because="main says no"), "Asked a model", "bad"),
        (step("tool:fetch"), "Called fetch", "good"),
        (step("tool:send", verdict="refused"), "Called send", "warn"),
        (step("tool:send", verdict="failed"), "Called send", "bad"),
        (step("approve:send", verdict="no"), "Asked you about send", "warn"),
        (step("verify", verdict="escalate", by="checks"), "Looked at the answer", "bad"),
        (step("deliver", place="outbox/x"), "Delivered", "good"),
        (step("deliver", because="no way"), "Delivered", "bad"),
        (step("failed", because="x"), "Noted what went wrong", "bad"),
        (step("of tomorrow"), "of tomorrow", "idle"),
    ],
)
def test_steps_in_words(told: dict[str, Any], words: str, kind: str) -> None:
    (line,) = timeline([told])
    assert (line["words"], line["kind"]) == (words, kind)


def test_what_a_run_holds_only_grows_and_bookkeeping_is_not_shown() -> None:
    line = timeline(
        [
            {**step("begin", taint=["untrusted"]), "number": 1},
            step("usual", taint=["untrusted"]),
            step(
                "tool:mail", taint=["private", "untrusted"], cost_microusd=2_500, text="x" * 30_000
            ),
            step("model", wants=["send"], finish="length", tier="local"),
            step("transcript"),
        ]
    )
    assert [one["grown"] for one in line] == [["untrusted"], ["private"], []]
    assert [one["fork"] for one in line] == [0, 3, 3]
    assert (line[1]["usd"], line[1]["more"]) == ("0.002500", 30_000 - TEXT_CHARACTERS_MAX)
    assert line[2]["facts"] == ["it wants send", "the answer was cut"]


def test_messages_of_any_form_are_read() -> None:
    calls = [{"function": {"name": "send", "arguments": '{"a": 1}'}}, {"function": 1}, 2]
    odd = [{"function": {"name": "send", "arguments": {"a": 1}}}]
    said = [
        {"role": "user", "content": "Do it."},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "assistant", "content": [{"text": "a"}, {"text": "b"}, 3], "tool_calls": odd},
        "nonsense",
        {},
    ]
    found = messages(said)
    assert [one["text"] for one in found] == ["Do it.", "", "a\nb", ""]
    assert [call["tool"] for call in found[1]["calls"]] == ["send", ""]
    assert found[2]["calls"][0]["arguments"] == '{\n  "a": 1\n}'
    assert len(messages([{}] * 1_000)) == MESSAGES_MAX
    assert talk([{"part": "all", "messages": said}])[0]["part"] == "all"


APPROVAL: dict[str, Any] = {
    "id": "a1",
    "job": "mail",
    "run": "mail-1",
    "tool": "send",
    "arguments": {"text": NOTE},
    "labels": "changes sends",
    "because": "it would send",
    "source": "the run holds private, untrusted; it read fetch",
    "price_microusd": 20_000,
    "expires_at": NOON.isoformat(),
    "verdict": "",
    "decided_by": "",
}


def test_an_approval_tells_the_exact_call_and_what_the_run_holds() -> None:
    told = approval_told(APPROVAL, NOON)
    assert (told["taint"], told["does"]) == (["private", "untrusted"], ["changes", "sends"])
    assert (told["usd"], told["run_at"], told["more"]) == ("0.020000", "runs/mail-1", 0)
    assert "<script>" in told["arguments_text"]
    assert is_soon(APPROVAL, NOON)
    assert not is_soon(APPROVAL, datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("verdict", "by", "word"),
    [("yes", "dashboard", "allowed"), ("no", "link", "refused"), ("no", "time", "ran out")],
)
def test_what_was_answered_says_how(verdict: str, by: str, word: str) -> None:
    told = answered_told({**APPROVAL, "verdict": verdict, "decided_by": by}, NOON)
    assert told["word"] == word
    assert "\n" not in told["line"]


def test_a_month_begins_where_people_are() -> None:
    assert month_begin(NOON, UTC).isoformat() == "2026-03-01T00:00:00+00:00"
