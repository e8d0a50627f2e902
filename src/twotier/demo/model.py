"""The scripted model server: a real process, OpenAI's and Anthropic's wire, answers from `mind`.

python -m twotier.demo.model --port N
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from twotier.demo.mind import answer
from twotier.domain.message import Whole
from twotier.protocols import INBOUND
from twotier.providers.scripted import ASKED, Answer, events, spoken

LOOK_SECONDS = 0.5
EVENTS = {"content-type": "text/event-stream"}


def anthropic(whole: Whole, *, stream: bool) -> Answer:
    """As Anthropic's API says it."""
    wire = INBOUND["anthropic_messages"]
    if not stream:
        body = wire.write_whole(whole, created=0, request=ASKED)
        return Answer((body,), {"content-type": "application/json"})
    writer = wire.stream_writer(whole.id, model=whole.model, created=0, request=ASKED)
    return Answer(tuple(piece for event in events(whole) if (piece := writer.write(event))), EVENTS)


def reply_to(body: dict[str, Any], *, number: int, messages: bool) -> Answer:
    """One answer, in the dialect and the form that were asked for."""
    whole, stream = answer(body, number=number), bool(body.get("stream"))
    return anthropic(whole, stream=stream) if messages else spoken(whole, stream=stream)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    numbers = itertools.count(1)

    def do_GET(self) -> None:
        """Its health and its models."""
        self.send({"status": "ok", "object": "list", "data": [{"id": "scripted"}]})

    def do_POST(self) -> None:
        """An answer, at once."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"] or 0)))
        if self.path.startswith("/v1/messages/count_tokens"):
            self.send({"input_tokens": len(json.dumps(body)) // 4})
            return
        messages = self.path.startswith("/v1/messages")
        said = reply_to(body, number=next(self.numbers), messages=messages)
        self.reply(b"".join(said.chunks), said.headers["content-type"])

    def send(self, document: dict[str, Any]) -> None:
        """A document."""
        self.reply(json.dumps(document).encode(), "application/json")

    def reply(self, content: bytes, kind: str) -> None:
        """Bytes."""
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: main's log tells of each request."""


def main(arguments: Sequence[str]) -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m twotier.demo.model", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args(arguments).port), Handler)
    server.daemon_threads = True
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    server.serve_forever()
    return 0


def end_with(parent: int) -> None:
    """A demo that is killed leaves nothing behind: we go when whoever started us is gone."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
