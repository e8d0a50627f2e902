"""`twotier models try NEW --for JOBS`: another local model does the jobs' stored work, off-peak.

The keeper loads it in the place of the one that runs, and loads that one again whatever happens.
Nothing is delivered and no job is changed.
"""

from __future__ import annotations

from pathlib import Path

from twotier.cli.job_trial import MODEL, Order, ended, ordered, outcome
from twotier.cli.models import tier_named
from twotier.cli.output import emit, say
from twotier.cli.peers import worker_of
from twotier.cli.trial_terms import Tried
from twotier.config.load import Loaded, load
from twotier.errors import UsageError


def tried(config: Path, name: str, *, terms: Tried, as_json: bool) -> int:
    """One trial for each job; with `--now` their outcome too."""
    loaded = load(config)
    tier = standby(loaded, tier_named(name, loaded))
    jobs = [one.strip() for one in terms.jobs.split(",") if one.strip()]
    if not jobs:
        raise UsageError("say whose work it is to do: --for JOB, or --for JOB,JOB")
    order = Order(
        MODEL,
        terms.last,
        model=tier,
        judge=terms.judge or "",
        limit_usd=terms.limit_usd,
        stored=True,
        now=terms.now,
        yes=terms.yes,
    )
    trials = [ordered(config, job, order=order) for job in jobs]
    if not terms.now:
        hours = loaded.config.trials.hours or "now"
        if as_json:
            emit({"trials": trials})
        else:
            print("\n".join(trials))
            say(f"{tier} is loaded for it in the hours {hours}; see `twotier job trials`")
        return 0
    documents = [ended(worker_of(config), trial) for trial in trials]
    if as_json:
        emit({"trials": documents})
    else:
        print("\n".join(line for document in documents for line in outcome(document)))
    return 0 if all(one["trial"]["state"] == "done" for one in documents) else 1


def standby(loaded: Loaded, name: str) -> str:
    """A tier that can be loaded in the place of another. Raises `UsageError`."""
    tiers = loaded.config.tiers
    shares = tiers[name].in_place_of or any(one.in_place_of == name for one in tiers.values())
    if not tiers[name].is_local:
        raise UsageError(f"{name} is not local; `twotier job shadow` tries the other side")
    if not shares:
        raise UsageError(
            f"{name} shares no place in memory; give it in_place_of in {loaded.path}, so that it"
            " can be loaded in the place of the model that runs"
        )
    return name
