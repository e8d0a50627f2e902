"""Each way to die: the cause in one sentence, its kind, and what the keeper owes to it."""

from __future__ import annotations

import signal

import pytest

from twotier.supervisor.death import REMEDIES, Evidence, Kind, Traces, explain, proof

IMPORT = "ModuleNotFoundError: No module named 'mlx'"
MISSING = "FileNotFoundError: the model /models/x.gguf does not exist"
PORT = "OSError: [Errno 98] Address already in use"
METAL = "libc++abi: [METAL] kIOGPUCommandBufferCallbackErrorOutOfMemory"
PAIR = "RuntimeError: There is no Stream(cpu, 0) in current thread."
TRACEBACK = ("Traceback (most recent call last):", '  File "x.py", line 1')
JETSAM = Traces(
    jetsam="vm-compressor-space-shortage", jetsam_report="JetsamEvent-1.ips", largest="Xcode"
)
LAUNCHD = Traces(launchd="OS_REASON_JETSAM")
KERNEL = Traces(kernel="Out of memory: Killed process 7 (python3)")


@pytest.mark.parametrize(
    ("evidence", "says", "kind"),
    [
        (Evidence(-9, 100, traces=JETSAM), "vm-compressor-space-shortage", Kind.MEMORY),
        (Evidence(-9, 100, traces=JETSAM), "the largest process was Xcode", Kind.MEMORY),
        (Evidence(-9, 100, traces=LAUNCHD), "launchd: OS_REASON_JETSAM", Kind.MEMORY),
        (Evidence(None, 100, traces=KERNEL), "the kernel's log names it", Kind.MEMORY),
        (Evidence(-9, 100, oom_kills=1), "the oom_kill count rose", Kind.MEMORY),
        (Evidence(None, 100, oom_kills=1), "memory ran out", Kind.MEMORY),
        (Evidence(-9, 100), "SIGKILL, and no sign that memory ran out", Kind.KILLED),
        (Evidence(-9, 9, traces=Traces(launchd="SIGKILL")), "no sign", Kind.KILLED),
        (Evidence(-15, 100), "asked to end by another program (SIGTERM)", Kind.ASKED),
        (Evidence(143, 100), "asked to end by another program (SIGTERM)", Kind.ASKED),
        (Evidence(130, 100), "asked to end by another program (SIGINT)", Kind.ASKED),
        (Evidence(0, 100, ("bye",)), "ended by itself with exit code 0", Kind.ASKED),
        (Evidence(-6, 100, (METAL,)), "Metal out of memory", Kind.GPU),
        (Evidence(-11, 100, ("last words",)), "SIGSEGV; its last line was: last", Kind.CRASHED),
        (Evidence(-11, 100), "SIGSEGV; it said nothing", Kind.CRASHED),
        (Evidence(-120, 100), "signal 120", Kind.CRASHED),
        (Evidence(1, 2, (*TRACEBACK, IMPORT)), IMPORT, Kind.BROKEN),
        (Evidence(None, 2, (IMPORT,)), IMPORT, Kind.BROKEN),
        (Evidence(2, 1, ("x: error: unrecognized arguments: --y",)), "--y", Kind.BROKEN),
        (Evidence(1, 2, (MISSING,)), MISSING, Kind.BROKEN),
        (Evidence(-15, 40, (PAIR,), ended_because="hung"), "do not fit each other", Kind.BROKEN),
        (Evidence(1, 2, (PORT,)), "its port was taken", Kind.PORT),
        (Evidence(1, 100, (PORT,)), "exit code 1", Kind.CRASHED),
        (Evidence(1, 30, ("MemoryError",)), "could not get the memory", Kind.MEMORY),
        (Evidence(-6, 30, ("std::bad_alloc",)), "could not get the memory", Kind.MEMORY),
        (Evidence(3, 1, ("shader cache", " ")), "exit code 3; its last line", Kind.CRASHED),
        (Evidence(None, 100), "cause unknown (adopted", Kind.UNKNOWN),
        (Evidence(-9, 100, ended_because="hung, so it was ended"), "hung", Kind.HUNG),
    ],
)
def test_the_cause_is_named(evidence: Evidence, says: str, kind: Kind) -> None:
    """From exit code, signal, last lines and what the system itself knows."""
    death = explain(evidence)
    assert says in death.cause
    assert death.kind is kind


def test_each_kind_has_its_remedy() -> None:
    """The other half of the table: what the keeper does."""
    assert set(REMEDIES) == set(Kind)
    smaller = {kind for kind in Kind if REMEDIES[kind].smaller}
    assert smaller == {Kind.MEMORY, Kind.GPU}
    assert REMEDIES[Kind.MEMORY].doublings > REMEDIES[Kind.GPU].doublings == 0
    assert [kind for kind in Kind if REMEDIES[kind].rests] == [Kind.ASKED]
    assert [kind for kind in Kind if REMEDIES[kind].hopeless] == [Kind.BROKEN]


def test_an_error_in_the_log_of_a_healthy_life_is_no_reason_to_give_up() -> None:
    """A missing file in an answer an hour ago did not kill it."""
    assert not explain(Evidence(1, 3600, (MISSING, IMPORT))).hopeless
    assert not explain(Evidence(-signal.SIGKILL, 2, (IMPORT,))).hopeless


def test_a_long_last_line_is_cut() -> None:
    """The sentence goes into a response header's neighbourhood."""
    assert len(explain(Evidence(1, 100, ("x" * 10_000,))).cause) < 400


def test_the_evidence_is_lines_that_a_person_can_check() -> None:
    """Only what is there; the end of the log last."""
    lines = proof(Evidence(-9, 61.24, ("one", " ", "two"), oom_kills=2, traces=JETSAM))
    assert lines[0] == "exit: SIGKILL"
    assert "lived: 61.2 s" in lines
    assert "jetsam: vm-compressor-space-shortage in JetsamEvent-1.ips" in lines
    assert "oom_kill: the control group's count rose by 2" in lines
    assert lines[-2:] == ("log: one", "log: two")
    assert "exit: not told, because it was adopted" in proof(Evidence(None, 1))
    stalled = Evidence(3, 1, traces=Traces(stall_percent=31.5), ended_because="hung")
    assert "memory stall: 31.5 % of the last ten seconds" in proof(stalled)
    assert {"exit: code 3", "our reason: hung"} <= set(proof(stalled))
