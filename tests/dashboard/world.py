"""What the pages show in these tests: a real `twotier up` with work behind it, and a real Chromium.

    with world(folder) as home, chromium() as browser:
        page = home.page(browser)          # logged in
        page.goto(home.at("decisions"))

One service and one browser for each test module. Names, prompts and answers are hostile on purpose.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.engines.fixtures import require
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import FRONTIER, LOCAL_SERVER, Service, eventually

HOSTILE = (
    "<img src=x onerror=\"document.title='pwned'\">{{7*7}}'\">"
    "<script>document.title='pwned'</script>"
)
WAIT_MS = 60_000
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--force-prefers-reduced-motion"),
)
MORE = """
[[budgets]]
period = "day"
alert_usd = 0.5
limit_usd = 2
at_limit = "local-only"

[[budgets]]
period = "month"
limit_usd = 40
at_limit = "local-only"

[[jobs]]
name = "inbox"
watch = { kind = "files", path = "inbox", settle_seconds = 0.01 }
every = "1h"
tier = "local-only"
prompt = "Summarise this text in three short lines."
deliver = "file:outbox/{stem}.summary.txt"

[[jobs]]
name = "morning-brief"
cron = "30 6 * * 1-5"
zone = "America/Los_Angeles"
tier = "frontier"
prompt = "Compile a morning brief. <script>document.title='pwned'</script>"
deliver = "file:outbox/brief.txt"

[[jobs]]
name = "broken"
every = "6h"
tier = "frontier"
prompt = "fake:bad-gateway"
deliver = "file:outbox/broken.txt"
"""


@dataclass
class Home:
    """The service, and how a browser comes in."""

    service: Service
    local: FakeOpenAI
    frontier: FakeAnthropic
    pages: list[BrowserContext] = field(default_factory=list)

    def at(self, place: str = "") -> str:
        """The address of a page by its place below `/ui/`."""
        return f"{self.address}/ui/{place}"

    @property
    def address(self) -> str:
        """The gateway."""
        return str(self.service.status()["address"])

    def news(self, name: str, text: str = "News.") -> str:
        """A file, and the run that found it: one that looks before it has settled finds nothing."""
        (self.service.folder / "inbox" / name).write_text(text, encoding="utf-8")

        def found() -> str:
            run = str(self.service.worker.post("/jobs/inbox/run")["run"])
            told = self.service.worker.get(f"/runs/{run}", {"wait_seconds": 30}, seconds=60)
            return run if told["state"] == "done" else ""

        return eventually(found, what=f"a run finds {name}")

    def told(self) -> Mapping[str, Any]:
        """A code and the link with it, as the command prints them."""
        return self.service.main.post("/control/dashboard")

    def context(self, browser: Browser, **how: Any) -> BrowserContext:
        """A browser profile of its own, not logged in; `how` as Playwright takes it."""
        made = browser.new_context(reduced_motion="reduce", **how)
        made.set_default_timeout(WAIT_MS)
        self.pages.append(made)
        return made

    def page(self, browser: Browser, **how: Any) -> Page:
        """A page of a fresh profile, logged in by the link."""
        page = self.context(browser, **how).new_page()
        self.log_in(page)
        return page

    def log_in(self, page: Page) -> None:
        """Through the link, as `twotier dashboard` opens it."""
        page.goto(self.told()["link"])
        page.wait_for_url(self.at())


@contextlib.contextmanager
def world(
    folder: Path,
    more: str = MORE,
    *,
    before: Callable[[Service], None] = lambda _: None,
    works: bool = True,
) -> Iterator[Home]:
    """The service over a scripted frontier and a scripted local server, and some work behind it;
    `before` is done in its folder before it starts.
    """
    with FakeOpenAI() as local, FakeAnthropic() as frontier:
        text = LOCAL_SERVER.format(base_url=local.base_url + "/v1")
        text += FRONTIER.format(base_url=frontier.base_url) + more
        env = {"FRONTIER_KEY": frontier.key, "HOME": str(folder)}
        service = Service(folder, text, env=env)
        before(service)
        with service:
            home = Home(service, local, frontier)
            if works:
                work(home)
            yield home


def work(home: Home) -> None:
    """Some requests on either tier, one that is refused, one run of each job."""
    client = home.service.client()
    for number in range(3):
        for model in ("local", "frontier", "auto"):
            message = f"{HOSTILE} Summarise number {number}."
            client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": message}], max_tokens=200
            )
    with contextlib.suppress(Exception):
        client.chat.completions.create(
            model="gone", messages=[{"role": "user", "content": "Hello"}]
        )
    home.news("a.txt", HOSTILE)
    for job in ("morning-brief", "broken"):
        home.service.worker.post(f"/jobs/{job}/run")
    ended = ("done", "failed", "late", "quiet")
    eventually(
        lambda: all(
            any(run["state"] in ended for run in home.service.runs(job))
            for job in ("morning-brief", "broken")
        ),
        what="each job has run once",
    )


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium with a home of its own; skips where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        require("chromium is not installed (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=FLAGS, env={"HOME": home, "LANG": "C.UTF-8"}
        )
        try:
            yield browser
        finally:
            browser.close()
