"""Everything that is known of a request before it is decided, put together from memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from twotier.domain.clock import Clock
from twotier.domain.known import Known, Pace, Timed
from twotier.domain.task import Asking
from twotier.domain.tier import TierSpec
from twotier.learned.pace import Paces
from twotier.learned.sessions import Sessions, name_of
from twotier.learned.tiers import Learned
from twotier.protocols.opening import opening


@dataclass(frozen=True, slots=True)
class Place:
    """A tier that may be asked. `up`: its server need not be loaded first; `line_seconds` is the
    wait for a slot of it.
    """

    spec: TierSpec
    up: Callable[[], bool]
    line_seconds: Callable[[], float]


class Knowing:
    """Asked for each request that has a choice. `places` are filled in once there are tiers."""

    def __init__(self, learned: Learned, clock: Clock) -> None:
        self.sessions = Sessions(clock)
        self.paces = Paces(clock)
        self.places: Mapping[str, Place] = {}
        self._learned = learned

    def __call__(self, asking: Asking) -> Known:
        """What is known of such work, of its conversation, of the time and money it would take."""
        begins = opening(asking.request)
        known = self._learned.known(asking, begins.template)
        conversation = name_of(asking.caller, begins)
        return replace(
            known,
            conversation=conversation,
            session=self.sessions.known(conversation, begins),
            seconds=self.seconds(asking, known),
            pace=self._pace(asking),
        )

    def seconds(self, asking: Asking, known: Known) -> Mapping[str, Timed]:
        """How long each tier would take, with a long answer; of those whose speed is known."""
        task, found = asking.task, {}
        for name, place in self.places.items():
            spec = place.spec
            tokens = task.output_tokens_asked or spec.output_tokens_default
            if known.output is not None:
                tokens = min(tokens, round(known.output.p90))
            elif task.output_tokens_asked is None:
                tokens = min(tokens, task.output_tokens)
            seen = self._learned.speeds.predict(
                name,
                self._learned.sizes.scales.tokens(task.work, name),
                output_tokens=min(tokens, spec.output_tokens_default),
                up=place.up(),
                line_seconds=place.line_seconds(),
            )
            if seen is not None:
                found[name] = seen
        return found

    def _pace(self, asking: Asking) -> Pace | None:
        """Of the budgets that such work counts in where it costs money."""
        paid = (one.spec for one in self.places.values() if not one.spec.local)
        spec = next(paid, None)
        if spec is None:
            return None
        return self.paces.of(asking.caller, tier=spec.name, model=spec.model)
