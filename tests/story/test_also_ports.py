"""The gateway on the port of an older server: its clients go on as they are."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.story.service import FRONTIER, LOCAL_SERVER, Service, eventually
from tests.toys import server as toy


def free_port() -> int:
    """A port nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
    return port


@pytest.fixture
def toy_port() -> Iterator[int]:
    """The local model server, somebody else's."""
    port = free_port()
    child = subprocess.Popen((sys.executable, toy.__file__, f"--port={port}"), cwd=Path.cwd())
    try:
        yield port
    finally:
        child.kill()
        child.wait()


def ask(port: int, path: str, *, model: str = "", **headers: str) -> tuple[int, dict[str, Any]]:
    """One request with the standard library, as an old script would send it."""
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]} if model else None
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        None if body is None else json.dumps(body).encode(),
        {"content-type": "application/json", **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.slow
def test_clients_of_the_old_server_need_no_change(tmp_path: Path, toy_port: int) -> None:
    """No key, its own paths, its own model name: answered locally. Nothing else is open to them;
    and a port that a stranger has is told by his name, the others go on, until he leaves.
    """
    old, taken = free_port(), free_port()
    local = LOCAL_SERVER.format(base_url=f"http://127.0.0.1:{toy_port}/v1")
    remote = FRONTIER.format(base_url=f"http://127.0.0.1:{toy_port}")
    remote += 'default_model = "local"\n'
    gateway = f"also_ports = [{old}, {taken}]\nalso_without_key = true\n"
    stranger = socket.create_server(("127.0.0.1", taken))
    env = {"FRONTIER_KEY": "made-up"}
    with stranger, Service(tmp_path, local, remote, gateway=gateway, env=env) as service:
        first = int(service.status()["address"].rpartition(":")[2])
        assert ask(old, "/health")[0] == 200
        for path in ("/v1/chat/completions", "/chat/completions"):
            status, answer = ask(old, path, model="default_model")
            assert (status, answer["choices"][0]["message"]["content"]) == (
                200,
                "Hello from the toy.",
            )
        dummy = {"authorization": "Bearer not-needed"}  # what SDKs fill in for such servers
        assert ask(old, "/v1/chat/completions", model="toy", **dummy)[0] == 200
        assert ask(old, "/v1/chat/completions", model="frontier")[0] == 403
        assert ask(old, "/health", origin="https://evil.example")[0] == 403
        assert ask(old, "/v1/models", origin="https://evil.example")[0] == 403
        assert ask(old, "/metrics")[0] == 404
        assert ask(first, "/v1/chat/completions", model="local")[0] == 401
        eventually(lambda: service.spend("client")["old-port"]["requests"] >= 3)
        told = {one["address"]: one["because"] for one in service.status()["also"]}
        assert told[f"127.0.0.1:{old}"] == ""
        assert f"(pid {os.getpid()})" in told[f"127.0.0.1:{taken}"]
        shown = service.command("status").stdout
        assert f"NOT on 127.0.0.1:{taken}: port {taken} is taken by" in shown
        assert [one["kind"] for one in service.status()["alerts"]] == ["port"]
        stranger.close()
        eventually(lambda: ask(taken, "/health")[0] == 200)
        assert all(not one["because"] for one in service.status()["also"])


@pytest.mark.slow
def test_with_keys_the_old_port_is_a_port_like_the_first(tmp_path: Path, toy_port: int) -> None:
    """Without `also_without_key` a client needs its key there too."""
    old = free_port()
    local = LOCAL_SERVER.format(base_url=f"http://127.0.0.1:{toy_port}/v1")
    with Service(tmp_path, local, gateway=f"also_ports = [{old}]") as service:
        key = {"authorization": f"Bearer {service.paths.client_key.read_text().strip()}"}
        assert ask(old, "/v1/chat/completions", model="local")[0] == 401
        assert ask(old, "/v1/chat/completions", model="local", **key)[0] == 200
