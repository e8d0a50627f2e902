"""Models that stand by, against the whole program and real llama.cpp servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.fakes.anthropic_api import FakeAnthropic
from tests.story.service import FRONTIER, STARTER, Service, eventually
from twotier.errors import RequestError, TierUnavailableError, UnknownModelError

pytestmark = [pytest.mark.slow, pytest.mark.engine]

SHARERS = """
[tiers.coder]
engine = "llama_cpp"
model = "starter"
window_tokens = 2048
in_place_of = "local"
swap_back = 0

[tiers.quick]
engine = "llama_cpp"
model = "starter"
window_tokens = 1024
in_place_of = "local"
swap = "on-request"
swap_back = "1s"

[tiers.slow]
engine = "llama_cpp"
model = "starter"
window_tokens = 1536
in_place_of = "local"
swap = "on-request"
swap_back = "1h"

[[jobs]]
name = "report"
cron = "0 0 1 1 *"
model = "slow"
prompt = "Say hello."
output_tokens_max = 16
deliver = "file:outbox/report.txt"

[tiers.broken]
engine = "llama_cpp"
model = "broken.gguf"
in_place_of = "local"
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Three models in one place, and a frontier."""
    starter_engine_environment()
    starter_model()
    folder: Path = tmp_path_factory.mktemp("standby")
    (folder / "broken.gguf").write_bytes(b"GGUF, and nothing that could be loaded")
    with FakeAnthropic() as frontier:
        parts = (STARTER, SHARERS, FRONTIER.format(base_url=frontier.base_url))
        program = Service(folder, *parts, env={"FRONTIER_KEY": frontier.key})
        try:
            program.up(ready="")
            eventually(lambda: program.tier("local")["state"] == "ready", what="local ready")
            yield program
        finally:
            program.__exit__(None, None, None)


def tier_of(service: Service, model: str, text: str = "Say hello.") -> str:
    """The tier that answers."""
    messages: Any = [{"role": "user", "content": text}]
    raw = service.client().chat.completions.with_raw_response.create(
        model=model, messages=messages, max_tokens=4
    )
    return raw.headers["x-twotier-tier"]


def use(service: Service, name: str) -> None:
    """As `twotier models use` does."""
    service.main.post("/control/models/use", {"tier": name}, seconds=60)


def engines(service: Service) -> list[int]:
    """The model servers in memory: children of main that are no worker."""
    assert service.process is not None
    children = psutil.Process(service.process.pid).children(recursive=True)
    return [child.pid for child in children if "launch_llama" in " ".join(child.cmdline())]


def states(service: Service) -> dict[str, str]:
    return {tier["name"]: tier["state"] for tier in service.status()["tiers"]}


def test_a_model_that_stands_by_is_asked_only_when_it_was_loaded(service: Service) -> None:
    """503 that says how; then it answers under its name, and nobody else is in memory."""
    assert tier_of(service, "local") == "local"
    with pytest.raises(openai.InternalServerError, match="twotier models use coder") as refused:
        tier_of(service, "coder")
    assert refused.value.status_code == 503
    assert len(engines(service)) == 1
    assert "coder" in service.command("models", "use", "coder").stdout
    assert tier_of(service, "coder") == "coder"
    assert len(engines(service)) == 1
    assert states(service) == {
        "local": "standby",
        "coder": "ready",
        "quick": "standby",
        "slow": "standby",
        "broken": "standby",
        "frontier": "ready",
    }
    shown = service.command("status").stdout
    assert "coder is loaded in its place" in shown
    places = service.main.get("/control/models/places")["places"]
    assert places == [
        {"home": "local", "loaded": "coder", "tiers": ["local", "coder", "quick", "slow", "broken"]}
    ]


def test_work_for_the_model_that_was_replaced_goes_on_by_its_policy(service: Service) -> None:
    """A poll may go to the frontier, and never to a model that nobody named."""
    use(service, "coder")
    assert tier_of(service, "auto", "Check for new comments. say: none") == "frontier"
    assert states(service)["coder"] == "ready"
    use(service, "local")
    assert tier_of(service, "auto", "Check for new comments. say: none") == "local"


def test_a_request_fetches_a_model_whose_tier_says_so_and_it_goes_again(service: Service) -> None:
    """Named, loaded, answered; a second later the one at home is back."""
    use(service, "local")
    assert tier_of(service, "quick") == "quick"
    assert len(engines(service)) == 1
    eventually(lambda: states(service)["local"] == "ready", what="local is back")
    assert tier_of(service, "local") == "local"
    log = (service.paths.logs / "main.log").read_text(encoding="utf-8")
    assert "quick in place of local" in log
    assert "local in place of quick" in log


def test_names_that_cannot_be_used_are_refused_aloud(service: Service) -> None:
    """One that nobody knows, and one that shares its place with nobody."""
    with pytest.raises(UnknownModelError, match="there are: local, coder, quick, slow"):
        use(service, "nobody")
    with pytest.raises(RequestError, match="shares no place"):
        use(service, "opus")


def test_a_model_that_cannot_be_loaded_gives_the_place_back(service: Service) -> None:
    """Its server dies at the start: the old one is loaded again, and that is what is said."""
    use(service, "local")
    with pytest.raises(TierUnavailableError, match=r"could not be loaded.*local is loaded again"):
        use(service, "broken")
    assert tier_of(service, "local") == "local"
    assert states(service)["broken"] == "standby"
    assert "could not be loaded" in service.tier("broken")["because"]


def test_a_jobs_model_is_fetched_for_its_run_and_goes_with_it(service: Service) -> None:
    """Its idle time is an hour: it is the end of the run that brings the one at home back."""
    use(service, "local")
    eventually(lambda: service.status()["worker"]["state"] == "ready", what="worker ready")
    service.command("job", "run", "report")
    assert (service.folder / "outbox" / "report.txt").read_text(encoding="utf-8").strip()
    eventually(lambda: states(service)["local"] == "ready", what="local is back")
    log = (service.paths.logs / "main.log").read_text(encoding="utf-8")
    assert "slow in place of local" in log
    assert "local in place of slow" in log


def test_a_model_is_tried_on_a_jobs_work_and_gives_its_place_back(service: Service) -> None:
    """Loaded for it, asked, and gone again; also a model that does not come up."""
    use(service, "local")
    eventually(lambda: service.status()["worker"]["state"] == "ready", what="worker ready")
    service.command("job", "run", "report")
    eventually(lambda: states(service)["local"] == "ready", what="local is back")
    wanted = ("--for", "report", "--last", "1", "--judge", "none", "--now", "--yes")
    told = service.command("models", "try", "coder", *wanted).stdout
    assert "report on coder: " in told
    assert "of 1 passed checks" in told
    eventually(lambda: states(service)["local"] == "ready", what="local is back")
    told = service.command("models", "try", "broken", *wanted, code=1).stdout
    assert "could not be loaded" in told
    assert tier_of(service, "local") == "local"
    log = (service.paths.logs / "main.log").read_text(encoding="utf-8")
    assert "coder in place of local" in log
