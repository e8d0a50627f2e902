"""Everybody in turn: pairs of the same round, and nobody's failure taken for a figure."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.bodies import small
from bench.compare import ADDED, CPU, SLOW_EVERY, Scene, figure, paired, play
from bench.gateways import GATEWAYS, Gateway, Plan, Seat, chat_only
from bench.load import Load, LoadError, Run, Target
from bench.peers import PINS, started, told
from bench.service import free_port
from bench.stage import DIRECT, MAIN, Route, Side, Stage, Troupe, chat_routes, script, staged
from tests.story.service import eventually

BARE_STACK = Path(__file__).parents[2] / "bench" / "bare.py"
SCENE = Scene("one", "chat", small, Load(2))


@pytest.fixture
def upstream() -> Iterator[int]:
    """The port of a real one."""
    port = free_port()
    with script("upstream.py", port):
        yield port


def side(name: str, port: int, *, slow: bool = False) -> Side:
    """Somebody who answers there."""
    return Side(name, chat_routes(Route(Target(port), "bench")), slow=slow)


def stage(*sides: Side) -> Stage:
    """These together."""
    return Stage({one.name: one for one in sides}, Troupe([], {}, {}))


def run(cpu_micro: float, p50_milli: float = 1.0) -> Run:
    """One request."""
    return Run(1.0, [p50_milli / 1e3], cpu_seconds=cpu_micro / 1e6)


def test_ratios_are_of_the_same_round() -> None:
    """A round in which all took twice as long, and one that only we have, change no ratio."""
    shots = {
        MAIN: {0: run(100), 1: run(200), 2: run(900)},
        "nginx": {0: run(10), 1: run(20)},
    }
    beside = figure(shots, CPU, name="CPU").beside
    assert beside["nginx"].ratio == pytest.approx(10)
    assert paired(shots, {MAIN: shots[MAIN]}, lambda one, same: one.cpu_micro / same.cpu_micro) == 1


def test_what_is_added_is_more_than_the_direct_call() -> None:
    """And to next to nothing nobody is compared."""
    shots = {
        MAIN: {0: run(0, 1.5)},
        "smg": {0: run(0, 1.25)},
        "nginx": {0: run(0, 1.001)},
        DIRECT: {0: run(0, 1.0)},
    }
    seen = figure(shots, ADDED, name="added")
    assert seen.seen.startswith("0.50 ")
    assert seen.beside["smg"].ratio == pytest.approx(2)
    assert seen.beside["nginx"].ratio is None
    assert seen.beside[DIRECT].seen == "1.00 itself"


def test_everybody_is_asked_in_every_round_and_the_slow_in_some(upstream: int) -> None:
    """Rounds are numbered, so that the pairs of the slow are found."""
    everybody = stage(
        side(MAIN, upstream), side(DIRECT, upstream), side("slow", upstream, slow=True)
    )
    seen = play(everybody, [SCENE], rounds=SLOW_EVERY + 1)["one"]
    assert list(seen) == [MAIN, DIRECT, "slow"]
    assert list(seen[MAIN]) == list(seen[DIRECT]) == list(range(SLOW_EVERY + 1))
    assert list(seen["slow"]) == [0, SLOW_EVERY]


def test_a_peer_that_fails_has_no_figure(upstream: int, capsys: pytest.CaptureFixture[str]) -> None:
    """What it did in the rounds before is no figure either, and the reason is said."""
    wrong = Scene("wrong", "chat", lambda model: small(model, stream=True), Load(1, words=51))
    with pytest.raises(ExceptionGroup) as caught:
        play(stage(side(MAIN, upstream)), [wrong], rounds=1)
    assert caught.group_contains(LoadError, match="50 words of 51")
    assert play(stage(side("peer", upstream)), [wrong], rounds=2) == {"wrong": {}}
    assert "wrong: peer: 50 words of 51" in capsys.readouterr().err
    assert play(stage(side("gone", free_port())), [SCENE], rounds=1) == {"one": {}}


def test_a_peer_that_does_not_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    """And stops nobody."""

    def plan(found: Path, seat: Seat) -> Plan:
        del seat
        return Plan((str(found), "-c", "echo no such option; exit 1"), chat_only)

    absent, here = Gateway("absent", "*/bin/nowhere", plan), Gateway("dead", "sh", plan)
    with started(tmp_path, 1, gateways=[absent, here]) as troupe:
        assert not troupe.sides
        names = [one.name for one in told(troupe)]
        assert "no such option" in troupe.left_out["dead"]
    assert names == ["version", "peers not installed (`make bench-peers`)", "beside dead"]


def test_a_peer_that_cannot_be_run_stops_nobody(tmp_path: Path) -> None:
    """An environment that was moved has commands whose Python is gone."""

    def plan(found: Path, seat: Seat) -> Plan:
        moved = seat.write(found.name, "#!/nowhere/python\n")
        moved.chmod(0o700)
        return Plan((str(moved),), chat_only)

    with started(tmp_path, 1, gateways=[Gateway("moved", "sh", plan)]) as troupe:
        assert not troupe.sides
        assert "make bench-peers" in troupe.left_out["moved"]


def test_a_peer_stands_still_while_others_are_asked(tmp_path: Path, upstream: int) -> None:
    """It neither takes CPU time nor holds a place in the caches; it ends all the same."""

    def plan(found: Path, seat: Seat) -> Plan:
        del found
        ports = (str(seat.port), str(seat.upstream_port))
        return Plan((sys.executable, str(BARE_STACK), *ports), chat_only)

    def states() -> set[str]:
        assert peer.pids is not None
        return {psutil.Process(pid).status() for pid in peer.pids()}

    with started(tmp_path, upstream, gateways=[Gateway("bare", "sh", plan)]) as troupe:
        [peer] = troupe.sides
        eventually(lambda: states() == {psutil.STATUS_STOPPED}, what="it stands still")
        with peer.turn():
            assert states() != {psutil.STATUS_STOPPED}
        assert peer.shoot("chat", small, Load(2)).cpu_seconds > 0
        eventually(lambda: states() == {psutil.STATUS_STOPPED}, what="it stands still")


def test_every_pinned_peer_is_one_that_is_measured() -> None:
    """What is installed is used."""
    pinned = tomllib.loads(PINS.read_text(encoding="utf-8"))
    assert set(pinned) < {gateway.name for gateway in GATEWAYS}


@pytest.mark.slow
def test_every_way_ends_at_the_tier_it_is_meant_for(tmp_path: Path) -> None:
    """Relayed, translated, priced: `staged` proves each by the answer's own headers."""
    with staged(tmp_path, lambda home, port: started(home, port, gateways=())) as everybody:
        main = everybody.sides[MAIN]
        assert len(main.routes) == 7
        assert main.shoot("chat", small, Load(4)).cpu_seconds > 0
        assert main.rss_megabytes() > 10
