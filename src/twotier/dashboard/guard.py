"""What is true of every answer and every order: its headers, and where an order may come from.

A page of another program on this machine is of the same site as ours for a browser, whatever its
port, so a strict cookie alone does not keep its orders out. The Origin must be our own, and the
session's token must be in the form.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from twotier.dashboard.sessions import Session
from twotier.errors import ForbiddenError, RequestError, TooLargeError

FORM = "application/x-www-form-urlencoded"
FORM_BYTES_MAX = 256_000
FIELDS_MAX = 500
CSRF = "csrf"
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Not `no-referrer`: a browser then sends `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def guarded(response: Response) -> Response:
    """The answer with the headers of all answers; it is kept nowhere unless it says otherwise."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("cache-control", "no-store")
    return response


def check_origin(request: Request, public_url: str) -> None:
    """Only our own pages may order something. Raises `ForbiddenError`."""
    site = request.headers.get("sec-fetch-site", "")
    origin = request.headers.get("origin", "").lower()
    ours = {request.headers.get("host", "").lower(), urlsplit(public_url).netloc.lower()}
    known = urlsplit(origin).netloc in ours - {""} if origin else site == "same-origin"
    if not known or site not in ("", "same-origin"):
        raise ForbiddenError(
            "this did not come from a page of twotier's own; open the dashboard at the address that"
            " `twotier dashboard` prints"
        )


def check_csrf(session: Session, form: Mapping[str, str]) -> None:
    """The form must hold what only this session's pages hold. Raises `ForbiddenError`."""
    if not hmac.compare_digest(form.get(CSRF, "").encode(), session.csrf.encode()):
        raise ForbiddenError("this page is older than your login; load it again, then press once")


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; of one that is there twice the last. Raises `RequestError`."""
    if not request.headers.get("content-type", "").startswith(FORM):
        raise RequestError("send the form of the page")
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > FORM_BYTES_MAX:
                raise TooLargeError(f"the form is larger than {FORM_BYTES_MAX} bytes; shorten it")
    except ClientDisconnect as exc:
        raise RequestError("the form broke off") from exc
    try:
        text = body.decode("utf-8")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError as exc:
        raise RequestError("the form cannot be read; load the page again") from exc
