"""One sentence for each way to die."""

from __future__ import annotations

import signal

import pytest

from twotier.supervisor.death import Evidence, explain

IMPORT = "ModuleNotFoundError: No module named 'mlx'"
MISSING = "FileNotFoundError: the model /models/x.gguf does not exist"
PORT = "OSError: [Errno 98] Address already in use"
METAL = "libc++abi: [METAL] kIOGPUCommandBufferCallbackErrorOutOfMemory"
TRACEBACK = ("Traceback (most recent call last):", '  File "x.py", line 1')


@pytest.mark.parametrize(
    ("evidence", "says", "hopeless"),
    [
        (Evidence(-9, 100, oom_kills=1), "memory ran out", False),
        (Evidence(None, 100, oom_kills=1), "memory ran out", False),
        (Evidence(-9, 100), "SIGKILL, and no sign that memory ran out", False),
        (Evidence(-15, 100), "asked to end by another program (SIGTERM)", False),
        (Evidence(143, 100), "asked to end by another program (SIGTERM)", False),
        (Evidence(130, 100), "asked to end by another program (SIGINT)", False),
        (Evidence(-6, 100, (METAL,)), "Metal out of memory", False),
        (Evidence(-11, 100, ("last words",)), "SIGSEGV; its last line was: last words", False),
        (Evidence(-11, 100), "SIGSEGV; it said nothing", False),
        (Evidence(-120, 100), "signal 120", False),
        (Evidence(1, 2, (*TRACEBACK, IMPORT)), IMPORT, True),
        (Evidence(None, 2, (IMPORT,)), IMPORT, True),
        (Evidence(1, 2, (MISSING,)), MISSING, True),
        (Evidence(1, 2, (PORT,)), "its port was taken", False),
        (Evidence(1, 100, (PORT,)), "exit code 1", False),
        (Evidence(1, 30, ("MemoryError",)), "could not get the memory", False),
        (Evidence(-6, 30, ("std::bad_alloc",)), "could not get the memory", False),
        (Evidence(3, 1, ("shader cache", " ")), "exit code 3; its last line was: shader", False),
        (Evidence(0, 100, ("bye",)), "ended by itself with exit code 0", False),
        (Evidence(None, 100), "cause unknown (adopted", False),
        (Evidence(-9, 100, ended_because="hung, so it was ended"), "hung", False),
    ],
)
def test_the_cause_is_named(evidence: Evidence, says: str, hopeless: bool) -> None:
    """From exit code, signal, last lines and the kernel's count; and if a restart can help."""
    death = explain(evidence)
    assert says in death.cause
    assert death.hopeless is hopeless


def test_an_error_in_the_log_of_a_healthy_life_is_no_reason_to_give_up() -> None:
    """A missing file in an answer an hour ago did not kill it."""
    assert not explain(Evidence(1, 3600, (MISSING, IMPORT))).hopeless
    assert not explain(Evidence(-signal.SIGKILL, 2, (IMPORT,))).hopeless


def test_a_long_last_line_is_cut() -> None:
    """The sentence goes into a response header's neighbourhood."""
    assert len(explain(Evidence(1, 100, ("x" * 10_000,))).cause) < 400
