"""What can be asked of approvals: by the command line as JSON, and by a browser with a signed link.

    GET  /approvals                    those that wait; ?run=RUN for all of one run, ?answered=N
                                       for the last N that were answered or ran out
    POST /approvals/{id}  {"verdict": "yes" | "no"}, and if wanted "arguments_sha256": what was seen
                                       by whoever decides, and "by": "dashboard"
    GET  /approve?id=&until=&token=    the page: the exact call, and two buttons
    POST /approve         the buttons

A GET never decides, so that a program that follows links in messages does no harm. A button
carries the signature of its own word, which stands in the page alone: another site cannot make it.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from twotier.domain.clock import Clock
from twotier.domain.money import MICROUSD_PER_USD
from twotier.errors import NOT_READABLE, RequestError, TwotierError
from twotier.jobs.api import number
from twotier.jobs.approvals import Approval, ApprovalStore
from twotier.jobs.links import SEE, Links
from twotier.jobs.store import instant, ms

SCHEMA_VERSION = 1
BODY_BYTES_MAX = 4_096
ANSWERED_MAX = 200
BY_COMMAND, BY_LINK, BY_PAGE = "command line", "link", "dashboard"
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:16px/1.5 system-ui;max-width:42rem;margin:2rem auto;padding:0 1rem}}
pre{{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid;padding:.5rem}}
button{{font:inherit;padding:.4rem 1.6rem;margin-right:1rem}}form{{display:inline}}</style>
<h1>{title}</h1>{body}</html>"""
BUTTON = """<form method="post" action="/approve"><input type="hidden" name="id" value="{id}">
<input type="hidden" name="until" value="{until}"><input type="hidden" name="token" value="{token}">
<button name="verdict" value="{word}">{says}</button></form>"""


@dataclass(frozen=True, slots=True)
class ApproveApi:
    """The routes. `look` tells the scheduler that a run need not wait any more."""

    approvals: ApprovalStore
    links: Links
    clock: Clock
    look: Callable[[], None] = lambda: None

    def routes(self) -> list[Route]:
        """To be put beside those of the worker's other parts."""
        return [
            Route("/approvals", self.listed),
            Route("/approvals/{id}", self.decide, methods=["POST"]),
            Route("/approve", self.page),
            Route("/approve", self.pressed, methods=["POST"]),
        ]

    async def listed(self, request: Request) -> JSONResponse:
        """Those that wait, all of a run, or those that are answered."""
        run = request.query_params.get("run", "")
        answered = int(number(request, "answered", default=0, most=ANSWERED_MAX))
        if answered:
            found = await self.approvals.answered(answered)
        else:
            found = await (self.approvals.of_run(run) if run else self.approvals.open())
        told = {"schema_version": SCHEMA_VERSION, "approvals": [one.json for one in found]}
        return JSONResponse(told)

    async def decide(self, request: Request) -> JSONResponse:
        """The word of the command line or of a page: the private socket is its signature."""
        try:
            body = json.loads(await request.body() or b"{}")
            verdict, seen = str(body["verdict"]), str(body.get("arguments_sha256", ""))
            by = BY_PAGE if body.get("by") == BY_PAGE else BY_COMMAND
        except (*NOT_READABLE, KeyError, TypeError, AttributeError) as exc:
            raise RequestError('send {"verdict": "yes"} or "no"') from exc
        approval = request.path_params["id"]
        found = await self.approvals.decide(approval, verdict, by=by, seen=seen)
        self.look()
        return JSONResponse({"schema_version": SCHEMA_VERSION, "approval": found.json})

    async def page(self, request: Request) -> Response:
        """What waits, in full. It decides nothing."""
        try:
            self._check(request.query_params, SEE)
            approval = await self.approvals.one(request.query_params["id"])
        except TwotierError as exc:
            return page("No", f"<p>{html.escape(exc.message)}</p>", status=exc.status)
        return page(f"{approval.job}: {approval.tool}?", self._shown(approval))

    async def pressed(self, request: Request) -> Response:
        """A button: its word, signed."""
        raw = await request.body()
        fields = dict(parse_qsl(raw[:BODY_BYTES_MAX].decode("utf-8", "replace")))
        verdict = fields.get("verdict", "")
        try:
            if len(raw) > BODY_BYTES_MAX or verdict not in ("yes", "no"):
                raise RequestError("this form is not one of ours")
            self._check(fields, verdict)
            done = await self.approvals.decide(fields["id"], verdict, by=BY_LINK)
            self.look()
        except TwotierError as exc:
            return page("Not done", f"<p>{html.escape(exc.message)}</p>", status=exc.status)
        word = "Approved" if done.verdict == "yes" else "Declined"
        return page(word, f"<p>{html.escape(done.tool)} of {html.escape(done.run)}</p>")

    def _check(self, fields: Mapping[str, str], word: str) -> None:
        self.links.check(
            fields.get("id", ""),
            word,
            until=fields.get("until", ""),
            token=fields.get("token", ""),
            now_ms=ms(self.clock.now()),
        )

    def _shown(self, approval: Approval) -> str:
        call = json.dumps(json.loads(approval.arguments), indent=2, ensure_ascii=False)
        facts = {
            "Run": approval.run,
            "Why": approval.because,
            "Source": approval.source,
            "Labels": approval.labels,
            "Price": f"${approval.price_microusd / MICROUSD_PER_USD:.4f}",
            "Until": f"{instant(approval.expires_ms):%Y-%m-%d %H:%M} UTC, then it is a no",
            "SHA-256": approval.sha256,
        }
        lines = "".join(
            f"<p><b>{name}:</b> {html.escape(text)}</p>" for name, text in facts.items()
        )
        body = f"<pre>{html.escape(approval.tool)} {html.escape(call)}</pre>{lines}"
        if approval.verdict:
            return f"{body}<p>Answered: {html.escape(approval.verdict)}</p>"
        return body + self._button(approval, "yes") + self._button(approval, "no")

    def _button(self, approval: Approval, word: str) -> str:
        until = approval.expires_ms
        token = self.links.token(approval.id, word, expires_ms=until)
        values = {
            "id": approval.id,
            "until": until,
            "token": token,
            "word": word,
            "says": word.title(),
        }
        return BUTTON.format(**{name: html.escape(str(value)) for name, value in values.items()})


def page(title: str, body: str, *, status: int = 200) -> HTMLResponse:
    """A page of ours: nothing is loaded, nothing runs, nobody frames it, nothing is kept."""
    text = PAGE.format(title=html.escape(title), body=body)
    return HTMLResponse(text, status_code=status, headers=HEADERS)
