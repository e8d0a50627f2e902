"""`[routing]` and `[[rules]]`: what could never work is refused with what to do instead."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest

from twotier.build.rules import rules_in
from twotier.config import routing
from twotier.config.load import check_text
from twotier.config.schema import Config
from twotier.errors import ConfigError
from twotier.router import rows
from twotier.router.own import DAYS
from twotier.router.rules import KINDS

LOCAL = '[tiers.local]\nengine = "llama_cpp"\nmodel = "starter"\n'
FRONTIER = '[tiers.frontier]\nprovider = "anthropic"\nmodel = "claude-opus-4-6"\n'
TIERS = LOCAL + FRONTIER
JOB = '[[jobs]]\nname = "a"\nprompt = "p"\nevery = "1h"\n'
STANDBY = '[tiers.b]\nengine = "llama_cpp"\nmodel = "b"\nin_place_of = "local"\n'
RULE = '[[rules]]\nname = "r"\n'


def read(text: str) -> Config:
    return check_text(text, Path("none/twotier.toml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[routing]\npreset = "articel"', "routing.preset: Input should be 'default' or 'article'"),
        ('[routing]\norder = ["recrod"]', "routing.order.0: there is no rule 'recrod'; did you m"),
        ('[routing]\norder = ["zzz"]', "routing.order.0: there is no rule 'zzz'; there are: time"),
        ('[routing]\norder = ["default"]', "routing.order.0: default is always the last one"),
        ('[routing]\norder = ["gain", "gain"]', "routing.order.1: 'gain' stands there twice"),
        ('[routing]\noff = ["r"]\n' + RULE + 'tier = "local"', "routing.off.0: there is no rule"),
        (RULE, 'rules.0: does one thing: tier = "NAME", side = "local" or policy = "local-only"'),
        (RULE + 'tier = "local"\nside = "local"', "rules.0: does one thing"),
        (RULE + 'policy = "frontier"', "rules.0.policy: Input should be 'local-only'"),
        (RULE + 'policy = "local-only"\nkind = "polling"', "rules.0: policy must not hang on kind"),
        (RULE + 'side = "local"\nmodel = "auto"', "rules.0: model: auto is no model"),
        (RULE + 'side = "local"\nclient = ""', "rules.0.client.0: an empty text meets nothing"),
        (RULE + 'side = "local"\nkind = "reading"', "rules.0.kind.0: Input should be 'polling', "),
        (RULE + 'side = "local"\npath = "/messages"', "rules.0.path.0: '/messages' is no path"),
        (RULE + 'side = "local"\nheader = { Cookie = "x" }', "rules.0.header.Cookie: this header"),
        (RULE + 'side = "local"\nheader = { "a b" = "x" }', "'a b' is no name of a header"),
        (RULE + 'side = "local"\nbetween = "22-6"', "rules.0.between: '22-6' is no time"),
        (RULE + 'side = "local"\nbetween = "22:00-24:30"', "is no time of the day; write for exa"),
        (RULE + 'side = "local"\nbetween = "08:00-08:00"', "is no time of the day; write for exa"),
        (RULE + 'side = "local"\ndays = "sunday"', "rules.0.days.0: Input should be 'mon', "),
        (RULE + 'side = "local"\nzone = "Mars"', "rules.0.zone: 'Mars' is not a time zone"),
        (
            RULE + 'side = "local"\nprompt_tokens_over = 9\nprompt_tokens_under = 10',
            "rules.0: no prompt has over 9 and under 10 tokens",
        ),
        (RULE.replace('"r"', '"gain"'), "rules.0.name: 'gain' is a rule of twotier's own"),
        (RULE.replace('"r"', '"explicit"'), "rules.0.name: 'explicit' is a rule of twotier's own"),
        (RULE.replace('"r"', '"A b"'), "rules.0.name: a rule's name is 1 to 64 of a-z"),
        ((RULE + 'side = "local"\n') * 2, "rules: the name 'r' is used twice"),
        (RULE + 'side = "local"\njob = "b"', "rules.0.job: no job 'b'; there are: none"),
        (TIERS + RULE + 'tier = "far"', "rules.0.tier: no tier 'far'; there are: local, frontier"),
        (TIERS + STANDBY + RULE + 'tier = "b"', "rules.0.tier: 'b' stands by and is asked by its"),
        (FRONTIER + RULE + 'side = "local"', "rules.0.side: needs a local tier; add one"),
        (FRONTIER + RULE + 'policy = "local-only"', "rules.0.policy: needs a local tier"),
        (LOCAL + RULE + 'side = "frontier"', "rules.0.side: needs a tier that is not local"),
        (RULE + 'side = "local"\nclinet = "x"', "rules.0.clinet: unknown key; did you mean"),
    ],
)  # fmt: skip
def test_what_could_never_work_is_refused_with_its_path(text: str, said: str) -> None:
    """Before anything runs by it."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[routing]\npreset = "article"\norder = ["record", "rules"]\noff = ["default"]',
        TIERS + JOB + RULE + 'tier = "local"\njob = ["a", "b-*"]\nbecause = "x"',
        TIERS + STANDBY + RULE + 'tier = "b"\nmodel = "coder-*"',
        '[routing]\norder = ["r"]\n' + RULE + 'side = "local"\nheader = { X-Team = "ops" }',
        RULE + 'policy = "local-only"\nclient = "*"\nmodel = "auto"',
    ],
)  # fmt: skip
def test_what_works_is_taken(text: str) -> None:
    """A file without tiers is unfinished, not wrong."""
    assert rules_in(read(text)).rows is not None


def test_one_text_stands_for_a_list_of_it() -> None:
    """And a header's name is read in small letters, as HTTP has them."""
    (rule,) = read(RULE + 'side = "local"\nclient = "a"\nheader = { X-Team = "ops" }').rules
    assert (rule.client, rule.header) == (("a",), {"x-team": "ops"})


def test_names_written_twice_are_the_same() -> None:
    """Configuration may not import the router; this holds them together."""
    assert set(typing.get_args(routing.Kind)) == KINDS | {"unknown"}
    assert (routing.OWN, routing.LAST) == (rows.OWN, rows.LAST)
    assert typing.get_args(routing.Day) == DAYS
    assert set(typing.get_args(routing.RoutingConfig.model_fields["preset"].annotation)) == set(
        rows.PRESETS
    )
