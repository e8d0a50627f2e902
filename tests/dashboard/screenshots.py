"""The pictures of docs/dashboard.md: the real pages over a month that was made up, marked so there.

`python -m tests.dashboard.screenshots` (`make screenshots`) starts the service with that month in
its ledger and writes `docs/screenshots/`: every page in both themes, as WebP, which the browser
that took them makes of them (a third of a PNG). `Local` and `Playground` stand on a second service,
whose local tier is a real llama.cpp that is killed once.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

from playwright.sync_api import Browser, Page, ViewportSize

from tests.dashboard.world import Home, chromium, world
from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.mind import Said, Thought
from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import FRONTIER, STARTER, Service, eventually
from twotier.clock import SystemClock
from twotier.ledger.rollups import days_of_rows, rebuild
from twotier.ledger.rows import USAGE_COLUMNS
from twotier.ledger.store import transaction

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
DAYS = 30
# What comes a moment after the page.
READY = {"overview": "#saved .figure", "spend": "#savings .figure", "setup": "#well > summary"}
WIDE: ViewportSize = {"width": 1180, "height": 760}
NARROW: ViewportSize = {"width": 360, "height": 780}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
QUALITY = 0.9
# Pages that are shown as on a telephone too.
ON_A_TELEPHONE = ("overview", "jobs", "approvals")
TO_WEBP = """async ([png, quality]) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/webp", quality).split(",")[1];
}"""
CONFIG = """
[[budgets]]
period = "day"
alert_usd = 15
limit_usd = 40
at_limit = "local-only"

[[budgets]]
period = "month"
limit_usd = 400
at_limit = "local-only"

[[jobs]]
name = "comment-check"
watch = { kind = "files", path = "inbox", settle_seconds = 0.01 }
every = "30m"
tier = "local-only"
prompt = "Summarise each new comment in one line; say which need an answer."
deliver = "file:outbox/{stem}.txt"

[[jobs]]
name = "morning-brief"
cron = "30 6 * * 1-5"
zone = "America/Los_Angeles"
tier = "frontier"
prompt = "Compile a morning market brief."
deliver = "file:outbox/brief.txt"

[[jobs]]
name = "mail-check"
watch = { kind = "files", path = "mail", settle_seconds = 0.01 }
every = "15m"
tier = "local-only"
prompt = "Which of these letters need an answer today?"
deliver = "file:outbox/mail.txt"

[[jobs]]
name = "comment-reply"
every = "30d"
tier = "local-only"
prompt = "Draft a reply to the newest comment."
tools = ["write_file"]
approve = "log"
deliver = "file:outbox/reply.txt"

[alerts.channels.desk]
to = "desktop"
least = "urgent"
"""
REPLY = "Thank you! The second chart is in the repository now, beside the first one."


WHY = {
    "explicit": "{tier} was asked for by its name",
    "kind": "a look at what is new, in the words of its job",
    "record": "verified on {tier}: 28 of 28, the last five good",
    "session": "the conversation is on {tier}, where its beginning lies in the cache",
}


class Kind(NamedTuple):
    """A sort of work: who asks, where it goes and why, how often a day, tokens and cost of one."""

    job: str
    client: str
    tier: str
    rule: str
    a_day: int
    prompt: int
    output: int
    microusd: int


KINDS = (
    Kind("comment-check", "worker", "local", "kind", 14, 4_200, 180, 0),
    Kind("mail-check", "worker", "local", "record", 22, 6_800, 240, 0),
    Kind("morning-brief", "worker", "frontier", "kind", 1, 38_000, 2_900, 262_500),
    Kind("", "claude-code", "frontier", "explicit", 18, 52_000, 1_900, 310_000),
    Kind("", "claude-code", "local", "explicit", 26, 9_500, 420, 0),
    Kind("", "default", "frontier", "session", 6, 12_000, 800, 80_000),
)


# How many hours lie between two runs of a job, and how they usually end.
RUNS = {"comment-check": (1, "quiet"), "mail-check": (1, "quiet"), "morning-brief": (24, "done")}
INSERT_RUN = (
    "INSERT INTO runs (id, job, slot_ms, state, trigger, late, tries, started_ms, ended_ms, items,"
    " model_calls, tokens, cost_microusd, tier, model, because, result, owner, forked_from)"
    " VALUES (?, ?, ?, ?, 'schedule', 0, 1, ?, ?, 0, ?, ?, ?, '', '', ?, '', '', '')"
)
INSERT_LOOK = "INSERT OR IGNORE INTO looks (quarter_ms, job, looks) VALUES (?, ?, ?)"


def chance(*parts: object) -> float:
    """Between 0 and 1, the same for the same words."""
    digest = sha256(" ".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:6]) / (1 << 48)


def rows(now: datetime) -> Iterator[dict[str, object]]:
    """A month of work: less at night and at weekends, today until now."""
    for back in range(DAYS):
        day = (now - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
        busy = 0.35 if day.weekday() > 4 else 0.6 + 0.8 * chance("day", back)
        for kind in KINDS:
            for number in range(max(1, round(kind.a_day * busy))):
                seed = (back, *kind[:4], number)
                hour = 6 + 15 * chance("hour", *seed)
                at = day + timedelta(hours=hour)
                if at < now - timedelta(minutes=5):
                    yield row(kind, at, size=0.4 + 1.2 * chance("size", *seed), seed=seed)


def row(kind: Kind, at: datetime, *, size: float, seed: tuple[object, ...]) -> dict[str, object]:
    """One request."""
    name = sha256(repr(seed).encode()).hexdigest()[:16]
    here = kind.tier == "local"
    return {
        "attempt_id": f"{name}-0",
        "request_id": f"req_{name}",
        "created_ms": int(at.timestamp() * 1000),
        "tier": kind.tier,
        "provider": "openai-local" if here else "anthropic",
        "model": "toy" if here else "claude-opus-4-6",
        "model_asked": kind.tier,
        "rule": kind.rule,
        "kind": "request",
        "client": kind.client,
        "job": kind.job,
        "settled": "settled",
        "outcome": "ok",
        "input_tokens": round(kind.prompt * size * (1 if here else 0.3)),
        "cache_read_tokens": 0 if here else round(kind.prompt * size * 0.7),
        "output_tokens": round(kind.output * size),
        "cost_microusd": round(kind.microusd * size),
        "reserved_microusd": round(kind.microusd * size * 2),
        "total_ms": round((3_000 + 40 * kind.output) * size),
        "first_token_ms": round(900 * size),
        "requests": 1,
    }


def decision(one: dict[str, object]) -> tuple[object, ...]:
    """The decision of such a request."""
    why = {"rule": one["rule"], "effect": "chose", "text": WHY[str(one["rule"])].format(**one)}
    task = {"job": one["job"], "client": one["client"], "kind": "read-report", "tools": 4}
    task |= {"model_asked": one["model_asked"], "prompt_tokens": one["input_tokens"]}
    options = [{"tier": one["tier"]}]
    texts = (json.dumps(options), one["rule"], json.dumps([why]), json.dumps(task))
    return (one["request_id"], one["created_ms"], *texts)


def month(service: Service) -> None:
    """Into the service's ledger, with a decision for each."""
    words = {"model_served", "run", "step", "error", "price_since", "price_source", "repairs"}
    words |= {"price_terms", "price_applied", "owner"}
    usual = {name: "" if name in words else 0 for name in USAGE_COLUMNS}
    made = sorted(rows(SystemClock().now()), key=lambda one: str(one["created_ms"]))
    with closing(sqlite3.connect(service.paths.ledger, isolation_level=None)) as connection:
        marks = ", ".join("?" * len(USAGE_COLUMNS))
        names = ", ".join(USAGE_COLUMNS)
        with transaction(connection):
            connection.executemany(
                f"INSERT INTO usage ({names}) VALUES ({marks})",
                [[{**usual, **one}[name] for name in USAGE_COLUMNS] for one in made],
            )
            connection.executemany(
                "INSERT INTO decisions (request_id, created_ms, options, rule, because, task,"
                " refusal, refusal_code) VALUES (?, ?, ?, ?, ?, ?, '', '')",
                [decision(one) for one in made],
            )
            rebuild(connection, days_of_rows(connection))


def past(service: Service) -> None:
    """The last runs of its jobs, and how often nothing was new this month."""
    now = SystemClock().now().replace(minute=0, second=0, microsecond=0)
    backs = [(job, *how, back) for job, how in RUNS.items() for back in range(1, 48)]
    work = sqlite3.connect(service.paths.work, isolation_level=None)
    with closing(work) as connection, transaction(connection):
        for job, hours, usual, back in backs:
            at = now - timedelta(hours=hours * back)
            how = state_of(job, back, usual=usual)
            connection.execute(INSERT_RUN, run_row(job, at, how=how))
            if usual == "quiet":
                quarter = int(at.timestamp()) // 900 * 900 * 1000
                connection.execute(INSERT_LOOK, (quarter, job, 3))


def state_of(job: str, back: int, *, usual: str) -> tuple[str, str]:
    """How such a run went, and why."""
    lucky = chance("run", job, back)
    if lucky > 0.97:
        return "failed", "model: local: the server answered with status 500"
    if lucky > 0.94:
        return "late", "1 new item; due while twotier was not running"
    new = usual == "done" or lucky > 0.72
    return ("done", "1 new item") if new else ("quiet", "nothing new")


def run_row(job: str, at: datetime, *, how: tuple[str, str]) -> tuple[object, ...]:
    """A run as the worker keeps it."""
    state, because = how
    asked = int(state != "quiet")
    ms = int(at.timestamp() * 1000)
    costs = 262_500 * asked if job == "morning-brief" else 0
    name = f"{job}-{at:%Y%m%dT%H%M%S}Z"
    tokens = 4_400 * asked
    return (name, job, ms, state, ms, ms + 2_000 + 9_000 * asked, asked, tokens, costs, because)


def before(service: Service) -> None:
    """All that is made up."""
    month(service)
    past(service)


Save = Callable[[str, bytes], None]


def places(home: Home) -> Iterator[tuple[str, str, str]]:
    """Name, place and a text of each page of the first service."""
    main, worker = home.service.main, home.service.worker
    latest = main.get("/control/decisions", {"client": "claude-code", "limit": 1})
    there = main.get("/control/jobs/mail-check/text")
    draft = {"job": "mail-check", "text": there["text"].replace("15m", "30m")}
    edited = main.post("/control/jobs/drafts", {**draft, "sha256": there["sha256"]})["draft"]["id"]
    answered = {"prompt": "Name three things to do today.", "every": "1d", "deliver": "log"}
    wanted = {"template": "blank", "name": "three-things", "answers": answered}
    new = main.post("/control/jobs/drafts", wanted)["draft"]["id"]
    run = worker.get("/runs", {"job": "comment-check", "state": "done", "limit": 1})["runs"][0]
    yield "overview", "", "Next runs"
    yield "decisions", "decisions", "Elsewhere"
    one = latest["requests"][0]["request"]
    yield "decision", f"decisions/{one}", "What was seen of it"
    yield "spend", "spend?span=30d&by=job", "Where it went"
    yield "jobs", "jobs", "Run now"
    yield "job", "jobs/mail-check", "What is set"
    yield "job-edit", f"jobs/mail-check/edit?draft={edited}", "What will be different"
    yield "new-job", f"new-job?draft={new}", "The job as it will be"
    yield "run", f"runs/{run['id']}", "Step by step"
    yield "approvals", "approvals", "wants to call write_file"
    yield "setup", "setup?look=1", "Versions"


def shoot(home: Home, browser: Browser, pages: Iterable[tuple[str, str, str]], save: Save) -> None:
    """Every one of them, in both themes."""
    for name, place, shows in pages:
        sizes = (WIDE, NARROW) if name in ON_A_TELEPHONE else (WIDE,)
        for theme, size in product(THEMES, sizes):
            page = home.page(browser, color_scheme=theme, viewport=size)
            page.goto(home.at(place))
            page.get_by_text(shows).first.wait_for()
            page.locator("#stream[data-kind=good]").wait_for()
            page.locator(READY.get(name, "h1")).first.wait_for()
            if name == "playground":
                play(page)
            width = "narrow" if size is NARROW else "wide"
            save(f"{name}-{theme}-{width}", page.screenshot())
            page.context.close()
    home.pages.clear()


def play(page: Page) -> None:
    """A question to both tiers, answered."""
    page.locator("#prompt").fill("Say in one sentence what a watcher is.")
    for name in ("local", "frontier"):
        page.locator(f'input[name="ask-{name}"]').check()
    page.get_by_role("button", name="Ask", exact=True).click()
    for number in (1, 2):
        page.locator("[data-field=state]", has_text="done").nth(number - 1).wait_for()


def says(said: Said) -> Thought:
    """A reply is kept as a file, which needs a yes; all else is answered in a sentence."""
    if "Draft a reply" in said.text and not said.results:
        return Thought("", [("write_file", {"path": "reply.md", "text": REPLY})])
    return Thought("One comment asks for the second chart; it needs an answer.")


def busy_pages(save: Save, browser: Browser) -> None:
    """Those over the month that was made up."""
    with tempfile.TemporaryDirectory(prefix="twotier-") as place:
        home_at = Path(place)
        with world(home_at, CONFIG, before=before, works=False) as home:
            home.local.mind = says
            (home_at / "mail").mkdir()
            (home_at / "inbox" / "comment.txt").write_text("Nice. And the second chart?")
            worker = home.service.worker
            for job in ("comment-check", "mail-check", "morning-brief"):
                run = worker.post(f"/jobs/{job}/run")["run"]
                worker.get(f"/runs/{run}", {"wait_seconds": 30}, seconds=60)
            run = worker.post("/jobs/comment-reply/run")["run"]
            eventually(lambda: worker.get(f"/runs/{run}")["state"] == "waiting-approval")
            home.service.command("key", "add", "claude-code", "--budget-usd", "10")
            shoot(home, browser, places(home), save)


def kept_pages(save: Save, browser: Browser) -> None:
    """Those of a server that is really kept, and was killed once."""
    starter_engine_environment(), starter_model()
    with tempfile.TemporaryDirectory(prefix="twotier-") as place, FakeAnthropic() as frontier:
        frontier.mind = lambda _: Thought("A watcher looks for news before any model is asked.")
        text = STARTER + FRONTIER.format(base_url=frontier.base_url)
        env = {"FRONTIER_KEY": frontier.key, "HOME": place}
        with Service(Path(place), text, env=env) as service, FakeOpenAI() as unused:
            home = Home(service, unused, frontier)
            before = service.tier("local")["pid"]
            os.kill(int(before), signal.SIGKILL)
            eventually(
                lambda: (
                    service.tier("local")["pid"] not in (before, None)
                    and service.tier("local")["state"] == "ready"
                )
            )
            pages = (("playground", "playground", "Question"), ("local", "local", "Deaths"))
            shoot(home, browser, pages, save)


def main() -> None:
    """Start, work a little, take the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        blank = browser.new_page()

        def save(name: str, png: bytes) -> None:
            made = blank.evaluate(TO_WEBP, [b64encode(png).decode(), QUALITY])
            (folder / f"{name}.webp").write_bytes(b64decode(made))

        busy_pages(save, browser)
        kept_pages(save, browser)
    names = ", ".join(sorted(path.name for path in folder.glob("*.webp")))
    sys.stdout.write(f"{folder}: {names}\n")


if __name__ == "__main__":
    main()
