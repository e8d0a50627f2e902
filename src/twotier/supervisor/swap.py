"""What somebody who needs a model is told, where several share one place in memory.

Pure: values in, values out. A model that is installed and not loaded is fetched by a person, or by
a request where its terms say so; the one that is at home there comes back by itself. What could not
be loaded a moment ago is not tried again for each request that asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

RETRY_SECONDS = 300.0  # after a failed swap, before a request may cause the next one


class Told(StrEnum):
    """What a request for one of the models is told."""

    GO = "go"
    WAIT = "wait"
    FETCH = "fetch"  # have it loaded, and wait
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Terms:
    """How one of the models is loaded.

    `on_request`: a request for it has it loaded. `back_seconds`: so long after the last request for
    it the one at home comes back; 0 for never by itself.
    """

    on_request: bool = False
    back_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """How a place stands. `coming` is the model on its way in, empty where none is.

    `asked` are those that are to be loaded after it, in order.
    """

    home: str
    loaded: str
    coming: str = ""
    asked: Sequence[str] = ()

    @property
    def settled(self) -> bool:
        """Whether the loaded one stays, for all that is known."""
        return not self.coming and not self.asked


def told(name: str, scene: Scene, *, terms: Terms, failed_seconds: float | None) -> Told:
    """The word for a request for `name`. `failed_seconds`: so long ago it could not be loaded."""
    if name == scene.coming or name in scene.asked:
        return Told.WAIT
    if name == scene.loaded and scene.settled:
        return Told.GO
    if failed_seconds is not None and failed_seconds < RETRY_SECONDS:
        return Told.REFUSE
    if terms.on_request:
        return Told.FETCH
    return Told.WAIT if name == scene.home else Told.REFUSE


def back_in_seconds(scene: Scene, *, terms: Terms, idle_seconds: float | None) -> float | None:
    """When the one at home comes back; None where it is there, or nothing calls it.

    `terms` are those of the loaded one, `idle_seconds` how long it has had no request, None where
    it has one now.
    """
    if scene.loaded == scene.home or not terms.back_seconds or idle_seconds is None:
        return None
    return max(0.0, terms.back_seconds - idle_seconds)


def following(scene: Scene, *, back_in: float | None) -> str:
    """The model to load now; empty where all is as it should be."""
    if scene.asked:
        return scene.asked[0]
    return scene.home if back_in == 0.0 else ""
