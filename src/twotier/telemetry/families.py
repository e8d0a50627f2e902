"""Every metric there is: its name, its labels, and the sentence that says what it counts.

`docs/metrics.md` is made from this table. Names follow Prometheus' conventions: a prefix, base
units, `_total` for what only grows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

# Local models are slow: the first token of a long prompt can take minutes. In seconds.
FIRST_TOKEN_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300)
DURATION_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `buckets` are the upper bounds of a histogram, without the last (infinity)."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """Observations counted once each, by bucket, the last one for all above; and their sum."""

    by_bucket: tuple[int, ...]
    total: float


Labels = tuple[str, ...]
Samples = Mapping[Family, Sequence[tuple[Labels, float | Histogram]]]

REQUESTS = Family(
    "twotier_requests_total",
    "counter",
    "Times a tier was asked. A request that falls back or is tried again counts each time.",
    ("tier", "model", "dialect", "outcome", "client"),
)
FALLBACKS = Family(
    "twotier_fallbacks_total",
    "counter",
    "Times a tier was asked because the one before it had failed or was known to.",
    ("tier",),
)
RETRIES = Family(
    "twotier_retries_total",
    "counter",
    "Times a tier was asked again because it had failed and no other one was ready.",
    ("tier",),
)
REFUSALS = Family(
    "twotier_refusals_total",
    "counter",
    "Requests that got an error instead of an answer, by its code (see errors.md).",
    ("code",),
)
IN_FLIGHT = Family(
    "twotier_requests_in_flight", "gauge", "Requests whose answer is on its way now."
)
TOKENS = Family(
    "twotier_tokens_total",
    "counter",
    "Tokens by type: input (fresh), output, cache_read, cache_write. None is counted twice.",
    ("tier", "model", "type"),
)
REPAIRS = Family(
    "twotier_tool_call_repairs_total",
    "counter",
    "Tool calls of local models that were written as text, by what was made of each (see"
    " tool-calls.md). One call may count under several kinds.",
    ("tier", "model", "kind"),
)
COST = Family(
    "twotier_cost_usd_total",
    "counter",
    "US dollars spent, estimates included. The ledger (twotier spend) is what binds.",
    ("tier", "model", "client"),
)
FIRST_TOKEN = Family(
    "twotier_time_to_first_token_seconds",
    "histogram",
    "From asking a tier to its first content, where it streamed. Waiting for its server counts.",
    ("tier", "model"),
    FIRST_TOKEN_BUCKETS,
)
DURATION = Family(
    "twotier_request_duration_seconds",
    "histogram",
    "From asking a tier to the last byte of its answer, or to its failure.",
    ("tier", "model", "outcome"),
    DURATION_BUCKETS,
)
TIER_STATE = Family(
    "twotier_tier_state",
    "gauge",
    "1 for the state a tier is in, 0 for the others: ready, coming-up, down, no-key, quarantined,"
    " standby.",
    ("tier", "state"),
)
SLOTS = Family(
    "twotier_slots",
    "gauge",
    "Requests a tier is given at a time; less than its setting for a while after a restart.",
    ("tier",),
)
SLOTS_IN_USE = Family("twotier_slots_in_use", "gauge", "Requests in it now.", ("tier",))
WAITING = Family(
    "twotier_requests_waiting",
    "gauge",
    "Requests in line for a slot of a tier. A tier without slots has no line.",
    ("tier",),
)
TIER_PREFILL = Family(
    "twotier_tier_prefill_tokens_per_second",
    "gauge",
    "How fast a tier reads what is not in its cache, learned, by the length of the prompt.",
    ("tier", "model", "depth"),
)
TIER_DECODE = Family(
    "twotier_tier_decode_tokens_per_second",
    "gauge",
    "How fast a tier writes, learned, by the length of the prompt.",
    ("tier", "model", "depth"),
)
TIER_CACHED = Family(
    "twotier_tier_cached_prompt_ratio",
    "gauge",
    "The share of a prompt that a tier usually finds in its cache, learned.",
    ("tier", "model"),
)
TIER_LOAD = Family(
    "twotier_tier_load_seconds",
    "gauge",
    "From the start of a kept server to its first token, learned.",
    ("tier", "model"),
)
TIER_QUEUE = Family(
    "twotier_tier_queue_seconds",
    "gauge",
    "What a request waits before its server reads it, learned, where servers tell their times.",
    ("tier", "model"),
)
TIER_PROBE = Family(
    "twotier_tier_probe_passed_ratio",
    "gauge",
    "How often each row of a tier's last probe passed (twotier models probe).",
    ("tier", "model", "row"),
)
BREAKER_STATE = Family(
    "twotier_breaker_state",
    "gauge",
    "1 for the state of an upstream's breaker, 0 for the others: closed, open (nobody asks it),"
    " half-open (one request tries).",
    ("tier", "model", "state"),
)
LEDGER_LOST = Family(
    "twotier_ledger_rows_lost_total",
    "counter",
    "Rows of free requests that never reached the ledger. Paid ones are never among them.",
)
LINES_LOST = Family(
    "twotier_log_lines_lost_total",
    "counter",
    "Lines of the log that were not written: its disk was full, or hung.",
)
INCIDENTS = Family(
    "twotier_incidents",
    "gauge",
    "What a person has to hear of and is not over, by kind and severity (see alerts.md).",
    ("kind", "severity"),
)
INCIDENTS_OPENED = Family(
    "twotier_incidents_opened_total", "counter", "Incidents that began, by kind.", ("kind",)
)
ALERT_MESSAGES = Family(
    "twotier_alert_messages_total",
    "counter",
    "Tries to send a message about incidents, by channel and outcome: sent, failed, dropped.",
    ("channel", "outcome"),
)
ALERTS_WAITING = Family(
    "twotier_alert_messages_waiting",
    "gauge",
    "Messages that a channel has not taken yet, those held for the end of quiet hours included.",
    ("channel",),
)
BUILD = Family("twotier_build_info", "gauge", "Always 1; its label is the version.", ("version",))
CPU = Family(
    "process_cpu_seconds_total", "counter", "CPU time of the main process, user and system."
)
RESIDENT = Family("process_resident_memory_bytes", "gauge", "Resident memory of the main process.")
VIRTUAL = Family("process_virtual_memory_bytes", "gauge", "Virtual memory of the main process.")
FILES = Family("process_open_fds", "gauge", "Open file descriptors of the main process.")
FILES_MAX = Family("process_max_fds", "gauge", "The most it may open.")
STARTED = Family("process_start_time_seconds", "gauge", "When the main process began, Unix time.")

FAMILIES = (
    *(
        REQUESTS,
        FALLBACKS,
        RETRIES,
        REFUSALS,
        IN_FLIGHT,
        TOKENS,
        REPAIRS,
        COST,
        FIRST_TOKEN,
        DURATION,
    ),
    *(TIER_STATE, SLOTS, SLOTS_IN_USE, WAITING, BREAKER_STATE, LEDGER_LOST, LINES_LOST, BUILD),
    *(TIER_PREFILL, TIER_DECODE, TIER_CACHED, TIER_LOAD, TIER_QUEUE, TIER_PROBE),
    *(INCIDENTS, INCIDENTS_OPENED, ALERT_MESSAGES, ALERTS_WAITING),
    *(CPU, RESIDENT, VIRTUAL, FILES, FILES_MAX, STARTED),
)
