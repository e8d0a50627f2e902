"""The floors of `make test`: every line and branch of the pure parts, 90 % of everything.

Reads coverage's JSON report. Silent when the floors hold, so that pytest has the last word.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PURE = (
    "src/twotier/domain/",
    "src/twotier/protocols/",
    "src/twotier/router/",
    "src/twotier/verify/",
    "src/twotier/ledger/cost.py",
    "src/twotier/ledger/budget.py",
    "src/twotier/ledger/charge.py",
    "src/twotier/ledger/prices.py",
    "src/twotier/ledger/seed.py",
    "src/twotier/ledger/crossings.py",
    "src/twotier/ledger/forecast.py",
    "src/twotier/supervisor/excuse.py",
    "src/twotier/ledger/spans.py",
    "src/twotier/ledger/kept.py",
    "src/twotier/replay.py",
    "src/twotier/supervisor/policy.py",
    "src/twotier/supervisor/nudge.py",
    "src/twotier/service/definition.py",
    "src/twotier/service/launchd.py",
    "src/twotier/service/installs.py",
    "src/twotier/service/mac.py",
    "src/twotier/service/plist_text.py",
    "src/twotier/service/program.py",
    "src/twotier/service/unit_text.py",
    "src/twotier/service/redact.py",
    "src/twotier/service/systemd.py",
    "src/twotier/supervisor/swap.py",
    "src/twotier/supervisor/pressure.py",
    "src/twotier/supervisor/words.py",
    "src/twotier/connect/block.py",
    "src/twotier/connect/edits.py",
    "src/twotier/connect/jsonc.py",
    "src/twotier/connect/login.py",
    "src/twotier/connect/toml_text.py",
    "src/twotier/config/json5.py",
    "src/twotier/config/openclaw/include.py",
    "src/twotier/config/openclaw/notes.py",
    "src/twotier/config/openclaw/plan.py",
    "src/twotier/config/openclaw/polling.py",
    "src/twotier/config/openclaw/prices.py",
    "src/twotier/config/openclaw/records.py",
    "src/twotier/config/openclaw/references.py",
    "src/twotier/config/openclaw/report.py",
    "src/twotier/config/openclaw/settings.py",
    "src/twotier/config/openclaw/tiers.py",
    "src/twotier/config/openclaw/times.py",
    "src/twotier/config/openclaw/twins.py",
    "src/twotier/config/openclaw/variables.py",
    "src/twotier/config/openclaw/warned.py",
    "src/twotier/jobs/backoff.py",
    "src/twotier/jobs/compare.py",
    "src/twotier/jobs/effects.py",
    "src/twotier/jobs/folding.py",
    "src/twotier/jobs/judging.py",
    "src/twotier/jobs/proposal.py",
    "src/twotier/jobs/recorded.py",
    "src/twotier/jobs/suggesting.py",
    "src/twotier/jobs/overlap.py",
    "src/twotier/jobs/schedule.py",
    "src/twotier/jobs/schedule_words.py",
    "src/twotier/jobs/signature.py",
    "src/twotier/jobs/standing.py",
    "src/twotier/jobs/step_shown.py",
    "src/twotier/dashboard/run_words.py",
    "src/twotier/dashboard/timeline.py",
    "src/twotier/dashboard/visible.py",
    "src/twotier/agent/course.py",
    "src/twotier/agent/guard.py",
    "src/twotier/agent/said.py",
    "src/twotier/agent/talk.py",
    "src/twotier/agent/turn.py",
    "src/twotier/tools/mcp_text.py",
    "src/twotier/batch/settle.py",
    "src/twotier/alerts/conditions.py",
    "src/twotier/alerts/incidents.py",
    "src/twotier/alerts/quiet.py",
    "src/twotier/alerts/upstreams.py",
    "src/twotier/outside/bills.py",
    "src/twotier/outside/claude_code.py",
    "src/twotier/outside/compare.py",
    "src/twotier/outside/lines.py",
    "src/twotier/outside/matching.py",
    "src/twotier/outside/openclaw.py",
    "src/twotier/models/choice.py",
    "src/twotier/models/estimate.py",
    "src/twotier/models/gguf.py",
    "src/twotier/models/safetensors.py",
    "src/twotier/models/shape.py",
    "src/twotier/models/shape_config.py",
    "src/twotier/models/shape_gguf.py",
    "src/twotier/models/verdict.py",
    "src/twotier/matrix/depths.py",
    "src/twotier/matrix/filler.py",
    "src/twotier/matrix/heard.py",
    "src/twotier/matrix/rows.py",
    "src/twotier/matrix/tools.py",
    "src/twotier/tools/addresses.py",
    "src/twotier/tools/unpack.py",
    "src/twotier/watch/cut.py",
    "src/twotier/watch/github_wire.py",
    "src/twotier/watch/html_text.py",
    "src/twotier/watch/mail_text.py",
    "src/twotier/watch/seen.py",
    "src/twotier/watch/thresholds.py",
    "src/twotier/watch/visible.py",
    "src/twotier/watch/x_wire.py",
)
FLOOR_PERCENT = 90.0


def complaints(report: dict[str, Any]) -> list[str]:
    """One sentence for each floor that does not hold."""
    found = [
        f"{path} is pure and not covered: lines {summary['missing_lines']},"
        f" branches {summary['missing_branches']}"
        for path, summary in (
            (path, entry | {"missing_branches": entry.get("missing_branches", [])})
            for path, entry in sorted(report["files"].items())
        )
        if path.startswith(PURE) and (summary["missing_lines"] or summary["missing_branches"])
    ]
    percent = report["totals"]["percent_covered"]
    if percent < FLOOR_PERCENT:
        found.append(f"{percent:.1f} % of all is covered; the floor is {FLOOR_PERCENT:.0f} %")
    return found


if __name__ == "__main__":
    broken = complaints(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print("\n".join(broken), end="\n" if broken else "", file=sys.stderr)
    raise SystemExit(bool(broken))
