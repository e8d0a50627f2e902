"""What is seen of the servers over time: who looks at memory, and where their logs are."""

from __future__ import annotations

from twotier.build.household import Household
from twotier.config.load import Loaded
from twotier.gateway.engine_view import EngineView
from twotier.supervisor.memory_course import MemoryCourse, Sampler
from twotier.supervisor.process import resident_bytes

WORKER = "worker"  # a kept process that holds no model


def engine_view(loaded: Loaded, house: Household) -> EngineView:
    """All of it."""
    kept = [name for name in house.keepers if name != WORKER]
    logs = {name: loaded.paths.logs / f"engine-{name}.log" for name in kept}
    return EngineView(memory_course(loaded, house), logs, house.clock)


def memory_course(loaded: Loaded, house: Household) -> MemoryCourse:
    """As an earlier life left it; whoever goes on with it is one of the household."""
    course, path = MemoryCourse(), loaded.paths.memory_course
    course.read(path)

    def pids() -> dict[str, int]:
        facts = [one.facts() for one in house.all]
        return {one.name: one.pid for one in facts if one.pid and one.name != WORKER}

    house.sampler = Sampler(course, house.around.room, house.clock, pids, resident_bytes, path)
    return course
