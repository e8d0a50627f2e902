"""launchd as it is documented: `launchctl print` of a job in each of its states.

launchd cannot run here. The samples have the layout that its print command is known to have: own
fields behind one tab, nested ones behind two.
"""

from __future__ import annotations

import pytest

from twotier.service.launchd import Launchd
from twotier.supervisor.owner import Said

JOB = Launchd("com.example.mlx", 501)
HEAD = (
    "gui/501/com.example.mlx = {\n\tactive count = 1\n"
    "\tpath = /Users/ada/Library/LaunchAgents/com.example.mlx.plist\n\ttype = LaunchAgent\n"
)
INNER = (
    "\n\tprogram = /opt/homebrew/bin/python3\n\targuments = {\n\t\t/opt/homebrew/bin/python3\n\t}\n"
    "\n\tstdout path = /tmp/mlx.log\n\tstderr path = /tmp/mlx.err\n"
    "\tdefault environment = {\n\t\tstate = nested\n\t\tpid = 99\n\t}\n"
)
TAIL = "\n\tproperties = keepalive | runatload | inferred program\n}\n"


def block(state: str, *more: str, tail: str = TAIL) -> Said:
    lines = "".join(f"\t{line}\n" for line in more)
    return Said(0, f"{HEAD}\tstate = {state}\n{INNER}{lines}{tail}")


def test_a_running_job_has_its_pid_and_is_his_to_start() -> None:
    """Fields of nested blocks are not the job's own."""
    told = JOB.read(block("running", "runs = 3", "pid = 4711", "last exit code = (never exited)"))
    assert (told.running, told.pid, told.respawns, told.last_end) == (True, 4711, True, "")
    assert "pid = 4711" in told.evidence
    assert JOB.log(told) == "tail -f /tmp/mlx.err"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("last terminating signal = Killed: 9",), "SIGKILL: by a person, or by macOS"),
        (("last terminating signal = Abort trap: 6",), "ended by a signal (Abort trap: 6)"),
        (("last exit code = 1",), "failed with exit code 1"),
        (("last exit code = 78: EX_CONFIG",), "failed with exit code 78: EX_CONFIG"),
        (("last exit code = 0",), "ended by itself with exit code 0"),
        (("last exit reason = OS_REASON_JETSAM",), "memory ran out (jetsam)"),
    ],
)
def test_why_it_ended_is_one_sentence(lines: tuple[str, ...], words: str) -> None:
    """A signal, an exit code, or the memory killer."""
    told = JOB.read(block("not running", *lines))
    assert told.running is False
    assert told.pid is None
    assert words in told.last_end


def test_a_job_without_keepalive_stays_down_by_itself() -> None:
    """So a person stopped it, and it stays stopped."""
    told = JOB.read(block("not running", tail="\n\tproperties = runatload\n}\n"))
    assert (told.running, told.respawns) == (False, False)


def test_a_job_that_is_being_taken_out_has_not_gone() -> None:
    """`bootout` returns at once; the process holds its memory until it has ended."""
    assert JOB.read(block("SIGTERMed", "pid = 4711")).running is None


def test_no_such_job_and_no_answer_are_two_things() -> None:
    """113: not loaded. Anything else: the question failed, and nothing is known."""
    gone = JOB.read(Said(113, err="Could not find service in domain for user gui: 501\n"))
    assert gone.running is False
    assert "no job com.example.mlx is loaded" in gone.last_end
    for said in (Said(125, err="Domain does not support specified action"), Said(None), Said(0)):
        assert JOB.read(said).running is None


def test_the_commands_name_the_users_own_domain() -> None:
    """An agent of the user, or the machine's own job where it is named so."""
    assert JOB.question == ("launchctl", "print", "gui/501/com.example.mlx")
    assert JOB.start() == ("launchctl", "kickstart", "gui/501/com.example.mlx")
    assert JOB.restart() == ("launchctl", "kickstart", "-k", "gui/501/com.example.mlx")
    assert "bootout gui/501/com.example.mlx" in JOB.stop()
    assert JOB.name == "the launchd job com.example.mlx"
    assert Launchd("system/com.x", 501).restart()[-1] == "system/com.x"
    assert "StandardErrorPath" in JOB.log(JOB.read(Said(None)))
