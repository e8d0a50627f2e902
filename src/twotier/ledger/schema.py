"""The tables of `ledger.db`, once, for every database SQLAlchemy knows.

`usage` has one row per attempt at an upstream; it carries the price it was charged at, so that
an old row explains itself whatever the price file says today. `decisions` has one row per routed
request. Prompts, answers and keys have no column here. Times are milliseconds since 1970 in UTC,
money is micro-dollars. A change here needs a migration beside it; a test compares the two.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s"}
)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


usage = sa.Table(
    "usage",
    metadata,
    sa.Column("attempt_id", sa.Text, primary_key=True),
    _text("request_id"),
    _count("created_ms"),
    _text("tier"),
    _text("provider"),
    _text("model_asked"),
    _text("model"),
    _text("model_served"),
    _text("rule"),
    _text("kind"),
    _text("client"),
    _text("job"),
    _text("run"),
    _text("step"),
    sa.Column("background", sa.Boolean, nullable=False),
    _count("input_tokens"),
    _count("output_tokens"),
    _count("cache_read_tokens"),
    _count("cache_write_tokens"),
    _count("cache_write_1h_tokens"),
    _count("reasoning_tokens"),
    _count("reserved_microusd"),
    _count("cost_microusd"),
    _text("settled"),
    _text("outcome"),
    _text("error"),
    _count("upstream_status"),
    sa.Column("first_token_ms", sa.BigInteger),
    _count("total_ms"),
    _count("price_input"),
    _count("price_output"),
    _count("price_cache_read"),
    _count("price_cache_write"),
    _count("price_cache_write_1h"),
    _text("price_since"),
    _text("price_source"),
    # What was mended in its tool calls: words between blanks, nearly always none.
    sa.Column("repairs", sa.Text, nullable=False, server_default=""),
    # Of paid attempts only; a free row leaves the writing of these to the defaults. What the price
    # says beside its five rates, how it was applied, and what of the cost were fees for uses.
    sa.Column("price_terms", sa.Text, nullable=False, server_default=""),
    sa.Column("price_applied", sa.Text, nullable=False, server_default=""),
    sa.Column("fees_microusd", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("web_searches", sa.BigInteger, nullable=False, server_default="0"),
    # 1 in the row that counts as the request: the first of its attempts that was written.
    sa.Column("requests", sa.BigInteger, nullable=False, server_default="0"),
    # Which gateway wrote it, and until when an open row is certainly that one's own business.
    sa.Column("owner", sa.Text, nullable=False, server_default=""),
    sa.Column("lease_ms", sa.BigInteger, nullable=False, server_default="0"),
)
sa.Index("ix_usage_created_ms", usage.c.created_ms)
_REPAIRED = usage.c.repairs != ""
sa.Index(
    "ix_usage_repairs",
    usage.c.created_ms,
    sqlite_where=_REPAIRED,
    postgresql_where=_REPAIRED,
)

# What a budget sums: only rows where money is at stake. Free rows, which are most of them, are in
# none of these three indexes and cost nothing here. The first one also says whose work it was, so
# that a budget of one job or model looks at no row.
_PAID = sa.or_(usage.c.cost_microusd > 0, usage.c.reserved_microusd > 0)
sa.Index(
    "ix_usage_paid",
    usage.c.created_ms,
    usage.c.settled,
    usage.c.cost_microusd,
    usage.c.reserved_microusd,
    usage.c.job,
    usage.c.tier,
    usage.c.model,
    usage.c.background,
    usage.c.client,
    sqlite_where=_PAID,
    postgresql_where=_PAID,
)
sa.Index(
    "ix_usage_paid_client",
    usage.c.client,
    usage.c.created_ms,
    usage.c.settled,
    usage.c.cost_microusd,
    usage.c.reserved_microusd,
    sqlite_where=_PAID,
    postgresql_where=_PAID,
)
_OPEN = usage.c.settled == "open"
sa.Index("ix_usage_open", usage.c.settled, sqlite_where=_OPEN, postgresql_where=_OPEN)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    _text("request_id"),
    _count("created_ms"),
    _text("options"),
    _text("rule"),
    _text("because"),
    _text("task"),
    _text("refusal"),
    _text("refusal_code"),
    # What was known of it beside what it said, where there was a choice: numbers, and a job's name.
    sa.Column("known", sa.Text, nullable=False, server_default=""),
    # Its run, where a rule of the owner's kept it on this machine: then all of the run stays here.
    sa.Column("held_run", sa.Text, nullable=False, server_default=""),
)
sa.Index("ix_decisions_request_id", decisions.c.request_id)
_HELD = decisions.c.held_run != ""
sa.Index("ix_decisions_held", decisions.c.created_ms, sqlite_where=_HELD, postgresql_where=_HELD)

# Sums of `usage`, kept in the transaction of its rows: one row for each quarter of an hour or day
# of UTC and each tier, model, client, job and rule in it. The sums of everything (`..._total`) lie
# apart, because local days are made of them alone. `rollups` has the names and their meaning.
rollups = sa.Table(
    "rollups",
    metadata,
    sa.Column("grain", sa.Text, primary_key=True),
    sa.Column("start_ms", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("dimension", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _count("attempts"),
    _count("requests"),
    _count("input_tokens"),
    _count("cache_read_tokens"),
    _count("cache_write_tokens"),
    _count("output_tokens"),
    _count("reasoning_tokens"),
    _count("cost_microusd"),
    _count("reserved_microusd"),
    _count("open_attempts"),
    _count("estimated"),
    _count("unknown"),
    _count("fees_microusd"),
    _count("web_searches"),
    sqlite_with_rowid=False,
)

# What was learned of a model on one version of its server: a rate or share, by depth of the prompt.
speeds = sa.Table(
    "speeds",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("measure", sa.Text, primary_key=True),
    sa.Column("depth", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("value", sa.Double, nullable=False),
    _count("count"),
    _count("updated_ms"),
)

# One row for each row of a matrix that was asked of a tier; `twotier models probe`.
probes = sa.Table(
    "probes",
    metadata,
    sa.Column("probe_id", sa.Text, primary_key=True),
    sa.Column("row", sa.Text, primary_key=True),
    _count("created_ms"),
    _text("tier"),
    _text("model"),
    _text("engine"),
    _text("version"),
    _count("number"),
    _count("passed"),
    _count("tries"),
    _count("repaired"),
    _count("tokens"),
    sa.Column("prefill", sa.Double, nullable=False),
    sa.Column("decode", sa.Double, nullable=False),
    _text("note"),
)
sa.Index("ix_probes_model", probes.c.model, probes.c.version, probes.c.created_ms)

# What a person has to hear of: open while `ended_ms` is 0.
incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("opened_ms", sa.BigInteger, primary_key=True, autoincrement=False),
    _text("about"),
    _text("kind"),
    _text("text"),
    _text("severity"),
    _count("ended_ms"),
)

# The messages about them, one row for each channel; never where a channel leads.
alert_messages = sa.Table(
    "alert_messages",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    _count("created_ms"),
    _count("due_ms"),
    _count("tries"),
    _text("severity"),
    _text("title"),
    _text("text"),
    _text("facts"),
    _text("state"),
    _text("error"),
)

# How far each log of another program was read; a file is known by the digest of its path.
outside_files = sa.Table(
    "outside_files",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    *map(_count, ("device", "inode", "offset", "updated_ms")),
)

# Answers that those logs tell of. `through`: what it is in `usage`, empty where it is not there and
# so did not come through us. `priced`: 0 where nobody knows a price, and the cost is 0 for that.
outside_rows = sa.Table(
    "outside_rows",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    _text("request_id"),
    _count("at_ms"),
    *map(_text, ("provider", "model")),
    *map(_count, ("input_tokens", "output_tokens", "cache_read_tokens")),
    *map(_count, ("cache_write_tokens", "cache_write_1h_tokens", "web_searches")),
    *map(_count, ("cost_microusd", "priced")),
    _text("through"),
)
_OUTSIDE = outside_rows.c.through == ""
sa.Index(
    "ix_outside_rows_at_ms",
    outside_rows.c.at_ms,
    outside_rows.c.provider,
    outside_rows.c.source,
    outside_rows.c.cost_microusd,
    outside_rows.c.priced,
    sqlite_where=_OUTSIDE,
    postgresql_where=_OUTSIDE,
)
sa.Index("ix_outside_rows_when", outside_rows.c.at_ms)

# What a provider says of a day of UTC, line by line, as it said it last.
bill_rows = sa.Table(
    "bill_rows",
    metadata,
    *(
        sa.Column(name, sa.Text, primary_key=True)
        for name in ("provider", "kind", "day", "model", "item")
    ),
    *map(_count, ("input_tokens", "output_tokens", "cache_read_tokens")),
    *map(_count, ("cache_write_tokens", "cache_write_1h_tokens", "web_searches")),
    _count("cost_microusd"),
)

# What of such a day neither `usage` nor a log knows; `noon_ms` is its noon.
bill_days = sa.Table(
    "bill_days",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    *map(_count, ("noon_ms", "excess_microusd")),
)
sa.Index("ix_bill_days_noon_ms", bill_days.c.noon_ms)

# What waits in a provider's batches. Its answers are kept elsewhere, and not for long.
batches = sa.Table(
    "batches",
    metadata,
    sa.Column("attempt_id", sa.Text, primary_key=True),
    _text("slot"),
    _text("request"),
    _text("attempt"),
    _text("expected"),
    _count("sent_ms"),
    _count("until_ms"),
    _text("state"),
    _text("batch_id"),
    _text("outcome"),
    _count("ended_ms"),
)

# What became of work, piece by piece: a job's by its name, other work by that of its prompt.
judgements = sa.Table(
    "judgements",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    *map(_text, ("key", "tier", "model", "version", "prompt")),
    _count("at_ms"),
    _count("good"),
    _text("by"),
    _count("output_tokens"),
    sa.Column("seconds", sa.Double, nullable=False),
    *map(_count, ("steps", "cost_microusd")),
    sa.Column("redone", sa.Boolean, nullable=False, server_default="0"),
)
sa.Index("ix_judgements_key", judgements.c.key, judgements.c.tier, judgements.c.at_ms)

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    _text("value"),
)
