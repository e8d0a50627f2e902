"""A server that a person started: nobody can be asked about it, and nobody starts it again."""

from __future__ import annotations

from dataclasses import dataclass

from twotier.supervisor.owner import UNTOLD, Said, Told


@dataclass(frozen=True, slots=True)
class Person:
    """`supervisor.owner.Owner` for a server in somebody's terminal, or of an app."""

    @property
    def name(self) -> str:
        """For sentences."""
        return "you"

    @property
    def question(self) -> tuple[str, ...]:
        """Nobody to ask."""
        return ()

    def read(self, said: Said) -> Told:  # noqa: ARG002 - the seam's
        """Nothing is known."""
        return UNTOLD

    def start(self) -> tuple[str, ...]:
        """Only a person can."""
        return ()

    def restart(self) -> tuple[str, ...]:
        """Only a person can."""
        return ()

    def stop(self) -> str:
        """As a person does it."""
        return "end it where you started it"

    def log(self, told: Told) -> str:  # noqa: ARG002 - the seam's
        """Where it runs."""
        return "look where you started it"
