"""What an import would write: the article's own files, those of OpenClaw 2026.9.6, and more."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from tests.config.openclaw.planning import (
    ARTICLE,
    M25,
    MADE,
    NOW,
    config,
    job,
    of_folder,
    one,
    plan,
    said,
    settings_of,
)  # fmt: skip
from twotier.config.job_files import JobFile
from twotier.config.load import check
from twotier.config.openclaw.plan import Kept, Ours, Plan, sum_of
from twotier.config.openclaw.remembered import Memory
from twotier.config.openclaw.report import report
from twotier.config.openclaw.tiers import Have


def whole(found: Plan) -> Any:
    """The configuration as it would be, checked as `twotier config check` does."""
    from pathlib import Path

    files = [
        JobFile(Path(f"jobs/{step.twin.name}.toml"), {"name": step.twin.name, **settings_of(step)})
        for step in found.steps
    ]
    return check(tomllib.loads(found.text), "twotier.toml", files=files)


def again(found: Plan) -> Ours:
    """What is there after it was written."""
    memory = Memory().with_plan(found, folder="/x", at=NOW)
    raw = tomllib.loads(found.text)
    files = {step.twin.name: step.text for step in found.steps}
    kept = {id_: one_.kept for id_, one_ in memory.jobs.items()}
    have = Have(raw["tiers"], raw.get("aliases", {}), memory.tiers)
    return Ours(found.text, have, frozenset(files), files, kept)


def test_the_articles_own_snippets_import_as_they_stand() -> None:
    """Two tiers, two names, seven jobs: the poll stays on the local model, the rest on Opus."""
    found = of_folder(ARTICLE)
    made = whole(found)
    assert made.tiers["local"].base_url == "http://127.0.0.1:8899/v1"
    assert made.tiers["local"].engine == "mlx_lm"
    assert made.tiers["frontier"].model == "claude-opus-4-6"
    assert made.tiers["frontier"].key == "env:ANTHROPIC_API_KEY"
    assert made.aliases == {"m25": "local", "opus": "frontier"}
    tiers = {one_.name: one_.tier.value for one_ in made.jobs}
    assert tiers.pop("giscus-check") == "local-only"
    assert set(tiers.values()) == {"frontier"}
    assert len(tiers) == 6


def test_what_the_article_has_wrong_is_told_and_not_copied() -> None:
    """A window of a million tokens and three times the price: neither gets into our files."""
    found = of_folder(ARTICLE)
    assert whole(found).tiers["local"].window_tokens == 196_608
    assert "its window of 1,000,000 tokens became 196,608" in said(found, "warning")
    assert (
        "anthropic/claude-opus-4-6: OpenClaw's price is wrong: $15 in, $75 out, $1.5 cache read,"
        " $18.75 cache write per million tokens where it is $5 in, $25 out"
        in said(found, "warning")
    )
    assert "price" not in tomllib.loads(found.text)["tiers"]["frontier"]


def test_a_job_that_adds_up_money_is_told_of_the_budgets() -> None:
    assert "job Opus spend: adds up money by a model" in said(of_folder(ARTICLE), "changed")


def test_each_poll_of_the_article_gets_its_watcher_proposed_with_tokens() -> None:
    found = {step.twin.name: step.twin for step in of_folder(ARTICLE).steps if step.twin.looking}
    kinds = {name: twin.looking.kind for name, twin in found.items() if twin.looking}
    assert kinds == {
        "giscus-check": "github-discussions",
        "email-check": "imap",
        "mention-scan": "x",
    }
    giscus = found["giscus-check"].tokens
    assert giscus is not None
    assert (giscus.before, giscus.after, giscus.measured) == (960_000, 3_000, False)
    assert "48 runs x 20,000, an estimate" in giscus.said()
    assert found["giscus-check"].settings["enabled"] is False


def test_with_watchers_those_that_are_complete_are_written() -> None:
    """The others stay proposals: nobody knows the mail server's name."""
    made = {one_.name: one_ for one_ in whole(of_folder(ARTICLE, watchers=True)).jobs}
    watch = made["giscus-check"].watch
    assert watch is not None
    assert (watch.kind, watch.repo, made["giscus-check"].enabled) == (
        "github-discussions",
        "octo/blog",
        True,
    )
    assert made["email-check"].watch is None
    assert made["email-check"].enabled is False


def test_real_files_of_2026_9_6_become_a_configuration_that_is_right() -> None:
    found = of_folder(MADE)
    made = {one_.name: one_ for one_ in whole(found).jobs}
    assert {name: one_.tier.value for name, one_ in made.items() if one_.enabled} == {
        "last-day": "frontier",
        "thirteenth-or-friday": "frontier",
        "once": "frontier",
        "morning-brief": "frontier",
    }
    assert made["last-day"].cron == "0 9 L * *"
    assert made["hourly-mail"].jitter == 300
    assert made["seconds"].cron == "30 */10 * * * *"
    assert made["morning-brief"].zone == "America/Los_Angeles"
    assert made["morning-brief"].deadline == 900
    assert made["mentions"].tools == ("fetch",)
    assert made["feed"].deliver == "webhook:https://hooks.example.org/twotier"
    assert str(made["once"].at) == "2027-03-01 08:00:00+00:00"
    assert "hourly-mail-2" in made


def test_what_openclaw_2026_9_6_has_and_we_have_not_is_named() -> None:
    told = said(of_folder(MADE), "dropped")
    for name in ("Memory Dreaming Promotion", "heartbeat-main", "skill-collection-review-main"):
        assert f"job {name}: OpenClaw made it for itself" in told
    assert "job Disk: it runs a program and asks no model" in told
    assert "job Script: it is a script of OpenClaw's own" in told
    assert "job Trigger: a script of OpenClaw's own says when it runs" in told
    assert "job Morning brief: thinking = high" in told


def test_a_second_import_changes_nothing() -> None:
    for folder in (ARTICLE, MADE):
        first = of_folder(folder)
        second = of_folder(folder, ours=again(first))
        assert second.text == first.text
        assert {step.state for step in second.steps} == {"same"}
        assert second.added == []
        assert second.made.aliases == {}


def test_a_twin_with_its_watcher_keeps_it_without_the_flag() -> None:
    first = of_folder(ARTICLE, watchers=True)
    second = of_folder(ARTICLE, ours=again(first))
    assert {step.state for step in second.steps} == {"same"}


def test_a_twin_gets_its_watcher_later() -> None:
    second = of_folder(ARTICLE, ours=again(of_folder(ARTICLE)), watchers=True)
    states = {step.twin.name: step.state for step in second.steps}
    assert states.pop("giscus-check") == "changed"
    assert states.pop("mention-scan") == "changed"
    assert set(states.values()) == {"same"}


def test_an_edited_twin_is_left_alone_and_one_that_was_taken_away_stays_away() -> None:
    ours = again(plan(config(), [job(), job(id="j2", name="Two")]))
    files = {"hello": ours.files["hello"] + "# mine\n"}
    there = replace(ours, files=files)
    changed = [job("Say goodbye."), job(id="j2", name="Two")]
    assert [step.state for step in plan(config(), changed, ours=there).steps] == ["edited", "gone"]
    anew = plan(config(), changed, ours=there, anew=True)
    assert [step.state for step in anew.steps] == ["edited", "new"]


def test_a_twin_follows_its_original_until_it_is_edited() -> None:
    ours = again(plan(config(), [job()]))
    assert plan(config(), [job("Say goodbye.")], ours=ours).steps[0].state == "changed"
    assert plan(config(), [job(enabled=False, state={"x": 1})], ours=ours).steps[0].state == "same"
    assert plan(config(), [job(payload={"unknown": 1})], ours=ours).steps[0].state == "same"


def test_what_is_there_already_is_not_touched() -> None:
    """A tier by its model and address, an alias with another end, a name that is taken."""
    tiers = {
        "big": {"provider": "anthropic", "model": "claude-opus-4-6"},
        "mine": {
            "engine": "openai",
            "base_url": "http://127.0.0.1:8899/v1/",
            "model": "lmstudio-community/MiniMax-M2.5-MLX-4bit",
        },
    }  # fmt: skip
    ours = Ours("# mine\n", Have(tiers, {"opus": "big", "m25": "big"}), frozenset({"hello"}))
    found = plan(config(), [job(payload={"model": "m25"})], ours=ours)
    assert [(tier.name, tier.there) for tier in found.made.tiers] == [("big", True), ("mine", True)]
    assert found.text == "# mine\n"
    assert "alias m25: your alias leads to big, OpenClaw's to mine; yours stays" in said(
        found, "changed"
    )
    assert found.steps[0].twin.name == "hello-2"


def test_a_tier_that_an_import_made_may_be_changed() -> None:
    """It is told by what the import remembers, though model and address are others now."""
    tiers = {"local": {"engine": "ollama", "model": "another"}}
    found = plan(config(), ours=Ours("x = 1\n", Have(tiers, {}, {M25: "local"})))
    assert [(tier.name, tier.there) for tier in found.made.tiers] == [
        ("frontier", False),
        ("local", True),
    ]


def test_without_a_paid_tier_a_job_that_needs_one_is_left_out() -> None:
    found = plan(config(primary="google/gemini-9"), [job()])
    assert found.steps == ()
    assert "job Hello: it needs a tier that is not local" in said(found, "dropped")
    ours = Ours("x = 1\n", Have({"paid": {"provider": "anthropic", "model": "claude-x"}}))
    assert one(plan(config(primary="google/gemini-9"), [job()], ours=ours))["tier"] == "frontier"
    ours = Ours("x = 1\n", Have({"paid": {"engine": "openai", "local": False, "model": "m"}}))
    assert len(plan(config(primary="google/gemini-9"), [job()], ours=ours).steps) == 1


def test_jobs_alone_go_to_openclaws_own_model_of_that_time() -> None:
    found = plan(None, [job()])
    assert [str(tier.ref) for tier in found.made.tiers] == ["anthropic/claude-opus-4-6"]
    assert "agents.defaults.model: unset" in said(found, "changed")
    assert "which was OpenClaw's own" in said(found, "changed")


def test_what_is_no_job_is_passed_over() -> None:
    assert plan(config(), [None, 7, "x", {}, job()]).steps[0].twin.name == "hello"


def test_only_variables_of_what_is_taken_are_missed() -> None:
    raw = config(
        providers={"far": {"baseUrl": "https://${FAR}/v1", "models": []}}, gateway={"auth": "${NO}"}
    )
    told = said(plan(raw), "warning")
    assert "models.providers.far.baseUrl: the variable FAR is not set" in told
    assert "NO" not in told


@pytest.mark.parametrize("folder", [ARTICLE, MADE])
def test_the_report_names_every_tier_job_and_note(folder: Any) -> None:
    found = of_folder(folder, watchers=True)
    text = report(found, folder=str(folder), at=NOW)
    for step in found.steps:
        assert f"`jobs/{step.twin.name}.toml`" in text
    for tier in found.made.tiers:
        assert f"| `{tier.name}` | added |" in text
    for note in found.notes:
        assert note.text.split("[")[0].split("<")[0] in text
    second = report(of_folder(folder, ours=again(found)), folder="x", at=NOW)
    assert "there already" in second
    assert "unchanged" in second


def test_names_of_somebody_else_are_no_markup() -> None:
    found = plan(config(), [job(name="a|b <script>\n# x `y` [z](http://z)")])
    text = report(found, folder="x", at=NOW)
    assert "<script>" not in text.replace("\\<script>", "")
    assert "\n# x" not in text


def test_a_report_without_jobs_has_none() -> None:
    assert "## Jobs" not in report(plan(config()), folder="x", at=NOW)


def test_the_memory_keeps_what_was_handed_over() -> None:
    first = plan(config(), [job()])
    memory = (
        Memory().with_plan(first, folder="/x", at=NOW).marked("j1", handed_over="then", by="file")
    )
    second = memory.with_plan(
        plan(config(), [job()], ours=again(first)), folder="/x", at=NOW.replace(hour=12)
    )
    assert second.jobs["j1"] == memory.jobs["j1"]
    edited = replace(again(first), files={"hello": "x = 1\n"})
    third = memory.with_plan(plan(config(), [job()], ours=edited), folder="/x", at=NOW)
    assert third.jobs["j1"].kept.wrote == sum_of(first.steps[0].text)
    anew = memory.with_plan(
        plan(config(), [job("Other.")], ours=again(first)), folder="/x", at=NOW.replace(hour=12)
    )
    assert anew.jobs["j1"].since != memory.jobs["j1"].since
    assert anew.jobs["j1"].handed_over == "then"
    assert isinstance(anew.jobs["j1"].kept, Kept)
