"""What a job runs, read from its file, and the same command for any port."""

from __future__ import annotations

import plistlib
from pathlib import Path

import pytest

from twotier.errors import EngineError
from twotier.service.definition import Definition, from_plist, from_unit, movable
from twotier.service.moving import job, said
from twotier.supervisor.owner import Said

ARGV = ["/opt/homebrew/bin/mlx_lm.server", "--model", "org/m25", "--host", "0.0.0.0"]
PLIST = {
    "Label": "com.example.mlx",
    "ProgramArguments": [*ARGV, "--port", "8081"],
    "EnvironmentVariables": {"HF_HUB_OFFLINE": "1", "HF_TOKEN": "made-up"},
    "WorkingDirectory": "/tmp",
    "KeepAlive": True,
}
UNIT = """\
[Unit]
Description=mlx
[Service]
Environment="MODEL=org/m25" OTHER=%h/x
Environment=PORT=8090
ExecStart=-/usr/bin/mlx_lm.server --model ${MODEL} \\
  --port=$PORT
WorkingDirectory=~/models
Restart=always
[Install]
WantedBy=default.target
"""


def test_a_property_list_is_read_in_both_of_its_forms() -> None:
    """XML and binary; arguments, variables, folder."""
    for form in (plistlib.FMT_XML, plistlib.FMT_BINARY):
        found = from_plist(plistlib.dumps(PLIST, fmt=form))
        assert found.argv == (*ARGV, "--port", "8081")
        assert found.env["HF_HUB_OFFLINE"] == "1"
        assert found.folder == "/tmp"
    assert from_plist(plistlib.dumps({"Program": "/bin/x"})).argv == ("/bin/x",)
    assert from_plist(plistlib.dumps({"Program": "/bin/x"})).folder == "/"  # launchd's own default
    both = {"Program": "/bin/x", "ProgramArguments": ["y", "z"]}
    assert from_plist(plistlib.dumps(both)).argv == ("/bin/x", "z")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (b"<plist>", "cannot be read"),
        (plistlib.dumps({"Label": "x"}), "neither ProgramArguments"),
        (plistlib.dumps(["not", "a", "job"]), "no dictionary"),
        (plistlib.dumps({"Program": "/x", "Sockets": {}}), "has Sockets"),
        (plistlib.dumps({"Program": "/x", "RootDirectory": "/y"}), "has RootDirectory"),
    ],
)
def test_a_property_list_that_is_no_plain_command_is_refused(found: bytes, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        from_plist(found)


def test_a_unit_is_read_with_its_variables_and_its_home() -> None:
    """Continued lines, quotes, `%h`, `~`, and `$NAME` from its own Environment."""
    found = from_unit(UNIT, home="/home/ada")
    assert found.argv == ("/usr/bin/mlx_lm.server", "--model", "org/m25", "--port=8090")
    assert found.env == {"MODEL": "org/m25", "OTHER": "/home/ada/x", "PORT": "8090"}
    assert found.folder == "/home/ada/models"


@pytest.mark.parametrize(
    ("lines", "argv", "folder"),
    [
        ("ExecStart=/x a~b", ("/x", "a~b"), "/home/ada"),
        ("ExecStart=/x\nWorkingDirectory=/srv/a~b", ("/x",), "/srv/a~b"),
        ("ExecStart=:/x $HOME", ("/x", "$HOME"), "/home/ada"),
        ("ExecStart=/x $$HOME", ("/x", "$HOME"), "/home/ada"),
    ],
)
def test_a_unit_means_what_systemd_takes_it_for(
    lines: str, argv: tuple[str, ...], folder: str
) -> None:
    """It starts at home, `~` is that only at the beginning, `:` and `$$` leave a dollar alone."""
    found = from_unit(f"[Service]\n{lines}\n", home="/home/ada")
    assert (found.argv, found.folder) == (argv, folder)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ExecStart=/x --name %i", "%i"),
        ("ExecStart=/x $NOBODY", "NOBODY"),
        ("ExecStart=+/x", "not a plain command"),
        ("ExecStart=/x 'y", "cannot be read"),
        ("ExecStart=", "exactly one"),
        ("ExecStart=/x\nEnvironmentFile=/y", "EnvironmentFile"),
        ("ExecStart=/x\nExecStartPre=/y", "ExecStartPre"),
    ],
)
def test_a_unit_that_is_no_plain_command_is_refused(line: str, words: str) -> None:
    """Better left where it is than run otherwise."""
    with pytest.raises(EngineError, match=words):
        from_unit(f"[Service]\n; a comment\n{line}\n", home="/home/ada")


def test_the_same_command_for_any_port_on_loopback() -> None:
    """The port it had is for the gateway; a secret is left out and named."""
    moved = movable(from_plist(plistlib.dumps(PLIST)))
    assert moved.definition.argv[-3:] == ("127.0.0.1", "--port", "{port}")
    assert (moved.engine, moved.model, moved.port) == ("mlx_lm", "org/m25", 8081)
    assert moved.left_out == ("HF_TOKEN",)
    assert moved.definition.env == {"HF_HUB_OFFLINE": "1"}


@pytest.mark.parametrize(
    ("argv", "expected", "engine", "port"),
    [
        (("mlx_lm.server", "--model=m"), ("mlx_lm.server", "--model=m", "--port", "{port}"),
         "mlx_lm", 8080),
        (("llama-server", "-m", "x.gguf", "--port=9"), ("llama-server", "-m", "x.gguf",
         "--port={port}"), "llama_cpp", 9),
        (("/bin/sh", "-c", "vllm serve --model m --port 8001 --host ::"),
         ("/bin/sh", "-c", "vllm serve --model m --port {port} --host 127.0.0.1"), "vllm", 8001),
        (("my-server", "--port", "7"), ("my-server", "--port", "{port}"), "openai", 7),
    ],
)  # fmt: skip
def test_each_way_to_say_a_port(
    argv: tuple[str, ...], expected: tuple[str, ...], engine: str, port: int
) -> None:
    """A flag, a flag with `=`, one inside a shell's line, or none."""
    moved = movable(Definition(argv), model="m")
    assert (moved.definition.argv, moved.engine, moved.port) == (expected, engine, port)


def test_the_m_of_python_is_no_model() -> None:
    """`python -m mlx_lm server` serves what `--model` says; only llama-server's own -m is one."""
    argv = ("/usr/bin/python3", "-m", "mlx_lm", "server", "--model", "org/m25")
    assert movable(Definition(argv)).model == "org/m25"
    with pytest.raises(EngineError, match="--model NAME"):
        movable(Definition(argv[:4]))
    assert movable(Definition(("llama-server", "-m", "x.gguf"))).model == "x.gguf"


def test_a_server_of_every_address_is_for_this_machine_only() -> None:
    """Without a host vLLM listens everywhere."""
    argv = ("vllm", "serve", "--model", "m")
    assert movable(Definition(argv)).definition.argv[-4:] == (
        "--port", "{port}", "--host", "127.0.0.1",
    )  # fmt: skip


@pytest.mark.parametrize("flag", ["--api-key=made-up", "--api-key made-up", "-hft made-up"])
def test_a_secret_in_the_command_is_refused_and_not_said(flag: str) -> None:
    """The command goes into the configuration and to the screen."""
    for argv in (("llama-server", *flag.split()), ("sh", "-c", f"llama-server {flag}")):
        with pytest.raises(EngineError, match=r"holds a secret \(-+[a-z-]+\)") as caught:
            movable(Definition(argv), model="x")
        assert "made-up" not in str(caught.value)


def test_what_only_sounds_like_a_secret_comes_along() -> None:
    """Half of all machines set it."""
    env = {"TOKENIZERS_PARALLELISM": "false", "API_TOKENS": "made-up"}
    moved = movable(Definition(("mlx_lm.server",), env), model="m")
    assert (dict(moved.definition.env), moved.left_out) == (
        {"TOKENIZERS_PARALLELISM": "false"},
        ("API_TOKENS",),
    )


def test_ollama_is_told_by_its_variable() -> None:
    """It has no flag for its port; where it says nothing it has its usual one."""
    moved = movable(Definition(("/usr/bin/ollama", "serve")), model="x")
    assert (moved.engine, moved.port, moved.definition.argv[1:]) == ("ollama", 11434, ("serve",))
    assert moved.definition.env == {"OLLAMA_HOST": "127.0.0.1:{port}"}
    other = Definition(("ollama", "serve"), {"OLLAMA_HOST": "0.0.0.0:9"})
    assert movable(other, model="x").port == 9


def test_a_stranger_without_a_port_stays_where_it_is() -> None:
    with pytest.raises(EngineError, match="--port N"):
        movable(Definition(("my-server",)), model="x")
    with pytest.raises(EngineError, match="--port N"):  # sh would keep the flag for itself
        movable(Definition(("/bin/sh", "-c", "mlx_lm.server")), model="x")
    with pytest.raises(EngineError, match="'auto', and has to be a number"):
        movable(Definition(("my-server", "--port", "auto")), model="x")


def test_a_command_that_does_not_say_its_model_needs_it_said() -> None:
    with pytest.raises(EngineError, match="--model NAME"):
        movable(Definition(("serve",)))
    assert movable(Definition(("vllm",)), model="x").model == "x"


def test_how_a_job_leaves_and_comes_back(tmp_path: Path) -> None:
    """For good, and by its owner's own switch; the domain is the user's."""
    mac = job("com.example.mlx", uid=501, home=tmp_path, mac=True)
    assert mac.word == "launchd:com.example.mlx"
    assert said(mac.leave) == [
        "launchctl disable gui/501/com.example.mlx",
        "launchctl bootout gui/501/com.example.mlx",
    ]
    place = tmp_path / "Library/LaunchAgents/com.example.mlx.plist"
    assert said(mac.start) == [f"launchctl bootstrap gui/501 {place}"]
    assert mac.switch == ("launchctl", "print-disabled", "gui/501")
    for word, on in (("disabled", False), ("true", False), ("enabled", True), ("false", True)):
        assert mac.enabled(Said(0, f'\t"com.example.mlx" => {word}\n')) is on
    assert mac.enabled(Said(0, '\t"com.example.mlx2" => disabled\n'))
    assert mac.read(plistlib.dumps(PLIST), home=tmp_path).argv[0] == ARGV[0]
    unit = job("mlx", uid=501, home=tmp_path, mac=False)
    assert said(unit.leave) == ["systemctl --user disable --now mlx.service"]
    assert said((*unit.enable, *unit.start))[-1] == "systemctl --user start mlx.service"
    for other, words in (("system/x", "only root"), ("docker:x", "launchd:LABEL or")):
        with pytest.raises(EngineError, match=words):
            job(other, uid=1, home=tmp_path, mac=True)
    assert unit.switch == ("systemctl", "--user", "is-enabled", "mlx.service")
    assert (unit.enabled(Said(0, "enabled\n")), unit.enabled(Said(1, "disabled\n"))) == (
        True,
        False,
    )
    assert job("systemd:x.service", uid=1, home=tmp_path, mac=True).word == "systemd:x.service"
    assert unit.read(UNIT.encode(), home=tmp_path).argv[0] == "/usr/bin/mlx_lm.server"
