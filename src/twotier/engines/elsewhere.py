"""What the engines have in common whose server is never ours to start."""

from __future__ import annotations

from pathlib import Path

from twotier.domain.launch import Launch
from twotier.engines.base import Settings, Traits
from twotier.errors import EngineError


class Elsewhere:
    """`engines.base.Engine` for a server somebody else runs: it is asked under its own address."""

    traits: Traits

    def launch(self, program: Path, model: Path, *, port: int, settings: Settings) -> Launch:  # noqa: ARG002 - the seam's
        """There is nothing to start."""
        name = self.traits.name
        raise EngineError(f"the engine `{name}` is run by somebody else; set the tier's `base_url`")

    def model_upstream(self, model: str) -> str:
        """The configured name, unchanged."""
        return model

    def version_command(self, program: Path) -> tuple[str, ...]:  # noqa: ARG002 - the seam's
        """It does not run here."""
        return ()
