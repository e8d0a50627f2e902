"""The replay of ready jobs: the product's own decisions, on luck that is the same for everybody."""

from __future__ import annotations

from bench.routing import regret
from bench.routing.regret import RUNS, Cell, Luck, Proves, Told, blind, jobs, lucks, replayed

ALWAYS, NEVER = Luck(True, True, True, True), Luck(False, True, False, True)


def test_the_ready_jobs_are_seen_as_the_router_sees_them() -> None:
    """What watches is polling by its trigger; what comes at a time is nothing until it has run."""
    ready = {job.name: job for job in jobs()}
    assert len(ready) == 9
    assert ready["comment-check"].kind == "polling"
    assert ready["market-brief"].kind == ""
    assert ready["blog-post"].kind == ""  # it waits for notes, and writes at length


def test_luck_is_the_same_for_every_policy() -> None:
    """And a check that is never wrong says what is."""
    model = regret.MODELS["flaky"]
    one = lucks(model, 3, world="told")
    assert one == lucks(model, 3, world="told")
    assert all(luck.local == luck.local_passes for luck in one)
    assert one != lucks(model, 3, world="checked")


def test_a_job_that_fails_here_moves_and_one_that_does_not_stays() -> None:
    """After two failures, but for a night's recheck."""
    job = next(job for job in jobs() if job.name == "x-scan")
    told = replayed(job, [NEVER] * RUNS, escalates=False)
    assert told.chosen[:3] == [False, False, True]
    assert sum(told.chosen) >= RUNS - 4
    assert not any(replayed(job, [ALWAYS] * RUNS, escalates=False).chosen)


def test_a_job_of_unknown_kind_is_proven_by_a_shadow() -> None:
    """Without one it stays where quality is, until free proofs or the nights have proven it."""
    job = next(job for job in jobs() if job.name == "market-brief")
    none, nights = Proves(free=False), Proves(free=False, judged=True)
    assert all(replayed(job, [ALWAYS] * RUNS, escalates=False, proves=none).chosen)
    shadowed = replayed(job, [ALWAYS] * RUNS, escalates=False, shadow=[True] * 10, proves=none)
    assert not any(shadowed.chosen)
    judged = replayed(job, [ALWAYS] * RUNS, escalates=False, proves=nights)
    assert judged.chosen == [True] * 3 + [False] * 27
    failing = replayed(job, [NEVER] * RUNS, escalates=False, proves=nights)
    assert sum(failing.chosen) >= RUNS - 3  # but for a recheck at night
    assert sum(failing.judged) == 2 * regret.JUDGED  # two that did not do are enough


def test_a_free_proof_follows_each_run_and_costs_nothing() -> None:
    """Three where somebody would have what fails, one where it is done again."""
    job = next(job for job in jobs() if job.name == "market-brief")
    seen = replayed(job, [ALWAYS] * RUNS, escalates=False)
    assert seen.chosen == [True] * 3 + [False] * 27
    covered = replayed(job, [ALWAYS] * RUNS, escalates=True)
    assert covered.chosen == [True] + [False] * 29
    assert not sum(covered.judged)
    failing = replayed(job, [NEVER] * RUNS, escalates=True)
    assert sum(failing.chosen) >= RUNS - 3


def test_each_job_has_luck_of_its_own() -> None:
    """Or nine jobs would say what three do. Always the same, unless other seeds are asked for."""
    assert regret.seeds_of("x-scan") == regret.seeds_of("x-scan")
    assert not set(regret.seeds_of("x-scan")) & set(regret.seeds_of("research"))


def test_regret_is_what_is_lost_beside_the_better_tier() -> None:
    """Nothing for that tier itself; what escalates is paid for and may be good."""
    luck = [ALWAYS] * 15 + [NEVER] * 15
    local, frontier = (blind(luck, [one] * RUNS, escalates=False) for one in (False, True))
    cell = Cell([frontier] * 2, [local] * 2, [frontier] * 2)
    assert regret.regret([cell], 4.0, 0, RUNS)[0] == 0
    dearer = Cell([local] * 2, [local] * 2, [frontier] * 2)
    assert regret.regret([dearer], 4.0, 0, RUNS)[0] == 1.0
    told = Told(escalates=True)
    told.add(NEVER, frontier=False)
    assert (told.paid, told.bad) == ([1.0], [0.0])
