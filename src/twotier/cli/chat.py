"""`twotier chat`: says something to a conversation that the worker keeps, and waits."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twotier.cli.client import Peer
from twotier.cli.models import agreed
from twotier.cli.output import dollars, emit, local_time, say, show
from twotier.cli.peers import worker_of
from twotier.domain.money import MICROUSD_PER_USD
from twotier.errors import DeadlineError, UsageError
from twotier.jobs.chat_text import shown as harmless

HEADS = ("CHAT", "FROM", "MESSAGES", "LAST", "COST", "TITLE")
POLL_SECONDS = 20.0
POLLS_MAX = 60
PROMPT = "> "
EXPIRED = "(expired)"
FORGET_SECONDS_MAX = 600.0  # the file is written anew


def said(config: Path, text: str, *, new: bool, into: str, as_json: bool) -> int:
    """One message, or one after another."""
    if new and into:
        raise UsageError("--new begins a conversation, --in goes on with one; take one of them")
    worker = worker_of(config)
    if text.strip():
        return one(worker, {"text": text, "new": new, "conversation": into}, as_json=as_json)
    if not sys.stdin.isatty():
        text = sys.stdin.read()
        if not text.strip():
            raise UsageError('there is nothing to say; for example `twotier chat "Good morning"`')
        return one(worker, {"text": text, "new": new, "conversation": into}, as_json=as_json)
    return talked(worker, new=new, into=into)


def talked(worker: Peer, *, new: bool, into: str) -> int:
    """Until an empty line or the end of the input."""
    while True:
        try:
            text = input(PROMPT)
        except EOFError:
            return 0
        if not text.strip():
            return 0
        told = asked(worker, {"text": text, "new": new, "conversation": into})
        new, into = False, str(told["message"]["conversation"])
        print_answer(told)


def one(worker: Peer, body: Mapping[str, Any], *, as_json: bool) -> int:
    """Say it, wait, print the answer."""
    told = asked(worker, body)
    if as_json:
        emit(told)
    else:
        print_answer(told)
    return 0


def asked(worker: Peer, body: Mapping[str, Any]) -> dict[str, Any]:
    """The message with its answer. It is stored first: whoever stops waiting finds it later."""
    begun = worker.post("/chats", body)
    path = f"/chat-messages/{begun['message']}"
    for _ in range(POLLS_MAX):
        told = worker.get(path, {"wait_seconds": int(POLL_SECONDS)}, seconds=POLL_SECONDS + 10.0)
        if told["answer"] is not None:
            return told
    raise DeadlineError(
        f"no answer yet; it comes: look later with `twotier chat show {begun['conversation']}`"
    )


def print_answer(told: Mapping[str, Any]) -> None:
    """The text on stdout, who gave it on stderr."""
    answer = told["answer"]
    print(harmless(str(answer["text"])))
    if answer["tier"]:
        chat = told["message"]["conversation"]
        say(f"[{answer['tier']}, {answer['model']}, {cost(answer)}; chat {chat}]")


def cost(row: Mapping[str, Any]) -> str:
    """What it cost, in dollars."""
    return dollars(str(Decimal(row["cost_microusd"]) / MICROUSD_PER_USD))


def listed(config: Path, *, as_json: bool) -> int:
    """All conversations."""
    told = worker_of(config).get("/chats", {"limit": 100})
    if as_json:
        emit(told)
    elif told["chats"]:
        show([HEADS, *(row(one) for one in told["chats"])])
    else:
        print('no conversations yet; `twotier chat "Good morning"` begins one')
    return 0


def row(chat: Mapping[str, Any]) -> tuple[str, ...]:
    """A conversation as one line."""
    return (
        chat["id"],
        chat["channel"],
        str(chat["messages"]),
        local_time(chat["used_at"]),
        cost(chat),
        harmless(chat["title"]) or EXPIRED,
    )


def shown(config: Path, name: str, *, as_json: bool) -> int:
    """All of one."""
    told = worker_of(config).get(f"/chats/{quote(name, safe='')}")
    if as_json:
        emit(told)
        return 0
    for message in told["messages"]:
        who = message["tier"] or message["role"]
        print(f"{local_time(message['at'])} {who}:\n{harmless(message['text']) or EXPIRED}\n")
    return 0


def forgotten(config: Path, name: str, *, yes: bool, as_json: bool) -> int:
    """Ask once, then delete one."""
    worker = worker_of(config)
    path = f"/chats/{quote(name, safe='')}"
    worker.get(path)
    agreed(f"delete all that was said in {name}? It cannot be undone.", yes)
    rows = worker.post(f"{path}/forget", seconds=FORGET_SECONDS_MAX)["rows"]
    if as_json:
        emit({"chat": name, "rows": rows})
    else:
        print(f"forgot {name}")
    return 0
