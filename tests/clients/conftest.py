"""One world for all clients: starting it takes two seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.world import World, running


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A real `twotier up` between the clients and three scripted models."""
    with running(tmp_path_factory.mktemp("clients")) as world:
        yield world
