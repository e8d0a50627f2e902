"""A model server that misbehaves on command: a real child process, OpenAI-shaped enough.

Run by any python, standard library only. Switches at the start; and while it runs, the files it is
pointed at: as long as `--hang-while FILE` exists, no question is answered (and `/health` still says
that all is well).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKENS = ("Hello", " from", " the", " toy", ".")
LOOK_SECONDS = 0.02


def main() -> None:
    """Misbehave as told, else serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--starts", type=Path, help="a line with the pid is added at each start")
    parser.add_argument("--says", default="", help="written to stderr at the start")
    parser.add_argument("--exits", type=int, help="end at once with this code")
    parser.add_argument("--loads-seconds", type=float, default=0.0, help="503 until then")
    parser.add_argument("--ignores-term", action="store_true")
    parser.add_argument("--hang-while", type=Path)
    parser.add_argument("--token-seconds", type=float, default=0.0, help="pause between tokens")
    parser.add_argument("--memory-bytes-max", type=int, help="RLIMIT_AS, set on itself")
    parser.add_argument("--leaks", action="store_true", help="50 MB/s, needs --memory-bytes-max")
    parser.add_argument("--spins-while", type=Path, help="like --hang-while, and busy with it")
    parser.add_argument("--has-child", action="store_true", help="a sleeper in its own group")
    given = parser.parse_args()
    if given.starts:
        with given.starts.open("a", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
    if given.says:
        sys.stderr.write(f"{given.says}\n")
    if given.exits is not None:
        sys.exit(given.exits)
    if given.ignores_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if given.has_child:
        sleep_in_a_child()
    if given.memory_bytes_max:
        limit = given.memory_bytes_max
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if given.leaks and given.memory_bytes_max:  # never without a bound
        threading.Thread(target=leak, daemon=True).start()
    serve(given)


def leak() -> None:
    """50 MB/s, until the limit ends the whole process, as a server's own allocator would."""
    held = []
    try:
        while True:
            held.append(b"\1" * 5_000_000)
            time.sleep(0.1)
    except MemoryError:
        os.write(2, b"MemoryError: cannot allocate 5000000 bytes\n")
        os._exit(1)


def sleep_in_a_child() -> None:
    """A child of ours that would outlive us; its pid goes to the log."""
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    sys.stderr.write(f"child {pid}\n")


def serve(given: argparse.Namespace) -> None:
    """Until killed."""
    began = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200, {"status": "ok", "object": "list", "data": [{"id": "toy"}]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if time.monotonic() - began < given.loads_seconds:
                self.answer(503, {"error": {"message": "loading", "type": "unavailable"}})
                return
            while given.hang_while and given.hang_while.exists():
                time.sleep(LOOK_SECONDS)
            while given.spins_while and given.spins_while.exists():
                sum(range(100_000))
            tokens = TOKENS[: asked.get("max_tokens") or len(TOKENS)]
            if asked.get("stream"):
                self.stream(tokens)
            else:
                self.answer(200, whole(tokens))

        def answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def stream(self, tokens: tuple[str, ...]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for token in tokens:
                piece = {"choices": [{"index": 0, "delta": {"content": token}}]}
                self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())
                self.wfile.flush()
                time.sleep(given.token_seconds)
            end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            self.wfile.write(f"data: {json.dumps(end)}\n\ndata: [DONE]\n\n".encode())

    server = ThreadingHTTPServer(("127.0.0.1", given.port), Handler)
    server.daemon_threads = True
    server.serve_forever()


def whole(tokens: tuple[str, ...]) -> dict[str, Any]:
    """A complete answer."""
    message = {"role": "assistant", "content": "".join(tokens)}
    return {
        "id": "toy-1",
        "object": "chat.completion",
        "model": "toy",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": len(tokens), "total_tokens": 3},
    }


if __name__ == "__main__":
    main()
