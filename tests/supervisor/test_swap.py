"""What a request for one of several models in one place is told, and which is loaded next."""

from __future__ import annotations

import pytest

from twotier.supervisor.swap import (
    RETRY_SECONDS,
    Scene,
    Terms,
    Told,
    back_in_seconds,
    following,
    told,
)

BY_HAND, ON_REQUEST = Terms(), Terms(on_request=True)
HOME = Scene("local", "local")
AWAY = Scene("local", "coder")
COMING = Scene("local", "local", "coder")
ASKED = Scene("local", "local", "coder", ("other",))


@pytest.mark.parametrize(
    ("name", "scene", "terms", "failed_seconds", "word"),
    [
        ("local", HOME, BY_HAND, None, Told.GO),
        ("local", HOME, BY_HAND, 1.0, Told.GO),
        ("coder", HOME, BY_HAND, None, Told.REFUSE),
        ("coder", HOME, ON_REQUEST, None, Told.FETCH),
        ("coder", HOME, ON_REQUEST, RETRY_SECONDS - 1, Told.REFUSE),
        ("coder", HOME, ON_REQUEST, RETRY_SECONDS, Told.FETCH),
        ("local", AWAY, BY_HAND, None, Told.WAIT),
        ("local", AWAY, ON_REQUEST, None, Told.FETCH),
        ("coder", COMING, BY_HAND, None, Told.WAIT),
        ("local", COMING, BY_HAND, None, Told.WAIT),
        ("local", COMING, ON_REQUEST, None, Told.FETCH),
        ("other", ASKED, BY_HAND, 1.0, Told.WAIT),
        ("local", Scene("local", "local", "", ("coder",)), BY_HAND, None, Told.WAIT),
    ],
)
def test_a_request_is_told_by_what_is_loaded_and_the_terms(
    name: str, scene: Scene, terms: Terms, failed_seconds: float | None, word: Told
) -> None:
    """A request causes a swap only by its tier's terms; the one at home is waited for."""
    assert told(name, scene, terms=terms, failed_seconds=failed_seconds) is word


@pytest.mark.parametrize(
    ("scene", "back_seconds", "idle_seconds", "seconds"),
    [
        (HOME, 60.0, 100.0, None),
        (AWAY, 60.0, 20.0, 40.0),
        (AWAY, 60.0, 60.0, 0.0),
        (AWAY, 60.0, 90.0, 0.0),
        (AWAY, 60.0, None, None),
        (AWAY, 0.0, 90.0, None),
    ],
)
def test_the_one_at_home_comes_back_after_a_while_without_work(
    scene: Scene, back_seconds: float, idle_seconds: float | None, seconds: float | None
) -> None:
    """Not while a request is in the other, and not where a person said never."""
    terms = Terms(back_seconds=back_seconds)
    assert back_in_seconds(scene, terms=terms, idle_seconds=idle_seconds) == seconds


@pytest.mark.parametrize(
    ("scene", "back_in", "name"),
    [
        (HOME, None, ""),
        (Scene("local", "local", "", ("coder", "other")), None, "coder"),
        (AWAY, 3.0, ""),
        (AWAY, 0.0, "local"),
        (Scene("local", "coder", "", ("other",)), 0.0, "other"),
    ],
)
def test_what_is_asked_for_goes_before_coming_home(
    scene: Scene, back_in: float | None, name: str
) -> None:
    """In the order in which it was asked for."""
    assert following(scene, back_in=back_in) == name
