"""`twotier route`: the decision and its reasons, without asking any model."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from twotier.cli.client import error_of
from twotier.cli.job import path_of
from twotier.cli.output import dollars, emit, show
from twotier.cli.peers import main_of, worker_of
from twotier.errors import NOT_READABLE, UsageError

STDIN = Path("-")
RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be explained: a prompt, or a whole request in a file."""

    prompt: str = ""
    model: str = ""
    policy: str = "auto"
    kind: str = ""
    file: Path | None = None
    path: str = ""

    def wanted(self) -> dict[str, Any]:
        """As main wants to hear it. Raises `UsageError`."""
        told: dict[str, Any] = {"model": self.model, "policy": self.policy, "kind": self.kind}
        if self.file is None:
            return {**told, "prompt": self.prompt, **({"path": self.path} if self.path else {})}
        if self.prompt:
            raise UsageError("a prompt and --file exclude one another; the file holds the prompt")
        body = body_in(self.file)
        path = self.path or path_by_shape(body)
        return {**told, "body": body, **({"path": path} if path else {})}


def route(
    config: Path,
    asked: Asked,
    *,
    job: str,
    client: str,
    headers: Sequence[str],
    as_json: bool,
) -> int:
    """Ask main to decide and print why. A refusal ends with the refused request's exit code."""
    wanted = asked.wanted()
    if job:
        wanted = as_job(config, job, wanted=wanted)
    elif not asked.prompt and asked.file is None:
        raise UsageError(
            'there is no question; for example `twotier route "Summarise this"`, or --job, or'
            " --file PATH"
        )
    if client:
        wanted["client"] = client
    if headers:
        wanted["headers"] = dict(map(parted, headers))
    told = main_of(config).post("/control/route", wanted)
    if as_json:
        emit(told)
    else:
        explain(told)
    if told["options"]:
        return 0
    return error_of({"error": {"code": told["refusal_code"]}}, 0).exit_code


def as_job(config: Path, name: str, *, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The same, as the worker would ask it for this job; what was said beside it goes before."""
    worker = worker_of(config)
    about = worker.get(path_of(worker, name))
    own: dict[str, Any] = {
        "model": about["model"],
        "policy": about["tier"],
        "kind": about["kind"],
        "prompt": about["prompt"],
    }
    said = {key: value for key, value in wanted.items() if value and value != "auto"}
    return {
        **own,
        **said,
        "job": name,
        "tools": len(about.get("tools", ())),
        "output_tokens_max": about["output_tokens_max"],
        "deadline_seconds": about["deadline_seconds"],
        "period_seconds": period_of(about["next"]),
    }


def period_of(slots: Sequence[str]) -> float | None:
    """The seconds between the next two runs; None where there are no two."""
    if len(slots) < 2:
        return None
    first, second = map(datetime.fromisoformat, slots[:2])
    return (second - first).total_seconds()


def parted(header: str) -> tuple[str, str]:
    """The name and the value of a header. Raises `UsageError`."""
    name, colon, value = header.partition(":")
    if not colon or not name.strip():
        raise UsageError('a header has a name and a value: --header "x-team: ops"')
    return name.strip(), value.strip()


def body_in(file: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises `UsageError`."""
    try:
        text = sys.stdin.read() if file == STDIN else file.read_text(encoding="utf-8")
        body = json.loads(text)
    except OSError as exc:
        raise UsageError(f"{file} cannot be read: {exc.strerror}") from exc
    except NOT_READABLE as exc:
        raise UsageError(f"{file} holds no request: {exc}; it must be a JSON object") from exc
    if not isinstance(body, dict):
        raise UsageError(f"{file} holds no request; it must be a JSON object")
    return body


def path_by_shape(body: Mapping[str, Any]) -> str:
    """Where such a body is asked; empty for chat completions. The dialects share much: only what
    one of them alone has tells.
    """
    if "input" in body and "messages" not in body:
        return RESPONSES
    tools = body.get("tools")
    named = [one for one in tools if isinstance(one, dict)] if isinstance(tools, list) else []
    theirs = "system" in body or any("input_schema" in one for one in named)
    return MESSAGES if theirs else ""


def explain(told: Mapping[str, Any]) -> None:
    """The choice in one line, then each rule that spoke, then what was seen."""
    names = [f"{o['tier']} ({o['model']})" if o["model"] else o["tier"] for o in told["options"]]
    if names:
        worst = dollars(told["worst_case_usd"])
        check = "; its answer is worth a check" if told.get("verify") else ""
        print(f"{', else '.join(names)}: rule {told['rule']}, at most {worst}{check}")
    else:
        print(f"refused ({told['refusal_code']}): {told['refusal']}")
    show((f"  {why['rule']}", why["effect"], why["text"]) for why in told["because"])
    show((f"  {tier}", "takes", takes(seen)) for tier, seen in told.get("predicted", {}).items())
    show(
        (f"  {tier}", "costs", f"about {dollars(usd)}")
        for tier, usd in told.get("expected_usd", {}).items()
        if usd is not None and float(usd)
    )
    show((f"  {tier}", "reads", reads(seen)) for tier, seen in told.get("tokens", {}).items())
    if output := (told.get("known") or {}).get("output"):
        print(f"  answer: {long(output)}")
    task = told.get("task") or {}
    seen = ", ".join(f"{key} {value}" for key, value in task.items() if shown(value))
    print(f"  seen: {seen}")


def shown(value: object) -> bool:
    """Whether it says something."""
    return value not in ("", None) and value != {}


def reads(seen: Mapping[str, Any]) -> str:
    """How many tokens the prompt is for a tier, and how sure that is."""
    about = f"about {seen['prompt_tokens']:,} tokens"
    if seen["error_p50"] is None:
        return f"{about}; none of its prompts was counted yet"
    return (
        f"{about}; of {seen['estimates']:,} estimates half were within {seen['error_p50']:.1%},"
        f" nine in ten within {seen['error_p90']:.1%}"
    )


def long(output: Mapping[str, Any]) -> str:
    """How long the answer will be, and whence that is known."""
    seen = f", of {output['count']:,}" if output["count"] else ""
    return (
        f"about {output['p50']:,.0f} tokens, nine in ten up to {output['p90']:,.0f}"
        f" ({output['source']}{seen})"
    )


def takes(seen: Mapping[str, float] | None) -> str:
    """How long a tier would take, and what that is made of."""
    if seen is None:
        return "not known yet: it has not answered often enough"
    wait = f"{seen['wait_seconds']:.1f} s wait, " if seen["wait_seconds"] >= 0.1 else ""
    return (
        f"about {seen['seconds']:.1f} s ({wait}{seen['prompt_seconds']:.1f} s to read,"
        f" {seen['output_seconds']:.1f} s to write)"
    )
