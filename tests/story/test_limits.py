"""A job gets a limit of its own while the whole program runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.story.service import LOCAL_SERVER, Service

pytestmark = pytest.mark.slow

JOB = """
[[jobs]]
name = "brief"
every = "30d"
prompt = "Say yes."
"""


def limits(service: Service) -> dict[str, str]:
    """What main counts, by the names of the budgets."""
    told: list[dict[str, Any]] = service.main.get("/control/status")["budgets"]
    return {one["name"]: one["limit_usd"] for one in told}


def test_a_new_limit_is_in_force_before_the_job_is(tmp_path: Path) -> None:
    """Main takes it with the reload; a file that cannot be read leaves what is there."""
    tier = LOCAL_SERVER.format(base_url="http://127.0.0.1:9/v1")
    with Service(tmp_path, tier, JOB) as service:
        assert limits(service) == {}
        before = service.config.read_text(encoding="utf-8")
        service.config.write_text(before + "budget_usd = 0.5\n", encoding="utf-8")
        assert "1 jobs from now on" in service.command("job", "reload").stdout
        assert limits(service) == {"job brief": "0.500000"}
        service.config.write_text(before + "budget_usd = -1\n", encoding="utf-8")
        assert service.command("job", "reload", code=2).stdout == ""
        assert limits(service) == {"job brief": "0.500000"}
        service.config.write_text(before, encoding="utf-8")
        service.command("job", "reload")
        assert limits(service) == {}
