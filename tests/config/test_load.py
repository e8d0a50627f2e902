"""A wrong configuration is explained: where, what, and the nearest name that would be right."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest

from twotier.build.shelves import STARTER
from twotier.config import values
from twotier.config.load import load
from twotier.errors import ConfigError
from twotier.jobs import delivery
from twotier.models import starter
from twotier.router.rows import ROWS

CANARY = "sk-canary-5d1c"
WATCH = '[[jobs]]\nname = "a"\nprompt = "p"\nevery = "1m"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gateway]\nprot = 1", "gateway.prot: unknown key; did you mean 'port'?"),
        ("[gatway]\nport = 1", "gatway: unknown key; did you mean 'gateway'?"),
        ("[log]\nzzzzzz = 1", "log.zzzzzz: unknown key; known: level, bytes_max, files_kept"),
        (
            '[tiers.x]\nengine = "llama_cpp"\nmodle = "y"',
            "tiers.x.modle: unknown key; did you mean 'model'?",
        ),
        (
            '[[jobs]]\nname = "a"\nprompt = "p"\nevry = "1m"',
            "jobs.0.evry: unknown key; did you mean 'every'?",
        ),
        ('[[jobs]]\nname = "a"\nprompt = "p"', "jobs.0: needs one trigger: every"),
        (WATCH + 'watch = { kind = "files", pth = "x" }', "jobs.0.watch.pth: unknown key; did you"),
        (WATCH + 'watch = { kind = "files", pth = "x" }', "jobs.0.watch.path: is needed"),
        (
            WATCH + 'watch = { kind = "command", argv = ["x"], settle_seconds = 1 }',
            "jobs.0.watch.settle_seconds: unknown key; known: every, items_max",
        ),
        (
            WATCH + 'watch = { kind = "file", path = "x" }',
            "jobs.0.watch.kind: unknown kind; did you mean 'files'?",
        ),
        (
            WATCH + 'watch = { kind = "quux", path = "x" }',
            "jobs.0.watch.kind: unknown kind; known: files, command",
        ),
        (
            WATCH + 'watch = { path = "x" }',
            "jobs.0.watch.kind: is needed; there are: files, command",
        ),
        ('[tiers.x]\nengine = "openai"\nmodel = "m"', 'engine "openai" needs base_url'),
        ('[aliases]\na = "nowhere"', "aliases.a: no tier 'nowhere'"),
        ('[[budgets]]\nzone = "Mars/Olympus"', "'Mars/Olympus' is not a time zone"),
        ("[gateway\n", "is not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_a_way_out(tmp_path: Path, text: str, said: str) -> None:
    """Each error is the path of the key and what to write instead."""
    path = tmp_path / "twotier.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert said in caught.value.message
    assert str(path) in caught.value.message


def test_a_key_pasted_into_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """The place of a key is configured, never the key."""
    path = tmp_path / "twotier.toml"
    path.write_text(f'[tiers.f]\nprovider = "anthropic"\nmodel = "m"\nkey = "{CANARY}"\n')
    with pytest.raises(ConfigError, match="not the key: env:NAME") as caught:
        load(path)
    assert CANARY not in caught.value.message


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    """A folder can be moved as a whole."""
    path = tmp_path / "twotier.toml"
    path.write_text('state = "inner/state"\n')
    loaded = load(path)
    assert loaded.paths.state == tmp_path / "inner" / "state"
    assert loaded.resolve("inbox") == tmp_path / "inbox"
    assert loaded.resolve("/abs") == Path("/abs")


def test_no_file_says_what_writes_one(tmp_path: Path) -> None:
    """The first command a person types may be the wrong one."""
    with pytest.raises(ConfigError, match="`twotier up` writes one"):
        load(tmp_path / "none.toml")


JOB = '[[jobs]]\nname = "a"\nprompt = "p"\nevery = "1h"\n'
STANDS_BY = '\n[tiers.b]\nengine = "llama_cpp"\nmodel = "b"\nin_place_of = "{}"\n'
LOCAL = '[tiers.local]\nengine = "llama_cpp"\nmodel = "starter"\n'
FRONTIER = '[tiers.frontier]\nprovider = "anthropic"\nmodel = "claude-opus-4-6"\n'
WATCHED = JOB + 'watch = { kind = "files", path = "./in/box" }\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (JOB.replace('"1h"', "1e300"), "jobs.0.every: a duration is between 0 and 3650d"),
        (JOB.replace('"1h"', "inf"), "jobs.0.every: a duration is between"),
        (JOB.replace('"1h"', "nan"), "jobs.0.every: a duration is between"),
        (JOB.replace('"1h"', "9" * 400), "jobs.0.every: a duration is between"),
        (JOB.replace('"1h"', '"4000d"'), "jobs.0.every: a duration is between"),
        (JOB.replace('"1h"', "-3"), "jobs.0.every: a duration is between"),
        (JOB + "batch = true", 'jobs.0: batch = true needs time to wait: deadline = "1h"'),
        (JOB + 'deadline = "0s"', "jobs.0.deadline: Input should be greater than 0"),
        (JOB + 'missed = "within:99999d"', "jobs.0.missed: a duration is between"),
        (LOCAL + "connect_seconds = 0", "tiers.local.connect_seconds: Input should be greater"),
        ("[gateway]\ntotal_seconds_max = 0", "gateway.total_seconds_max: Input should be"),
        ("[[budgets]]\nlimit_usd = 1e30", "budgets.0.limit_usd: Input should be less than"),
        ("[[budgets]]\nalert_usd = nan", "budgets.0.alert_usd: "),
        (JOB + 'deliver = "webhook:not-a-url"', "jobs.0.deliver: webhook: needs an address"),
        (JOB + 'deliver = "webhook:https:///path"', "jobs.0.deliver: webhook: needs an address"),
        (JOB + 'deliver = "file:out/{steam}.txt"', "names {steam}, which there is not; known:"),
        (JOB + 'deliver = "file:/tmp/x"', "jobs.0.deliver: file:/tmp/x points outside"),
        (JOB + 'deliver = "file:~/x"', "jobs.0.deliver: file:~/x points outside"),
        (JOB + 'deliver = "file:a/../../x"', "jobs.0.deliver: file:a/../../x points outside"),
        (WATCHED + 'deliver = "file:in/x/../box/{stem}.md"', "jobs.0: deliver = "),
        (LOCAL + STANDS_BY.format("frontier"), "tiers.b.in_place_of: 'frontier' is no tier with a"),
        (LOCAL + STANDS_BY.format("b"), "tiers.b.in_place_of: 'b' is no tier with a place of its"),
        (
            LOCAL + STANDS_BY.format("local") + STANDS_BY.replace("s.b]", "s.c]").format("b"),
            "tiers.c.in_place_of: 'b' is no tier with a place of its own; there are: local",
        ),
        (
            LOCAL.replace("llama_cpp", "openai")
            + 'base_url = "http://127.0.0.1:1"'
            + STANDS_BY.format("local"),
            "tiers.b.in_place_of: both need an engine that twotier starts (llama_cpp, mlx_lm",
        ),
        (JOB + 'model = "gpt"', "jobs.0.model: no tier or alias 'gpt'; there are: auto"),
        (LOCAL + JOB + 'tier = "frontier"', 'jobs.0.tier: "frontier" needs a tier that is not'),
        (FRONTIER + JOB + 'tier = "local-only"', 'jobs.0.tier: "local-only" needs a local tier'),
        ('[routing]\noff = ["poling"]', "routing.off.0: there is no rule 'poling'; there are:"),
        (LOCAL + 'base_url = "localhost:80"', "tiers.local.base_url: must be an address such as"),
        (LOCAL + 'base_url = "http://h:p/"', "tiers.local.base_url: must be an address such as"),
        ('[ntfy]\nurl = "ntfy.sh"', "ntfy.url: must be an address such as"),
        (LOCAL.replace("local", "Big One", 1).replace("[tiers.Big One]", '[tiers."Big One"]'),
         "tiers.Big One: a tier's name is"),
        (LOCAL.replace("local", "auto", 1), "tiers.auto: this name is taken"),
        (LOCAL.replace("local", "worker", 1), "tiers.worker: this name is taken"),
        ('[gateway]\nhost = "0.0.0.0"', "gateway: host 0.0.0.0 can be reached from other machine"),
        ('[gateway]\nhost = "192.168.1.5"', 'such as allowed_hosts = ["nas.local"]'),
        ('[gateway]\nhost = "example.com"', "gateway.host: 'example.com' is no address"),
        ('[gateway]\nhost = ""', "gateway.host: '' is no address"),
        ('[gateway]\nallowed_hosts = ["*"]', "gateway.allowed_hosts.0: '*' is no host"),
        ('[gateway]\nallowed_hosts = ["http://nas"]', "is no host; write a name such as nas.local"),
        ('[gateway]\nallowed_hosts = ["nas:8484"]', "gateway.allowed_hosts.0: 'nas:8484' is no h"),
        ('[gateway]\nallowed_hosts = ["nas..local"]', "gateway.allowed_hosts.0: 'nas..local' is n"),
        ('[gateway]\nallowed_origins = ["*"]', "gateway.allowed_origins.0: '*' is no origin"),
        ('[gateway]\nallowed_origins = ["null"]', "gateway.allowed_origins.0: 'null' is no origin"),
        ('[gateway]\nallowed_origins = ["chat.example.org"]', "scheme, host and port as a browser"),
        ('[gateway]\nallowed_origins = ["https://a.b/c"]', "gateway.allowed_origins.0: 'https://a"),
        ('[gateway]\npublic_url = "https://a.b"', "public_url names a.b, which is refused"),
        ('[gateway]\npublic_url = "a.b"', "gateway.public_url: must be an address such as"),
        ('[gateway]\npublic_url = "http://u:p@localhost"', "gateway.public_url: must be an ad"),
        ('[gateway]\npublic_url = "http://localhost/?a=b"', "gateway.public_url: must be an addre"),
        ('state = "."', "state: '.' must be a folder of its own"),
        ('state = ""', "state: '' must be a folder of its own"),
        ('state = "a\\u0000b"', "state: a path holds no control characters"),
        ("[log]\nfiles_kept = " + "9" * 5000, "is not valid TOML"),
    ],
)  # fmt: skip
def test_what_could_never_work_is_refused_with_its_path(
    tmp_path: Path, text: str, said: str
) -> None:
    """Each of these was taken before, and crashed `up` or failed at night."""
    path = tmp_path / "twotier.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        '[gateway]\nhost = "127.8.9.1"',
        '[gateway]\nhost = "::1"',
        '[gateway]\nhost = "0.0.0.0"\nallowed_hosts = ["NAS.local", "192.168.1.5", "[fd00::7]"]',
        '[gateway]\nhost = "::"\nallowed_hosts = ["nas"]\npublic_url = "http://nas:8484/models/"',
        '[gateway]\npublic_url = "http://localhost:8484"',
        '[gateway]\nallowed_origins = ["https://a.b:444", "app://obsidian.md", "http://[::1]:80"]',
        '[gateway]\nhost = "localhost"',
        LOCAL + "wait_seconds = 0",
        LOCAL + JOB + 'model = "starter"',
        LOCAL + JOB + 'model = "smollm2-135m-instruct"',
        LOCAL + JOB + 'model = "local"\ntier = "local-only"',
        FRONTIER + JOB + 'model = "claude-haiku-4-5"\ntier = "frontier"',
        FRONTIER + JOB + 'model = "anthropic/claude-haiku-4-5"',
        WATCHED + 'deliver = "file:in/{stem}.md"',
        JOB + 'deliver = "webhook:https://u:p@host/x?token=y"',
        JOB + 'deliver = "file:./out/{date}/{job}-{run}-{name}.md"',
    ],
)
def test_what_works_is_taken(tmp_path: Path, text: str) -> None:
    """The other side of each rule."""
    path = tmp_path / "twotier.toml"
    path.write_text(text)
    load(path)


def test_hosts_and_origins_are_kept_as_they_are_compared(tmp_path: Path) -> None:
    """Small letters, addresses in their short form, no slash at an end."""
    path = tmp_path / "twotier.toml"
    path.write_text(
        '[gateway]\nallowed_hosts = ["NAS.Local", "[FD00:0:0::7]"]\n'
        'allowed_origins = ["HTTPS://Chat.Example.org"]\npublic_url = "https://nas.local/"\n'
    )
    gateway = load(path).config.gateway
    assert gateway.allowed_hosts == ("nas.local", "fd00::7")
    assert gateway.allowed_origins == ("https://chat.example.org",)
    assert gateway.public_url == "https://nas.local"


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    """Nobody wants to mend one, and be told the next."""
    path = tmp_path / "twotier.toml"
    twice = JOB + 'model = "gpt"\ntier = "local-only"\n'
    path.write_text(f'{FRONTIER}[aliases]\nx = "nowhere"\nauto = "frontier"\n{twice}{twice}')
    with pytest.raises(ConfigError) as caught:
        load(path)
    lines = caught.value.message.splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [
        "aliases.x", "aliases.auto", "jobs",
        "jobs.0.model", "jobs.0.tier", "jobs.1.model", "jobs.1.tier",
    ]  # fmt: skip


def test_a_wrong_address_is_not_repeated(tmp_path: Path) -> None:
    """It may hold a password."""
    path = tmp_path / "twotier.toml"
    bad = f'base_url = "htp://u:{CANARY}@h"'
    path.write_text(f'{LOCAL}{bad}\n{JOB}deliver = "webhook:htp://u:{CANARY}@h"\n')
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert CANARY not in caught.value.message


def test_names_written_twice_are_the_same() -> None:
    """Configuration may not import the router or the models; this holds them together."""
    assert typing.get_args(values.Rule) == tuple(ROWS)
    assert (STARTER, starter.STARTER.ref) == (values.STARTER, values.STARTER_REF)
    assert values.FIELDS == delivery.FIELDS
