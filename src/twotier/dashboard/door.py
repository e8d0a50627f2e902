"""The way in and out: the cookie of a session, and the theme a person chose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twotier.dashboard.render import Place
from twotier.dashboard.sessions import DAY_SECONDS, SESSION_DAYS, Session, Sessions
from twotier.errors import RequestError

SEE_OTHER = 303
THEMES = ("system", "light", "dark")
THEME = "twotier_theme"
YEAR_SECONDS = 365 * int(DAY_SECONDS)
# Places of our own that a login may lead back to: no scheme, no host, nothing upwards.
OURS = re.compile(r"(?!.*(\.\.|//))[\w-][\w/.%-]*(\?[\w=&%.+-]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Door:
    """`name` is the cookie's: browsers do not tell the ports of a machine apart, so each twotier
    has its own.
    """

    sessions: Sessions
    name: str

    def session(self, request: Request) -> Session | None:
        """Who looks, None for nobody."""
        return self.sessions.of(request.cookies.get(self.name, ""))

    def way_in(self, to: Place, query: str) -> str:
        """From there to the login, which leads back."""
        back = quote(f"{to.here}?{query}" if query else to.here, safe="")
        return f"{to.root}login" + (f"?to={back}" if back else "")

    def enter(self, request: Request, form: Mapping[str, str]) -> Response:
        """A session for a code. Raises `AuthError` and `TooManyTriesError`."""
        before = request.cookies.get(self.name, "")
        peer = request.client.host if request.client else ""
        token = self.sessions.enter(form.get("code", ""), before=before, peer=peer)
        to = form.get("to", "")
        response = RedirectResponse(to if OURS.fullmatch(to) else "./", SEE_OTHER)
        # The browser's own default for the path is the folder of this request as *it* sees it: of
        # a prefix in front of us only the browser knows.
        response.set_cookie(
            self.name,
            token,
            max_age=int(SESSION_DAYS * DAY_SECONDS),
            path=None,
            secure=request.headers.get("origin", "").startswith("https://"),
            httponly=True,
            samesite="strict",
        )
        return response

    def leave(self, request: Request) -> Response:
        """No session any more."""
        self.sessions.leave(request.cookies.get(self.name, ""))
        response = RedirectResponse("login", SEE_OTHER)
        response.set_cookie(self.name, "", max_age=0, path=None, httponly=True, samesite="strict")
        return response

    def theme(self, form: Mapping[str, str]) -> Response:
        """Light, dark or as the system has it, for this browser."""
        chosen, back = form.get("theme", ""), form.get("to", "")
        if chosen not in THEMES:
            raise RequestError(f"there is no theme like that; there are: {', '.join(THEMES)}")
        response = RedirectResponse(back if OURS.fullmatch(back) else "./", SEE_OTHER)
        response.set_cookie(
            THEME, chosen, max_age=YEAR_SECONDS, path=None, httponly=True, samesite="strict"
        )
        return response


def theme_of(request: Request) -> str:
    """What this browser chose."""
    chosen = request.cookies.get(THEME, "")
    return chosen if chosen in THEMES else THEMES[0]
