"""The tables of `work.db`, as SQLAlchemy Core sees them. `migrations/` makes them.

Times are integer milliseconds since the epoch, money is integer micro-dollars. Who wrote what:
`runs` one row per due slot; `items` what watchers found, kept by id so that nothing is done twice;
`cursors` how far a watcher has looked; `answers` finished model answers, so that none is paid for
twice; `calls` what was counted as paid; `outbox` what is to be delivered; `schedules` since when a
job's slots count; `pauses` jobs that somebody has paused; `looks` how often nothing was found;
`workers` who works here.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("slot_ms", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("trigger", sa.Text, nullable=False),
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("started_ms", sa.BigInteger),
    sa.Column("ended_ms", sa.BigInteger),
    sa.Column("items", sa.Integer, nullable=False, default=0),
    sa.Column("model_calls", sa.Integer, nullable=False, default=0),
    sa.Column("tokens", sa.Integer, nullable=False, default=0),
    sa.Column("cost_microusd", sa.BigInteger, nullable=False, default=0),
    sa.Column("tier", sa.Text, nullable=False, default=""),
    sa.Column("model", sa.Text, nullable=False, default=""),
    sa.Column("because", sa.Text, nullable=False, default=""),
    sa.Column("result", sa.Text, nullable=False, default=""),
    sa.Column("owner", sa.Text, nullable=False, default=""),  # the worker that has it, or had it
    sa.Column("forked_from", sa.Text, nullable=False, default=""),
    sa.UniqueConstraint("job", "slot_ms", name="runs_job_slot"),
    sa.Index("runs_state", "state", "slot_ms"),
    sa.Index("runs_slot", "slot_ms"),
)

# Looks that found nothing, by quarter of an hour; the runs themselves are soon forgotten.
looks = sa.Table(
    "looks",
    metadata,
    sa.Column("quarter_ms", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("looks", sa.BigInteger, nullable=False),
)

items = sa.Table(
    "items",
    metadata,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),  # new, taken, done, failed
    sa.Column("run", sa.Text, nullable=False, default=""),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),  # emptied after some time, see `retention`
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("bytes_cut", sa.BigInteger, nullable=False),
    sa.Column("author", sa.Text, nullable=False, default=""),
    sa.Column("at", sa.Text, nullable=False, default=""),  # when it was made, ISO 8601
    sa.Column("link", sa.Text, nullable=False, default=""),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("error", sa.Text, nullable=False, default=""),
    sa.Column("found_ms", sa.BigInteger, nullable=False),
    sa.Column("place", sa.BigInteger, nullable=False),  # order in which they were found
    sa.Column("next_ms", sa.BigInteger, nullable=False, default=0),  # not taken before
    sa.Index("items_state", "job", "state", "place"),
    sa.Index("items_run", "run"),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("watch", sa.Text, nullable=False),  # what was looked at; another place starts anew
    sa.Column("value", sa.Text, nullable=False),  # JSON
)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("cost_microusd", sa.BigInteger, nullable=False),
    sa.Column("made_ms", sa.BigInteger, nullable=False),
)

# Model calls that were counted in their run's sums: once, however often a kill repeats the step.
calls = sa.Table(
    "calls",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("cost_microusd", sa.BigInteger, nullable=False),
    sa.Column("elsewhere", sa.Boolean, nullable=False),  # on the frontier, the local tier was down
    sa.Column("made_ms", sa.BigInteger, nullable=False),
    sa.Index("calls_job", "job", "made_ms"),
)

# Who works on this database, and when it was last heard of. More than one only on PostgreSQL.
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("seen_ms", sa.BigInteger, nullable=False),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False, default=""),
    sa.Column("state", sa.Text, nullable=False),  # pending, delivered
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("next_ms", sa.BigInteger, nullable=False),
    sa.Column("error", sa.Text, nullable=False, default=""),
    sa.Column("delivered_ms", sa.BigInteger),
    sa.Index("outbox_state", "state", "next_ms"),
)

schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("schedule", sa.Text, nullable=False),
    sa.Column("seen_ms", sa.BigInteger, nullable=False),
)

# Calls of tools that need their owner's yes. `id` is made of the call's place and arguments.
approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("tool", sa.Text, nullable=False),
    sa.Column("arguments", sa.Text, nullable=False),  # canonical JSON
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("labels", sa.Text, nullable=False),
    sa.Column("because", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("price_microusd", sa.BigInteger, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("expires_ms", sa.BigInteger, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),  # empty, yes, no
    sa.Column("decided_by", sa.Text, nullable=False),  # command line, link, dashboard, time
    sa.Column("decided_ms", sa.BigInteger),
    sa.Column("told", sa.Boolean, nullable=False),
    sa.Index("approvals_verdict", "verdict", "expires_ms"),
    sa.Index("approvals_run", "run"),
)

# Every call of a tool that a model wanted. A trigger keeps rows from being changed.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("part", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("event", sa.Text, nullable=False),  # judged, ended, escalated
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("tool", sa.Text, nullable=False, default=""),
    sa.Column("sha256", sa.Text, nullable=False, default=""),
    sa.Column("labels", sa.Text, nullable=False, default=""),
    sa.Column("taint", sa.Text, nullable=False, default=""),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("because", sa.Text, nullable=False),
    sa.Column("cost_microusd", sa.BigInteger, nullable=False, default=0),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("run", "part", "number", "event", "sha256", name="audit_once"),
    sa.Index("audit_job", "job", "event", "at_ms"),
)

# What was said in an agent's turn, as JSON. It goes earlier than the run's row.
transcripts = sa.Table(
    "transcripts",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("part", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("made_ms", sa.BigInteger, nullable=False),
    sa.Index("transcripts_made", "made_ms"),
)

# Conversations, what was said in them, and how far each messenger has been read.
conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, nullable=False),  # cli, telegram
    sa.Column("peer", sa.Text, nullable=False),  # where an answer goes, by the channel's own word
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("used_ms", sa.BigInteger, nullable=False),
    sa.Index("conversations_used", "channel", "peer", "used_ms"),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("conversation", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),  # user, assistant
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # new, answered; ready, sent, refused
    sa.Column("source", sa.Text, unique=True),  # CHANNEL:ID, so that none is taken twice
    sa.Column("answers", sa.Integer, unique=True),  # the message this one answers
    sa.Column("parts_sent", sa.Integer, nullable=False, default=0),
    sa.Column("tier", sa.Text, nullable=False, default=""),
    sa.Column("model", sa.Text, nullable=False, default=""),
    sa.Column("tokens", sa.Integer, nullable=False, default=0),
    sa.Column("cost_microusd", sa.BigInteger, nullable=False, default=0),
    sa.Column("taint", sa.Text, nullable=False, default=""),  # labels that its making read
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Index("messages_state", "state", "id"),
    sa.Index("messages_conversation", "conversation", "id"),
)

channel_cursors = sa.Table(
    "channel_cursors",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

pauses = sa.Table(
    "pauses",
    metadata,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("since_ms", sa.BigInteger, nullable=False),
)

# Work that is done once more in another way, without effects: the order, and its evidence.
trials = sa.Table(
    "trials",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # shadow, test, model
    sa.Column("side", sa.Text, nullable=False),  # local, frontier; where the other way is asked
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),  # empty for the job's own
    sa.Column("judge", sa.Text, nullable=False),  # a tier policy, empty for none
    sa.Column("runs", sa.Integer, nullable=False),  # so many
    sa.Column("stored", sa.Boolean, nullable=False),  # runs that are over, else those to come
    sa.Column("at_once", sa.Boolean, nullable=False),
    sa.Column("limit_microusd", sa.BigInteger, nullable=False),
    sa.Column("spent_microusd", sa.BigInteger, nullable=False, default=0),
    sa.Column("rates", sa.Text, nullable=False),  # JSON
    sa.Column("swapped_from", sa.Text, nullable=False, default=""),
    sa.Column("state", sa.Text, nullable=False),  # open, done, stopped
    sa.Column("because", sa.Text, nullable=False, default=""),
    sa.Column("made_ms", sa.BigInteger, nullable=False),
    sa.Column("ended_ms", sa.BigInteger),
    sa.Column("owner", sa.Text, nullable=False, default=""),  # the worker that is at it
    sa.Index("trials_job", "job", "made_ms"),
)

trial_pairs = sa.Table(
    "trial_pairs",
    metadata,
    sa.Column("trial", sa.Text, primary_key=True),
    sa.Column("of_run", sa.Text, primary_key=True),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("fits", sa.Boolean, nullable=False),  # the cheaper one passed all checks
    sa.Column("checks", sa.Text, nullable=False),  # JSON
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("cost_microusd", sa.BigInteger, nullable=False),
    sa.Column("judge_microusd", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("own_tier", sa.Text, nullable=False),
    sa.Column("own_tokens", sa.BigInteger, nullable=False),
    sa.Column("own_cost_microusd", sa.BigInteger, nullable=False),
    sa.Column("made_ms", sa.BigInteger, nullable=False),
    sa.Column("effects", sa.Text, nullable=False, default=""),  # same, differ, unknown
)

# The texts of pairs expire before the evidence does.
trial_texts = sa.Table(
    "trial_texts",
    metadata,
    sa.Column("trial", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("own", sa.Text, nullable=False),
    sa.Column("other", sa.Text, nullable=False),
    sa.Column("because", sa.Text, nullable=False),  # the judge's words, or why there is no answer
    sa.Column("own_effects", sa.Text, nullable=False, default=""),  # JSON: calls with effects
    sa.Column("other_effects", sa.Text, nullable=False, default=""),
    sa.Column("held", sa.Text, nullable=False, default=""),  # those not made for other reasons
)

revisions = sa.Table(
    "job_revisions",
    metadata,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("text", sa.Text, nullable=False),  # TOML, secrets hidden
    sa.Column("place", sa.Text, nullable=False),  # the file it stood in
    sa.Column("seen_ms", sa.BigInteger, nullable=False),
)
