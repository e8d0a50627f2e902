"""systemd as `systemctl show` tells of a unit, the commands, and the owner nobody can ask."""

from __future__ import annotations

import sys

import pytest

from twotier.service.command import run
from twotier.service.owners import owner_of
from twotier.service.person import Person
from twotier.service.systemd import Systemd
from twotier.supervisor.owner import UNTOLD, Said

UNIT = Systemd("mlx.service")


def shown(**properties: str) -> Said:
    usual = {"LoadState": "loaded", "MainPID": "0", "Restart": "on-failure", "Result": "success"}
    return Said(0, "".join(f"{key}={value}\n" for key, value in (usual | properties).items()))


def test_a_running_unit_has_its_pid() -> None:
    """Nothing is wrong with it."""
    told = UNIT.read(shown(ActiveState="active", SubState="running", MainPID="4711"))
    assert (told.running, told.pid, told.last_end) == (True, 4711, "")


def test_one_that_is_ending_has_not_gone() -> None:
    """`disable --now` may be given up before the process has ended."""
    told = UNIT.read(shown(ActiveState="deactivating", SubState="stop-sigterm", MainPID="4711"))
    assert told.running is None


def test_one_that_waits_for_its_next_start_is_its_owners() -> None:
    """Between two lives it is `activating`, and runs nothing."""
    told = UNIT.read(
        shown(ActiveState="activating", SubState="auto-restart", Result="oom-kill", NRestarts="3")
    )
    assert (told.running, told.respawns) == (False, True)
    assert "memory ran out" in told.last_end
    assert "NRestarts=3" in told.evidence


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"Result": "exit-code", "ExecMainStatus": "1"}, "failed with exit code 1"),
        ({"Result": "signal", "ExecMainCode": "2", "ExecMainStatus": "9"}, "SIGKILL"),
        ({"Result": "core-dump", "ExecMainCode": "3", "ExecMainStatus": "11"}, "SIGSEGV"),
        ({"Result": "signal", "ExecMainCode": "2", "ExecMainStatus": "99"}, "signal 99"),
        ({"Result": "start-limit-hit"}, "started too often"),
        ({"Result": "watchdog"}, "watchdog"),
        ({"Result": "timeout"}, "in time"),
        ({}, ""),
    ],
)
def test_why_it_ended_is_one_sentence(properties: dict[str, str], words: str) -> None:
    """From its result, code and status."""
    told = UNIT.read(shown(ActiveState="failed", SubState="failed", **properties))
    assert (told.running, told.respawns) == (False, False)
    assert words in told.last_end


def test_no_such_unit_and_no_answer_are_two_things() -> None:
    """A bus that cannot be reached says nothing about the unit."""
    assert UNIT.read(shown(LoadState="not-found")).running is False
    silent = UNIT.read(Said(1, err="Failed to connect to bus: No medium found\n"))
    assert silent.running is None
    assert "No medium found" in silent.evidence[0]


def test_the_commands_are_the_users_own_or_the_machines() -> None:
    """`system/` is the machine's."""
    assert UNIT.question[:4] == ("systemctl", "--user", "show", "mlx.service")
    assert UNIT.start() == ("systemctl", "--user", "start", "mlx.service")
    assert UNIT.restart() == ("systemctl", "--user", "restart", "mlx.service")
    assert UNIT.stop() == "systemctl --user stop mlx.service"
    assert UNIT.log(UNTOLD) == "journalctl --user -u mlx.service -f"
    machine = Systemd("system/ollama.service")
    assert machine.restart() == ("systemctl", "restart", "ollama.service")
    assert machine.log(UNTOLD) == "journalctl -u ollama.service -f"
    assert machine.name == "the systemd unit ollama.service"


def test_a_word_of_the_configuration_is_an_owner() -> None:
    """And a person is one that nobody can ask or order."""
    assert owner_of("launchd:com.x", uid=501).question[-1] == "gui/501/com.x"
    assert owner_of("systemd:x.service", uid=1).question[1] == "--user"
    person = owner_of("user", uid=1)
    assert isinstance(person, Person)
    assert person.name == "you"
    assert (person.question, person.start(), person.restart()) == ((), (), ())
    assert person.read(Said(0)) == UNTOLD
    assert "where you started it" in person.stop()
    assert "where you started it" in person.log(UNTOLD)


def test_the_runner_says_what_came_of_a_command() -> None:
    """Its code and words; one that is not there and one that does not end are no crash."""
    said = run((sys.executable, "-c", "import sys; print('out'); sys.exit('err')"))
    assert (said.code, said.out, said.err) == (1, "out\n", "err\n")
    assert "no command" in run(("no-such-command-here",)).err
    slow = run((sys.executable, "-c", "import time; time.sleep(60)"), seconds=0.2)
    assert slow.code is None
    assert "timed out" in slow.err
