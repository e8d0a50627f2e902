"""Which jobs only look whether there is something new, and the watcher of ours that does it. Pure.

Told by the words of the job and by how often it runs; a guess, so it is proposed and never done
unasked. What the watcher needs (a repository, an address) is taken from the job's own words. Tokens
are estimates, and say so: a run's are those of its own log where it has one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

RUNS_A_DAY_MIN = 2.0  # rarer than that, a job is no poll
TOKENS_A_RUN = (
    20_000  # of a "nothing new" in an agent with all its tools, by the article's own count
)
ITEMS_A_DAY = 3
TOKENS_AN_ITEM = 1_000

LOOKS = re.compile(
    r"\b(check|look|see if|monitor|watch|scan|poll|search|track|anything new|is there|any new"
    r"|new (?:comments?|mails?|emails?|messages?|posts?|issues?|releases?|mentions?)|changes?"
    r"|changed|unread)\b",
    re.IGNORECASE,
)
URL = re.compile(r"https?://[^\s\"'<>)\]]+")
REPO = re.compile(r"(?:github\.com/|\b)([A-Za-z0-9][\w.-]{0,38}/[A-Za-z0-9][\w.-]{0,99})")
FEED = re.compile(r"(\.(xml|rss|atom)|/(feed|rss|atom)/?)(\?|$)|/feeds?/", re.IGNORECASE)
MAIL = re.compile(r"(?<![\w.+-])[.+-]*(\w[\w.+-]*+@[\w-]+(?:\.[\w-]+)+)\b")
MAILS = re.compile(r"\b(e-?mails?|mails?|inbox|gmail|imap)\b")
POSTS = re.compile(r"\b(twitter|tweets?|mentions?)\b|\bon x\b|\bx\.com\b|\bsearch x\b")
FEEDS = re.compile(r"\b(rss|atom|feeds?)\b")
PRICES = re.compile(r"\b(prices?|quotes?|stocks?|tickers?)\b")
RELEASES = re.compile(r"\breleases?\b")
ISSUES = re.compile(r"\b(issues?|pull requests?|prs?)\b")
NO_REPOSITORIES = frozenset(("and/or", "discussions/comments", "issues/prs", "n/a"))
HANDLE = re.compile(r"(?<![\w.])@([A-Za-z0-9_]{1,15})\b")


@dataclass(frozen=True, slots=True)
class Looking:
    """A watcher that fits: its settings as far as they are known, those that are `missing` with
    what to write there, and the template of a job that has it.
    """

    kind: str
    settings: Mapping[str, object] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    template: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a poll takes a day. `measured`: by the job's own log, not by a guess."""

    runs_a_day: float
    a_run: int
    measured: bool

    @property
    def before(self) -> int:
        """As it is."""
        return round(self.runs_a_day * self.a_run)

    @property
    def after(self) -> int:
        """With a watcher: only what is new is read."""
        return min(self.before, ITEMS_A_DAY * TOKENS_AN_ITEM)

    def said(self) -> str:
        """The sentence, with how it was reckoned."""
        source = (
            "of its own log" if self.measured else "an estimate for an agent with all its tools"
        )
        return (
            f"about {self.before:,} tokens a day now ({self.runs_a_day:.3g} runs x {self.a_run:,},"
            f" {source}), about {self.after:,} with the watcher (estimate: {ITEMS_A_DAY} new things"
            f" a day x {TOKENS_AN_ITEM:,}; nothing new takes none)"
        )


def looking(words: str, *, runs_a_day: float) -> Looking | None:
    """The watcher that would do a job's looking; None for a job that is no poll."""
    if runs_a_day < RUNS_A_DAY_MIN or not LOOKS.search(words):
        return None
    lower = words.lower()
    if "github" in lower or "giscus" in lower:
        return of_github(words, lower)
    if MAILS.search(lower):
        return mail(words)
    if POSTS.search(lower):
        return x(words)
    return of_address(words, lower) or of_data(lower)


def of_address(words: str, lower: str) -> Looking | None:
    """What an address in the words leads to: a feed or a page."""
    found, feeds = URL.search(words), FEEDS.search(lower)
    if found is None:
        return Looking("feed", {}, {"url": "https://example.org/feed.xml"}) if feeds else None
    url = found[0].rstrip(".,;:!?")
    return Looking("feed" if feeds or FEED.search(url) else "page", {"url": url})


def of_data(lower: str) -> Looking:
    """Prices, or what only a program can see."""
    if PRICES.search(lower):
        missing = {"url": "https://host/{symbol}", "symbols": "SYMBOL", "path": "price"}
        return Looking("prices", {}, missing)
    return Looking("command", {}, {"argv": "path/to/a-program-that-prints-what-is-new"})


def of_github(words: str, lower: str) -> Looking:
    """What of GitHub is looked at."""
    if "notification" in lower:
        return Looking("github-notifications", {"token": "env:GITHUB_TOKEN"})
    kind, template = "github-discussions", "comment-check"
    if RELEASES.search(lower):
        kind, template = "github-releases", ""
    elif ISSUES.search(lower):
        kind, template = "github-issues", ""
    settings: dict[str, object] = {"token": "env:GITHUB_TOKEN"}
    found = next((one for one in REPO.findall(words) if plausible(one)), "")
    if found:
        settings["repo"] = found.rstrip(".").removesuffix(".git")
    return Looking(kind, settings, {} if found else {"repo": "owner/name"}, template)


def plausible(repo: str) -> bool:
    """Whether two words around a slash are a repository, and no `and/or`."""
    return repo.lower() not in NO_REPOSITORIES and "." not in repo.partition("/")[0]


def mail(words: str) -> Looking:
    """A mailbox."""
    user = MAIL.search(words)
    settings: dict[str, object] = {"password": "env:MAIL_PASSWORD"}
    if user:
        settings["user"] = user[1]
    missing = {"host": "imap.example.org"} | ({} if user else {"user": "me@example.org"})
    return Looking("imap", settings, missing, "mail-check")


def x(words: str) -> Looking:
    """A search on X; each post that is read costs money there."""
    handle = HANDLE.search(words)
    settings: dict[str, object] = {"token": "env:X_TOKEN"}
    if handle:
        settings["query"] = f"@{handle[1]} -is:retweet"
    return Looking(
        "x", settings, {} if handle else {"query": "words to search for"}, "mention-check"
    )
