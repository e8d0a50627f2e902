"""`twotier job shadow`, `job test`, `job trials`, `job suggest`: a job's work, done once more.

Nothing is changed and nothing sent. What it may cost is told first, and held by the worker.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twotier.cli.client import Peer
from twotier.cli.job import path_of
from twotier.cli.models import agreed
from twotier.cli.output import emit, local_time, say, show
from twotier.cli.peers import worker_of
from twotier.cli.trial_effects import told_effects
from twotier.cli.trial_rates import Side, bound_microusd, rates_of
from twotier.config.load import load
from twotier.domain.money import MICROUSD_PER_USD, usd
from twotier.errors import UsageError

POLL_SECONDS = 20.0
POLLS_MAX = 4_000
COLUMN_CHARACTERS = 76
SHADOW, TEST, MODEL = "shadow", "test", "model"


@dataclass(frozen=True, slots=True)
class Order:
    """What was typed. `prompt` is empty for the job's own."""

    kind: str
    runs: int
    side: str = ""
    model: str = "auto"
    prompt: str = ""
    judge: str = ""
    limit_usd: float | None = None
    stored: bool = False
    now: bool = False
    yes: bool = False


def ordered(config: Path, name: str, *, order: Order) -> str:
    """Tell what it may cost, ask, give the order; returns the trial's id."""
    loaded = load(config)
    worker = worker_of(config)
    path = f"{path_of(worker, name)}/trials"
    settings = loaded.config.trials
    dollars = settings.limit_usd if order.limit_usd is None else Decimal(str(order.limit_usd))
    body = {
        "kind": order.kind,
        "runs": order.runs,
        "stored": order.stored,
        "side": order.side,
        "model": order.model,
        "prompt": order.prompt,
        "judge": order.judge or ("none" if order.kind == TEST else settings.judge),
        "at_once": order.now,
        "limit_microusd": int(dollars * MICROUSD_PER_USD),
    }
    plan = worker.post(path, body | {"dry": True})["plan"]
    rates = rates_of(loaded, Side.of(plan["policy"], order.model), judge=Side.of(plan["judge"]))
    for line in told(name, plan, bound=bound_microusd(plan, rates), limit_usd=dollars):
        say(line)
    agreed("ask?", order.yes)
    trial = worker.post(path, body | {"rates": rates})["trial"]
    return str(trial)


def told(name: str, plan: Mapping[str, Any], *, bound: int, limit_usd: Decimal) -> Sequence[str]:
    """What a person has to know before."""
    where = {"local-only": "the local tier", "frontier": "the frontier"}
    asked = where.get(plan["policy"], "the tiers the job may use")
    asked = asked if plan["model"] == "auto" else plan["model"]
    lines = [f"{name}: {plan['pieces']} stored pieces of work for {asked}"]
    if not plan["stored"]:
        lines = [f"{name}: the next runs are also done on {asked}, without effects"]
    lines += [f"gone: {one['title'] or one['run']}" for one in plan["gone"]]
    if plan.get("agent"):
        took = plan["own_tokens"] // max(1, plan["pieces"])
        lines.append(
            f"an agent works on it, {took:,} tokens a piece so far; what it would do is only told"
        )
    if plan["judge"]:
        lines.append(f"judged by {where[plan['judge']]}, which is not told whose answer is whose")
    if plan["stored"]:
        lines.append(f"at most {usd(bound)}, and never more than its limit of ${limit_usd:.2f}")
    else:
        lines.append(f"never more than its limit of ${limit_usd:.2f}")
    return lines


def shadowed(config: Path, name: str, *, order: Order, as_json: bool) -> int:
    """Order a shadow; it goes on by itself."""
    trial = ordered(config, name, order=order)
    if as_json:
        emit({"trial": trial})
        return 0
    hours = load(config).config.trials.hours
    when = "now" if order.now or not hours else f"in the hours {hours}"
    print(trial)
    say(f"it asks {when}; see `twotier job trials {name}`")
    return 0


def tested(config: Path, name: str, *, order: Order, as_json: bool) -> int:
    """Order a test, wait for it, show both answers side by side."""
    trial = ordered(config, name, order=order)
    document = ended(worker_of(config), trial)
    if as_json:
        emit(document)
    else:
        for pair in document["pairs"]:
            show_pair(pair)
        show_end(document)
    failed = any(not pair["fits"] for pair in document["pairs"])
    return 1 if failed or document["trial"]["state"] != "done" else 0


def ended(worker: Peer, trial: str) -> dict[str, Any]:
    """The trial once it is over."""
    path = f"/trials/{quote(trial, safe='')}"
    document: dict[str, Any] = {}
    for _ in range(POLLS_MAX):
        query = {"wait_seconds": int(POLL_SECONDS)}
        document = worker.get(path, query, seconds=POLL_SECONDS + 10.0)
        if document["trial"]["state"] != "open":
            break
    return document


def show_pair(pair: Mapping[str, Any]) -> None:
    """What the job said then, and what is said now."""
    print(f"== {pair['title'] or pair['of_run']}")
    if pair["own"] is None:
        print("(its texts have expired)")
        return
    print(f"-- then ({pair['own_tier']}, {pair['own_tokens']} tokens)\n{pair['own']}")
    print(f"-- now ({pair['tier']}, {pair['tokens']} tokens)\n{pair['other'] or pair['because']}")
    wrong = [f"{name}: {detail}" for name, passed, detail in pair["checks"] if not passed]
    if wrong:
        print(f"-- checks: {'; '.join(wrong)}")
    for line in told_effects(pair):
        print(f"-- {line}")
    if pair["verdict"] != "none":
        print(f"-- judged: {pair['verdict']}; {pair['because']}")
    print()


def show_end(document: Mapping[str, Any]) -> None:
    """What it comes to."""
    trial, proposal = document["trial"], document["proposal"]
    count = len(document["pairs"])
    fits = sum(1 for pair in document["pairs"] if pair["fits"])
    spent = usd(trial["spent_microusd"])
    say(
        f"{count} pieces, {fits} passed all checks, {spent} spent; {trial['state']}:"
        f" {trial['because']}"
    )
    if proposal["counted"]:
        say(proof(proposal))


def proof(proposal: Mapping[str, Any]) -> str:
    """How sure it is."""
    text = (
        f"{proposal['good']} of {proposal['counted']} as good; at least"
        f" {proposal['percent_min']:.0f} % with 95 % certainty"
    )
    undecided = proposal["undecided"]
    return text + (f"; {undecided} undecided" if undecided else "")


def trials(config: Path, name: str, *, as_json: bool) -> int:
    """Every trial, or those of a job, with what they prove."""
    worker = worker_of(config)
    found = worker.get("/trials", {"job": name})["trials"]
    documents = [worker.get(f"/trials/{quote(one['id'], safe='')}") for one in found]
    if as_json:
        emit({"trials": documents})
        return 0
    if not documents:
        print("no trials; `twotier job shadow NAME` begins one")
        return 0
    show([("TRIAL", "JOB", "KIND", "ON", "STATE", "PIECES", "SPENT", "MADE"), *map(row, documents)])
    for document in documents:
        for line in outcome(document):
            print(line)
        for pair in document["pairs"]:
            for line in told_effects(pair):
                print(f"  {line}")
    return 0


def row(document: Mapping[str, Any]) -> tuple[object, ...]:
    """A trial on one line."""
    trial = document["trial"]
    asked = trial["model"] if trial["model"] != "auto" else trial["side"]
    spent = usd(trial["spent_microusd"])
    head = (trial["id"], trial["job"], trial["kind"], asked, trial["state"])
    return (*head, len(document["pairs"]), spent, local_time(trial["made_at"]))


def outcome(document: Mapping[str, Any]) -> Sequence[str]:
    """What it proves, in sentences."""
    trial, proposal = document["trial"], document["proposal"]
    if trial["kind"] == MODEL:
        return model_outcome(document)
    if trial["kind"] == TEST or not document["pairs"]:
        return [f"{trial['id']}: {trial['because']}"] if trial["because"] else []
    lines = [f"{trial['id']}: {proof(proposal)}"]
    saved = f"${proposal['saved_usd_a_month']} a month"
    if proposal["ready"] and trial["side"] == "local":
        command = f"twotier job set {trial['job']} tier=local-then-frontier"
        return [*lines, f"  the local tier does it as well and saves {saved}: `{command}`"]
    if proposal["ready"]:
        return [*lines, f"  it stays well on the local tier; the frontier would cost {saved} more"]
    if proposal["missing"].startswith("it failed") and trial["side"] == "frontier":
        command = f"twotier job set {trial['job']} tier=frontier"
        return [*lines, f"  the frontier does it better, for {saved} more: `{command}`"]
    return [*lines, f"  not yet: {proposal['missing']}"]


def model_outcome(document: Mapping[str, Any]) -> Sequence[str]:
    """How a model did beside what the job had said."""
    trial, proposal, pairs = document["trial"], document["proposal"], document["pairs"]
    fits = sum(1 for pair in pairs if pair["fits"])
    head = (
        f"{trial['id']}: {trial['job']} on {trial['model']}: {fits} of {len(pairs)} passed checks"
    )
    if proposal["counted"]:
        return [f"{head}; {proof(proposal)}"]
    ended = f" ({trial['because']})" if trial["state"] == "stopped" else ""
    return [f"{head}; nobody judged them{ended}"]


def stopped(config: Path, trial: str, *, as_json: bool) -> int:
    """End a trial; its evidence stays."""
    document = worker_of(config).post(f"/trials/{quote(trial, safe='')}/stop")["trial"]
    if as_json:
        emit({"trial": document})
    else:
        print(f"{document['id']} is {document['state']}")
    return 0


def suggested(config: Path, *, as_json: bool) -> int:
    """Every job that is worth a change."""
    found = worker_of(config).get("/suggestions")["candidates"]
    if as_json:
        emit({"candidates": found})
        return 0
    if not found:
        print("nothing to suggest: no job pays for what it need not, and none fails")
        return 0
    show([("JOB", "A MONTH", "PROVEN", "BECAUSE"), *map(candidate_row, found)])
    for one in found:
        say(f"{one['job']}: {one['command']}")
    return 0


def candidate_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    """A candidate on one line."""
    month = f"${one['microusd_a_month'] / MICROUSD_PER_USD:,.2f}"
    return (one["job"], month, "yes" if one["proven"] else "no", one["because"])


def prompt_of(config: Path, name: str, *, file: Path | None, edit: bool) -> str:
    """The prompt of a file, or the job's own as somebody has just edited it; empty for its own."""
    if file is not None and edit:
        raise UsageError("--prompt and --edit are two ways to give a prompt; use one of them")
    if file is not None:
        return text_in(file)
    return edited(own_prompt(config, name)) if edit else ""


def text_in(file: Path) -> str:
    """What stands there. Raises `UsageError`."""
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as exc:
        raise UsageError(f"{file} cannot be read as text: {exc}") from exc
    if not text:
        raise UsageError(f"{file} is empty; it is to hold a prompt")
    return text


def own_prompt(config: Path, name: str) -> str:
    """The job's prompt, as it is set."""
    worker = worker_of(config)
    return str(worker.get(path_of(worker, name))["prompt"])


def edited(prompt: str) -> str:
    """The prompt after a person's editor has ended."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prompt.txt"
        file.write_text(f"{prompt}\n", encoding="utf-8")
        subprocess.run([*shlex.split(editor), str(file)], check=True)
        return text_in(file)
