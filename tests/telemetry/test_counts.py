"""What is counted of attempts, and how it is written for Prometheus."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable

import pytest
from msgspec.structs import replace
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from twotier.domain.message import Usage
from twotier.domain.money import FREE, Attempt, Outcome, Settled, Settlement
from twotier.telemetry import counts, exposition, process
from twotier.telemetry.counts import OTHER, SERIES_MAX, Counts
from twotier.telemetry.families import FAMILIES, FIRST_TOKEN_BUCKETS, REPAIRS, Samples

ATTEMPT = Attempt(
    *("r1-0", "r1", "local", "llama-cpp", "starter", "auto", "read-report"),
    FREE,
    0,
    client="laptop",
    dialect="openai_chat",
)
END = Settlement(
    Settled.SETTLED,
    Outcome.OK,
    cost_microusd=1_500_000,
    usage=Usage(10, 20, cache_read_tokens=3, cache_write_tokens=4, cache_write_1h_tokens=5),
    first_token_seconds=0.3,
    total_seconds=2.0,
)


def read(samples: Samples) -> dict[str, Metric]:
    """The page as a reader of the format understands it, family by family."""
    body, media_type = exposition.page(samples, "")
    assert media_type.startswith("text/plain")
    return {family.name: family for family in plain_families(body.decode())}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    """The one sample with this name and these labels among others."""
    found = [
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) == 1, (name, labels, found)
    return float(found[0])


def counted(attempts: Iterable[tuple[Attempt, Settlement]]) -> dict[str, Metric]:
    """What a reader sees after these attempts."""
    told = Counts()
    for attempt, end in attempts:
        told(attempt, end)
    return read(counts.samples(told.tallies()))


def test_repairs_are_counted_by_model_and_kind() -> None:
    """Over all outcomes and clients; an attempt without any adds no series."""
    mended = replace(END, repairs=("types", "leaked", "leaked"))
    seen = counted([(ATTEMPT, END), (ATTEMPT, mended), (replace(ATTEMPT, client="b"), mended)])
    labels = {"tier": "local", "model": "llama-cpp/starter"}
    assert value(seen, "twotier_tool_call_repairs_total", kind="leaked", **labels) == 4
    assert value(seen, "twotier_tool_call_repairs_total", kind="types", **labels) == 2
    assert len(seen["twotier_tool_call_repairs"].samples) == 2


def test_a_page_is_written_while_counting_goes_on() -> None:
    """By a thread of its own; a kind of repair that is new in that moment does not break it."""
    told = Counts()
    for client in ("a", "b"):
        told(replace(ATTEMPT, client=client), END)

    def count() -> None:
        for number in range(3_000):
            told(ATTEMPT, replace(END, repairs=(f"kind {number}",)))

    told(ATTEMPT, END)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        counting = threading.Thread(target=count)
        counting.start()
        while counting.is_alive():
            counts.samples(told.tallies())
        counting.join()
    finally:
        sys.setswitchinterval(before)
    assert len(counts.samples(told.tallies())[REPAIRS]) == 3_000


def test_an_attempt_is_counted_once_under_its_own_labels() -> None:
    """Requests, each kind of token, dollars: by tier, model, dialect, outcome and client."""
    seen = counted([(ATTEMPT, END), (ATTEMPT, END), (ATTEMPT, replace(END, outcome=Outcome.ERROR))])
    whole = {
        "tier": "local",
        "model": "llama-cpp/starter",
        "dialect": "openai_chat",
        "client": "laptop",
    }
    assert value(seen, "twotier_requests_total", outcome="ok", **whole) == 2
    assert value(seen, "twotier_requests_total", outcome="error", **whole) == 1
    kinds = {"input": 30, "output": 60, "cache_read": 9, "cache_write": 27}
    for kind, count in kinds.items():
        assert value(seen, "twotier_tokens_total", tier="local", type=kind) == count
    assert value(seen, "twotier_cost_usd_total", client="laptop") == 4.5
    assert value(seen, "twotier_fallbacks_total", tier="local") == 0


def test_a_second_try_at_the_same_tier_is_a_retry_and_no_fallback() -> None:
    """Also where the request's own name has the letter in it."""
    named = replace(ATTEMPT, id="req_r-0", request_id="req_r")
    again = replace(named, id="req_r-0r2")
    seen = counted([(named, END), (again, END), (replace(again, id="req_r-1"), END)])
    assert value(seen, "twotier_retries_total", tier="local") == 1
    assert value(seen, "twotier_fallbacks_total", tier="local") == 1
    assert value(seen, "twotier_requests_total", outcome="ok") == 3


def test_a_tier_that_is_asked_after_another_failed_is_a_fallback() -> None:
    """It counts where the request went to."""
    second = replace(ATTEMPT, id="r1-1", tier="frontier")
    seen = counted([(ATTEMPT, replace(END, outcome=Outcome.ERROR)), (second, END)])
    assert value(seen, "twotier_fallbacks_total", tier="frontier") == 1
    assert value(seen, "twotier_fallbacks_total", tier="local") == 0


@pytest.mark.parametrize(
    ("seconds", "bound", "below"),
    [(0.05, "0.05", 1), (0.0501, "0.05", 0), (0.0501, "0.1", 1), (301, "300.0", 0)],
)
def test_a_bucket_holds_what_is_no_longer_than_its_bound(
    seconds: float, bound: str, below: int
) -> None:
    """Cumulative, as Prometheus wants them; what is above all bounds is in the last one."""
    seen = counted([(ATTEMPT, replace(END, first_token_seconds=seconds))])
    name = "twotier_time_to_first_token_seconds"
    assert value(seen, f"{name}_bucket", le=bound) == below
    assert value(seen, f"{name}_bucket", le="+Inf") == value(seen, f"{name}_count") == 1
    assert value(seen, f"{name}_sum") == seconds
    bounds = [sample for sample in seen[name].samples if sample.name.endswith("_bucket")]
    assert len(bounds) == len(FIRST_TOKEN_BUCKETS) + 1


def test_what_was_not_streamed_tells_no_first_token() -> None:
    """Its duration is counted all the same."""
    seen = counted([(ATTEMPT, replace(END, first_token_seconds=None))])
    assert value(seen, "twotier_time_to_first_token_seconds_count") == 0
    assert value(seen, "twotier_request_duration_seconds_count", outcome="ok") == 1


def test_names_from_outside_cannot_grow_the_page_without_end() -> None:
    """Past the limit the model and the client are `other`; the tier and the sum stay right."""
    many = [(replace(ATTEMPT, model=f"m{number}"), END) for number in range(SERIES_MAX + 50)]
    seen = counted(many)
    rows = [one for one in seen["twotier_requests"].samples if one.name.endswith("_total")]
    assert len(rows) == SERIES_MAX + 1
    assert sum(row.value for row in rows) == SERIES_MAX + 50
    assert value(seen, "twotier_requests_total", model=f"{OTHER}/{OTHER}", client=OTHER) == 50


def test_a_label_may_hold_anything() -> None:
    """Quotes, backslashes, line breaks and half a surrogate pair do not break the page."""
    odd = 'a"b\\c\nd\ud83d'
    seen = counted([(replace(ATTEMPT, model=odd), END)])
    (row,) = seen["twotier_requests"].samples
    assert row.labels["model"] == f"llama-cpp/{odd}".encode("utf-8", "replace").decode()


def test_openmetrics_is_spoken_with_those_who_ask_for_it() -> None:
    """The same samples in the other format, which ends with its own mark."""
    told = Counts()
    told(ATTEMPT, END)
    body, media_type = exposition.page(
        counts.samples(told.tallies()), "application/openmetrics-text; version=1.0.0"
    )
    assert media_type.startswith("application/openmetrics-text")
    read_open: Callable[[str], Iterable[Metric]] = open_families
    families = {family.name: family for family in read_open(body.decode())}
    assert value(families, "twotier_requests_total") == 1


def test_every_family_of_the_table_is_on_the_page() -> None:
    """Also where nothing was counted yet, so that a dashboard finds its names."""
    seen = read(process.samples())
    named = {family.name.removesuffix("_total") for family in FAMILIES}
    assert {name.removesuffix("_total") for name in seen} == named
    for figure in ("process_resident_memory_bytes", "process_open_fds", "process_max_fds"):
        assert value(seen, figure) > 0
