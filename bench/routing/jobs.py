"""Short descriptions of jobs, with their triggers: does the tree of the article send them right?

What decides is twotier's own estimate and the preset `article`, asked as the worker or a client
would be: a job by its period, a person by the words alone. The texts that the classifier learned
from are our own, none is from the table; how well it judges a style or a language that it never saw
is measured on those, each style and each family of languages left out once.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from bench.decision import spec
from bench.figures import Figure
from bench.routing import Row, rows
from bench.routing.stats import Interval, Outcomes, bootstrap, percentile, score
from tools import train_kinds
from twotier.domain.message import Request
from twotier.domain.task import Caller
from twotier.domain.tier import TierFacts, TierState
from twotier.router import kinds
from twotier.router.estimate import estimate
from twotier.router.names import Names
from twotier.router.rows import rules_of
from twotier.router.tree import Router

TABLE = "jobs.jsonl"
AIM = ">= 90 %, and >= 95 % of frontier jobs there"
ROUTER = Router(
    Names([spec("local", local=True), spec("frontier", local=False)], {}, lambda _p, _m: False),
    rules_of("article"),
)
READY = {name: TierFacts(name, TierState.READY) for name in ("local", "frontier")}
MICRO = 1e6
MINUTE = 60.0


def figures() -> Iterator[Figure]:
    """The table, then strangers and the time it takes. Raises `SkippedError`."""
    yield from tables(rows(TABLE))
    yield from unseen()
    yield latency()


def tables(table: Sequence[Row]) -> Iterator[Figure]:
    """The policy, and what knows less."""
    truth = [row["tier"] == "frontier" for row in table]
    sent = [sends(row) for row in table]
    yield figure("jobs, preset article", truth, sent, aim=AIM)
    periods = [not (0 < row["every_min"] <= 60) for row in table]
    yield figure("jobs, by trigger alone", truth, periods)
    yield figure("jobs, words without the trigger", truth, [sends(row, job=False) for row in table])
    for kind in dict.fromkeys(row["kind"] for row in table):
        mine = [one == there for one, there, row in zip(sent, truth, table, strict=True)
                if row["kind"] == kind]  # fmt: skip
        yield Figure(f"jobs, {kind}", "", f"{sum(mine)} of {len(mine)} right")


def sends(row: Row, *, job: bool = True) -> bool:
    """Whether the frontier is asked first."""
    request = Request("openai_chat", b"{}", "auto", head_text=row["text"])
    scheduled = job and row["trigger"] != "interactive"
    period = row["every_min"] * MINUTE if scheduled and row["every_min"] else None
    caller = Caller(private=scheduled, job="job" if scheduled else "", period_seconds=period)
    decision = ROUTER.decide(estimate(request, caller), READY)
    return decision.options[0].tier == "frontier"


def figure(name: str, truth: Sequence[bool], sent: Sequence[bool], *, aim: str = "") -> Figure:
    """How many are right, how many of the frontier's are there, and the same by luck."""
    strong, weak = [float(one) for one in truth], [float(not one) for one in truth]
    seen = score(Outcomes(strong, weak), [float(one) for one in sent])
    found, kept = recalls(truth, sent)
    return Figure(
        name,
        aim,
        f"right {seen.quality}; frontier jobs sent there {found}; local jobs kept {kept};"
        f" shuffled {seen.shuffled:.3f} (p = {seen.luck:.3f}), oracle at that share"
        f" {seen.oracle:.3f}, all local {seen.weak:.3f}, all frontier {seen.strong:.3f}",
    )


def recalls(truth: Sequence[bool], sent: Sequence[bool]) -> list[Interval]:
    """Of the frontier's and of the local ones: the share that went right, with intervals."""

    def of(side: bool) -> list[int]:
        return [row for row, one in enumerate(truth) if one is side]

    found = []
    for side in (True, False):
        mine = of(side)
        right = [float(sent[row] is side) for row in mine]
        found += bootstrap([lambda some, r=right: share(r, some)], len(mine))  # type: ignore[misc]
    return found


def share(right: Sequence[float], among: Sequence[int]) -> float:
    """The mean of those."""
    return sum(right[row] for row in among) / len(among)


def unseen() -> Iterator[Figure]:
    """Our own texts, judged by who never saw their file: a style of English, or a language."""
    groups: dict[str, list[tuple[bool, bool, bool]]] = {"style of English": [], "language": []}
    with ProcessPoolExecutor(2) as pool:
        judged = pool.map(train_kinds.judged, train_kinds.GROUPS)
        for files, found in zip(train_kinds.GROUPS, judged, strict=True):
            group = "style of English" if files[0].startswith("en-") else "language"
            groups[group] += [told(text, likely) for text, likely in found]
    for name, seen in groups.items():
        truth, sent = [one[0] for one in seen], [one[1] for one in seen]
        unsure = statistics.fmean(one[2] for one in seen)
        one = figure(f"jobs, own texts, a {name} never seen", truth, sent)
        yield Figure(one.name, "", f"{one.seen}; does not know {unsure:.0%}")


def told(text: train_kinds.Text, likely: Sequence[float]) -> tuple[bool, bool, bool]:
    """Whether it is for the frontier, whether it goes there, and whether that is not to know."""
    local, frontier = sum(likely[: kinds.LOCAL]), sum(likely[kinds.LOCAL : -1])
    stays = local >= kinds.SURE_LOCAL
    return text.kind >= kinds.LOCAL, not stays, not stays and frontier < kinds.SURE_FRONTIER


def latency() -> Figure:
    """The whole estimate of texts that were never asked for before: nothing is remembered."""
    took = []
    shipped = kinds.shipped()
    for one in train_kinds.texts():
        text = (one.text + " ") * (1 + 600 // len(one.text))  # as much as is ever read
        for words in (one.text, text):
            shipped.guess.cache_clear()
            request = Request("openai_chat", b"{}", "auto", head_text=words, text_bytes=len(words))
            began = time.thread_time()  # of this thread alone: the neighbours are no part of it
            estimate(request, Caller())
            took.append((time.thread_time() - began) * MICRO)
    return Figure(
        "estimate with a guess of the kind, short and long texts",
        "p99 < 1 ms",
        f"p50 {statistics.median(took):.0f} us, p99 {percentile(took, 0.99):.0f} us",
    )
