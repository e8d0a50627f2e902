"""One service and one browser for each module of these tests: either takes seconds to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.dashboard.world import Home, chromium, world


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium. Its Playwright ends with the module: it holds this thread's event loop."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The service with some work behind it."""
    with world(tmp_path_factory.mktemp("dashboard")) as home:
        yield home


@pytest.fixture(autouse=True)
def no_profiles_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test's browser profiles end with it: a page that is left open has a stream."""
    yield
    if "home" in request.fixturenames:
        home: Home = request.getfixturevalue("home")
        while home.pages:
            home.pages.pop().close()
