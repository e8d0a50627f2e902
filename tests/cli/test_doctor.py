"""`twotier doctor`: what is wrong is found, and every finding ends with what mends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.absent import without
from tests.cli.standin import CANARY, STATUS, Done, standin, twotier

CONFIG = """\
[gateway]
port = {port}
[tiers.local]
engine = "openai"
model = "m"
base_url = "http://127.0.0.1:{server}/v1"
[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
base_url = "http://127.0.0.1:{server}"
key = "file:frontier.key"
"""


@contextmanager
def listening() -> Iterator[int]:
    """A port that takes connections."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def doctor(tmp_path: Path, text: str, **more: str) -> tuple[Done, dict[str, dict[str, Any]]]:
    """The real command without a main, and its findings by name."""
    (tmp_path / "twotier.toml").write_text(text)
    config = str(tmp_path / "twotier.toml")
    env = {"TWOTIER_CACHE": str(tmp_path / "cache"), **more}
    done = asyncio.run(twotier("--config", config, "doctor", "--json", env=env))
    return done, {finding["name"]: finding for finding in done.document["findings"]}


def free_port() -> int:
    """A port nobody has."""
    with listening() as port:
        return port


def test_a_healthy_set_up_is_ok(tmp_path: Path) -> None:
    """Everything is there: exit code 0; the key is found and never shown."""
    key = tmp_path / "frontier.key"
    key.write_text(CANARY)
    key.chmod(0o600)
    with listening() as server:
        done, found = doctor(tmp_path, CONFIG.format(port=free_port(), server=server))
    assert done.code == 0
    assert CANARY not in done.out + done.err
    assert [name for name, one in found.items() if one["level"] == "bad"] == []
    assert found["frontier key"]["text"] == "found at file:frontier.key"
    assert found["local address"]["level"] == "ok"
    assert found["port"]["text"].endswith("is free")
    assert found["main"]["mend"] == "twotier up"


def test_every_finding_that_is_not_ok_ends_with_what_mends_it(tmp_path: Path) -> None:
    """A key open to others, a port taken by somebody, a broken ledger: exit code 1."""
    (tmp_path / "frontier.key").write_text(CANARY)
    (tmp_path / "frontier.key").chmod(0o644)
    state = tmp_path / ".twotier"
    state.mkdir(mode=0o755)
    (state / "ledger.db").write_text("no database at all, but quite long enough to look at" * 9)
    with listening() as taken:
        done, found = doctor(tmp_path, CONFIG.format(port=taken, server=free_port()))
    assert done.code == 1
    assert CANARY not in done.out + done.err
    levels = {name: one["level"] for name, one in found.items() if one["level"] != "ok"}
    assert levels == {
        "main": "warn",
        "state": "bad",
        "frontier key file": "bad",
        "frontier key": "bad",
        "local address": "warn",
        "frontier address": "warn",
        "port": "bad",
        "ledger": "bad",
    }
    assert all(found[name]["mend"] for name in levels)
    assert found["frontier key"]["mend"] == f"chmod 600 {tmp_path}/frontier.key"
    assert found["state"]["mend"] == f"chmod 700 {state}"
    assert "gateway.port" in found["port"]["mend"]


def test_a_kept_server_that_was_never_prepared_is_told_how(tmp_path: Path) -> None:
    """No environment and no model yet: warnings, because `twotier up` makes both."""
    done, found = doctor(tmp_path, '[tiers.local]\nengine = "llama_cpp"\nmodel = "starter"\n')
    assert found["local engine"]["mend"] == "twotier up"
    assert found["local model"]["mend"] == "twotier models pull starter"
    assert "bad" not in {found["local engine"]["level"], found["local model"]["level"]}
    assert done.code in (0, 1)  # the default port may be taken on the machine of the tests


def test_an_address_that_others_reach_needs_clients_with_keys(tmp_path: Path) -> None:
    """Said here before `up` refuses; a key file that cannot be read is told apart."""
    reachable = f'[gateway]\nport = {free_port()}\nhost = "0.0.0.0"\nallowed_hosts = ["nas"]\n'
    done, found = doctor(tmp_path, reachable)
    assert (found["clients"]["level"], found["clients"]["mend"]) == ("bad", "twotier key add NAME")
    assert done.code == 1
    (tmp_path / ".twotier").mkdir(mode=0o700, exist_ok=True)
    (tmp_path / ".twotier" / "keys.json").write_text("{")
    _, found = doctor(tmp_path, reachable)
    assert found["clients"]["mend"].startswith("mv ")
    (tmp_path / ".twotier" / "keys.json").unlink()
    _, found = doctor(tmp_path, "")
    assert found["clients"]["text"] == "0 with keys of their own"


def test_spans_nobody_can_send_or_receive_are_found(tmp_path: Path) -> None:
    """A collector that is away costs spans, a missing extra keeps `up` from starting."""
    with listening() as there:
        away = free_port()
        text = '[telemetry]\notlp_endpoint = "http://127.0.0.1:{port}"\n'
        _, found = doctor(tmp_path, text.format(port=there))
        assert found["telemetry"]["level"] == "ok"
        _, found = doctor(tmp_path, text.format(port=away))
        assert found["telemetry"]["level"] == "warn"
        with without(tmp_path, "opentelemetry") as env:
            _, found = doctor(tmp_path, text.format(port=there), **env)
    assert found["telemetry"]["level"] == "bad"
    assert found["telemetry"]["mend"] == "pip install 'twotier[otel]'"


def test_a_starter_model_that_was_changed_is_bad(tmp_path: Path) -> None:
    """Same name, same size, other bytes: the hash is computed and not believed."""
    from twotier.models.starter import STARTER

    model = tmp_path / "cache" / "models" / STARTER.file
    model.parent.mkdir(parents=True)
    with model.open("wb") as file:
        file.truncate(STARTER.size_bytes)
    _, found = doctor(tmp_path, '[tiers.local]\nengine = "llama_cpp"\nmodel = "starter"\n')
    assert found["local model"]["level"] == "bad"
    assert f"rm {model}" in found["local model"]["mend"]


def test_a_command_that_is_gone_is_found(tmp_path: Path) -> None:
    """A server that was taken over runs from somebody else's packages, which move."""
    text = f"[gateway]\nport = {free_port()}\n"
    for name, program in (("there", "/bin/sh"), ("gone", "/nowhere/mlx_lm.server")):
        text += f'[tiers.{name}]\nengine = "mlx_lm"\nmodel = "m"\n'
        text += f'command = ["{program}", "--port", "{{port}}"]\n'
    _, found = doctor(tmp_path, text)
    assert found["there command"]["level"] == "ok"
    assert found["gone command"]["level"] == "warn"
    assert found["gone command"]["mend"].endswith("set command in [tiers.gone]")


def test_a_wrong_configuration_is_the_one_thing_to_mend(tmp_path: Path) -> None:
    """Nothing else can be looked at without it."""
    done, found = doctor(tmp_path, "[gateway]\nprot = 1\n")
    assert done.code == 1
    assert set(found) == {"python", "config"}
    assert "did you mean 'port'?" in found["config"]["text"]
    assert found["config"]["mend"] == "twotier config check"


def test_what_cannot_be_looked_at_is_a_finding_and_not_the_end(tmp_path: Path) -> None:
    """A state folder the system refuses: the other checks are made all the same."""
    done, found = doctor(tmp_path, f'state = "{"s" * 300}"\n[gateway]\nport = {free_port()}\n')
    assert done.code == 1
    assert "cannot be looked at" in found["permissions"]["text"]
    assert found["port"]["level"] == "ok"


def test_what_mends_it_can_be_pasted(tmp_path: Path) -> None:
    """From any folder, where names hold spaces, and one line for each finding."""
    folder = tmp_path / "my conf"
    folder.mkdir()
    _, found = doctor(folder, CONFIG.format(port=free_port(), server=free_port()))
    assert found["frontier key"]["mend"] == f"(umask 077; cat > '{folder}/frontier.key')"
    (folder / "frontier.key").touch(mode=0o644)
    _, found = doctor(folder, CONFIG.format(port=free_port(), server=free_port()))
    assert found["frontier key"]["mend"] == f"chmod 600 '{folder}/frontier.key'"
    (folder / "twotier.toml").write_text("[gateway]\nprot = 1\n")
    said = asyncio.run(twotier("--config", str(folder / "twotier.toml"), "doctor")).out
    assert len(said.splitlines()) == 2


def test_with_main_up_its_port_is_ours(tmp_path: Path) -> None:
    """The running program is no stranger to itself."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            done = await twotier("--config", str(stand.config), "doctor")
            assert "running, pid 4242" in done.out
            assert "ours: http://127.0.0.1:8484" in done.out
            assert done.code == 0

    asyncio.run(scenario())


def test_without_a_configuration_the_way_on_is_up(tmp_path: Path) -> None:
    """The very first command may be this one."""
    done = asyncio.run(twotier("--config", str(tmp_path / "none.toml"), "doctor"))
    assert done.code == 0
    assert "twotier up" in done.out


def test_what_is_missing_for_a_job_or_a_price_is_found(tmp_path: Path) -> None:
    """A watched folder, and a price without which a tier is never asked."""
    text = (
        '[tiers.far]\nengine = "openai"\nmodel = "big"\nlocal = false\n'
        f'base_url = "http://me:{CANARY}@127.0.0.1:{free_port()}/v1?token={CANARY}"\n'
        '[[jobs]]\nname = "inbox"\nprompt = "p"\nevery = "1h"\n'
        'watch = { kind = "files", path = "in box" }\n'
    )
    done, found = doctor(tmp_path, text)
    assert found["inbox folder"]["mend"] == f"mkdir -p '{tmp_path / 'in box'}'"
    assert "no price is known for big" in found["far price"]["text"]
    assert found["far price"]["mend"].startswith(f"edit {tmp_path / 'twotier.toml'}: set input_usd")
    assert "http://me:***@127.0.0.1" in found["far address"]["text"]
    assert CANARY not in done.out


def test_with_main_up_keys_and_memory_are_as_main_sees_them(tmp_path: Path) -> None:
    """The doctor's own environment is another one: a key in it helps nobody."""
    (tmp_path / "twotier.toml").write_text(
        '[tiers.local]\nengine = "llama_cpp"\nmodel = "starter"\n'
        '[tiers.frontier]\nprovider = "anthropic"\nmodel = "claude-opus-4-6"\n'
    )

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            at = ("--config", str(stand.config), "doctor", "--json")
            done = await twotier(*at, env={"ANTHROPIC_API_KEY": CANARY})
            found = {finding["name"]: finding for finding in done.document["findings"]}
            assert found["frontier key"]["level"] == "warn"
            assert "export ANTHROPIC_API_KEY=..." in found["frontier key"]["mend"]
            assert found["memory"]["text"].endswith("GB free; the model of local is loaded")
            keyed = {**STATUS["tiers"][1], "state": "ready"}
            stand.answers["GET /control/status"] = (200, {**STATUS, "tiers": [keyed]})
            done = await twotier(*at)
            found = {finding["name"]: finding for finding in done.document["findings"]}
            assert found["frontier key"]["level"] == "ok"
            assert "memory" in found

    asyncio.run(scenario())
