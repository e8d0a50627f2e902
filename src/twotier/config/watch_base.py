"""What the settings of all watchers share. Each kind adds its own in `watch` and its neighbours."""

from __future__ import annotations

from pydantic import Field

from twotier.config.section import Section
from twotier.config.values import Limit


class WatchBase(Section):
    """Looks for something new before any model is asked; nothing new, no model call."""

    every: Limit | None = Field(
        None, ge=1, description="How often to look, where the job itself has no trigger."
    )
    items_max: int = Field(50, ge=1, description="Most items taken in one run; the rest wait.")
    item_bytes_max: int = Field(
        12_000, ge=100, description="More than this of an item is cut off, and the prompt says so."
    )


class LooksBack(WatchBase):
    """A place whose things carry the time they were made, so that the first look can go back."""

    since: Limit | None = Field(
        None,
        description="How far back the first look goes, for example 2d; without it only what comes"
        " after the first look is new.",
    )
