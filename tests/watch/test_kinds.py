"""The registry of watchers and the settings of the file are the same list."""

from __future__ import annotations

import typing
from importlib import import_module

import pytest

from twotier.config.load import kinds_of, sections_of
from twotier.config.watch import AnyWatch
from twotier.domain.label import Label
from twotier.watch.kinds import KINDS, labels_of


def test_every_kind_of_the_file_has_a_watcher_and_the_other_way_round() -> None:
    """A kind that could be written and not be made would fail at night."""
    known = [kind for section in sections_of(AnyWatch) for kind in kinds_of(section)]
    assert sorted(known) == sorted(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_every_watcher_is_where_the_registry_says(name: str) -> None:
    """It is loaded late, so nothing else would notice."""
    module, _, kind = KINDS[name].place.partition(":")
    made = getattr(import_module(module), kind)
    assert callable(made.of)
    assert "place" in dir(made)
    assert typing.get_type_hints(made.look)["return"].__name__ == "Look"


def test_what_others_wrote_is_untrusted_and_only_the_owners_files_may_be_trusted() -> None:
    """The label holds for all items of a watcher."""
    for kind in KINDS:
        assert Label.UNTRUSTED in labels_of({"kind": kind})
    assert labels_of({"kind": "files", "trusted": True}) == frozenset()
