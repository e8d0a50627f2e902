"""The table of paths of the dashboard, and what is true of all of them.

A page needs a session; an order needs that session's token, our own Origin, and is a POST. Who has
none sees the door and the static files. Every answer carries the guard's headers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from itertools import count
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from twotier.dashboard import static
from twotier.dashboard.door import Door, theme_of
from twotier.dashboard.guard import check_csrf, check_origin, form_of, guarded
from twotier.dashboard.keep import Keep
from twotier.dashboard.live import Streams
from twotier.dashboard.page import Download, Page, Told, Visit
from twotier.dashboard.pages import PAGES
from twotier.dashboard.peer import MainLike, Peer, found
from twotier.dashboard.render import Place, blocks, place_of, whole
from twotier.dashboard.sessions import Session
from twotier.dashboard.shared import Answers, Shared, SharedMain
from twotier.domain.clock import Clock
from twotier.errors import AuthError, NotFoundError, QueueFullError, TwotierError

log = logging.getLogger("twotier.dashboard")
SEE_OTHER = 303
NAV = "nav"  # how many wait there changes on every page
Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """All pages. `door` knows who may look; `closing` is set when the process stops. `public_url`
    is where browsers elsewhere find us.
    """

    main: MainLike
    worker: Peer
    clock: Clock
    zone: tzinfo
    door: Door
    closing: asyncio.Event
    version: str
    public_url: str = ""
    pages: Sequence[Page] = PAGES
    streams: Streams = field(init=False)
    keep: Keep = field(init=False)
    answers: Answers = field(init=False)
    once: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "streams", Streams(self.closing))
        object.__setattr__(self, "keep", Keep(self.clock))
        object.__setattr__(self, "answers", Answers(self.clock))

    def app(self) -> Starlette:
        """As an ASGI application."""
        routes = [
            Route("/", self._answered(to_overview)),
            Route("/ui", self._answered(to_overview)),
            Route("/ui/static/{name:path}", self._answered(static.served)),
            Route("/ui/login", self._answered(self._door)),
            Route("/ui/login", self._answered(self._enter), methods=["POST"]),
            Route("/ui/logout", self._answered(self._leave), methods=["POST"]),
            Route("/ui/theme", self._answered(self._theme), methods=["POST"]),
        ]
        for page in self.pages:
            routes += self._routes(page)
        routes.append(Route("/ui/{rest:path}", self._answered(self._nowhere)))
        made = Starlette(routes=routes)
        made.router.redirect_slashes = False  # they would not know of a prefix in front of us
        return made

    def _routes(self, page: Page) -> list[Route]:
        async def shown(request: Request) -> Response:
            return await self._shown(page, request)

        async def live(request: Request) -> Response:
            return await self._live(page, request)

        async def acted(request: Request) -> Response:
            return await self._acted(page, request)

        below = f"/ui/{page.path}"
        routes = [Route(below, self._answered(shown))]
        if page.title:  # else it is a file
            routes.append(Route(f"/ui/live/{page.path}", self._answered(live)))
        if page.actions or page.streams:
            to = f"{below.rstrip('/')}/{{verb}}"
            routes.insert(0, Route(to, self._answered(acted), methods=["POST"]))
        return routes

    # One page.

    async def _shown(self, page: Page, request: Request) -> Response:
        session = self.door.session(request)
        if session is None:
            to = place_of(request.url.path)
            return RedirectResponse(self.door.way_in(to, request.url.query), SEE_OTHER)
        visit = self._visit(request)
        told = await page.told(visit)
        if isinstance(told, Download):
            headers = {"content-disposition": f'attachment; filename="{told.name}"'}
            return Response(told.body, media_type=told.media_type, headers=headers)
        notice, session.notice = session.notice, ""
        now = {**told, "notice": notice, "once": self.once.pop(session.digest, {})}
        frame = await self._frame(page, request, told=now, visit=visit)
        return HTMLResponse(whole(f"{page.name}.html", frame))

    async def _live(self, page: Page, request: Request) -> Response:
        if self.door.session(request) is None:
            raise AuthError("you are not logged in any more; load the page again")
        if self.streams.full:
            raise QueueFullError("too many pages are open; close some", retry_after_seconds=30.0)

        looks = count()

        async def parts() -> Mapping[str, str]:
            visit = replace(self._visit(request, live=True), first=next(looks) == 0)
            told = await page.told(visit) if page.live else {}
            assert not isinstance(told, Download)  # noqa: S101 - a file has no live parts
            frame = await self._frame(page, request, told=told, visit=visit)
            return {
                **blocks("base.html", (NAV,), told=frame),
                **blocks(f"{page.name}.html", page.live, told=frame),
            }

        stream = self.streams.changes(parts, stays=lambda: bool(self.door.session(request)))
        return StreamingResponse(stream, media_type="text/event-stream")

    async def _acted(self, page: Page, request: Request) -> Response:
        session, form = await self._order(request)
        verb = request.path_params["verb"]
        if verb in page.streams:
            lines = page.streams[verb](self._visit(request), form)
            return StreamingResponse(lines, media_type="application/x-ndjson")
        act = page.actions.get(verb)
        if act is None:
            raise NotFoundError("there is no such order")
        place = place_of(request.url.path)
        try:
            done = await act(self._visit(request), form)
            session.notice, to = done.text, done.to
            self.once[session.digest] = done.once
        except TwotierError as exc:
            session.notice, to = f"Not done: {exc.message}", ""
        back = place.here.rpartition("/")[0]
        return RedirectResponse(place.root + (to or back), SEE_OTHER)

    async def _order(self, request: Request) -> tuple[Session, dict[str, str]]:
        """Who orders, and what. Raises `ForbiddenError` and `AuthError`."""
        check_origin(request, self.public_url)
        session = self.door.session(request)
        if session is None:
            raise AuthError("you are not logged in any more; load the page again")
        form = await form_of(request)
        check_csrf(session, form)
        return session, form

    # The door.

    async def _door(self, request: Request) -> Response:
        if self.door.session(request) is not None:
            return RedirectResponse("./", SEE_OTHER)
        return self._login(request, because="", status=200)

    async def _enter(self, request: Request) -> Response:
        check_origin(request, self.public_url)
        form = await form_of(request)
        try:
            return self.door.enter(request, form)
        except TwotierError as exc:
            return self._login(request, because=exc.message, status=exc.status)

    async def _leave(self, request: Request) -> Response:
        await self._order(request)
        return self.door.leave(request)

    async def _theme(self, request: Request) -> Response:
        _, form = await self._order(request)
        return self.door.theme(form)

    def _login(self, request: Request, *, because: str, status: int) -> Response:
        told = {"because": because, "to": request.query_params.get("to", "")}
        return HTMLResponse(whole("login.html", self._bare(request) | told), status)

    async def _nowhere(self, request: Request) -> Response:
        raise NotFoundError(f"there is no page {request.url.path[:100]}")

    # What all have.

    def _visit(self, request: Request, *, live: bool = False) -> Visit:
        return Visit(
            SharedMain(self.main, "main", self.answers, live),
            Shared(self.worker, "worker", self.answers, live),
            self.clock,
            self.zone,
            self.keep,
            place={key: str(value) for key, value in request.path_params.items()},
            query=dict(request.query_params),
            live=live,
        )

    def _bare(self, request: Request, place: Place | None = None) -> dict[str, Any]:
        """What every template knows."""
        where = place or place_of(request.url.path)
        return {
            "root": where.root,
            "here": where.here,
            "theme": theme_of(request),
            "now": self.clock.now(),
            "zone": self.zone,
            "version": self.version,
        }

    async def _frame(
        self, page: Page, request: Request, *, told: Told, visit: Visit
    ) -> dict[str, Any]:
        """What the template of a page knows beside what the page tells."""
        session = self.door.session(request)
        path = request.url.path.removeprefix("/ui/live/").removeprefix("/ui/")
        place = place_of(f"/ui/{path}")
        query = f"?{request.url.query}" if request.url.query else ""
        return {
            **self._bare(request, place),
            "page": page,
            "nav": [(one, await self._waiting(one, visit)) for one in self.pages if one.nav],
            "csrf": session.csrf if session is not None else "",
            "live_at": f"{place.root}live/{place.here}{query}",
            "once": {},
            **told,
        }

    async def _waiting(self, page: Page, visit: Visit) -> int:
        if page.waiting is None:
            return 0
        return (await found(page.waiting(visit))).value or 0

    def _answered(self, answer: Answer) -> Answer:
        """The same, with the guard's headers, and errors as pages."""

        async def guarded_answer(request: Request) -> Response:
            try:
                return guarded(await answer(request))
            except TwotierError as exc:
                return guarded(self._error(request, exc.message, status=exc.status))
            except Exception:  # the top of a request: what is left is a defect, and must be seen
                log.exception("defect", extra={"path": request.url.path[:100]})
                text = "Something in twotier is broken; its log says more."
                return guarded(self._error(request, text, status=500))

        return guarded_answer

    def _error(self, request: Request, text: str, *, status: int) -> Response:
        told = {"text": text, "status": status, "inside": bool(self.door.session(request))}
        return HTMLResponse(whole("error.html", self._bare(request) | told), status)


async def to_overview(_: Request) -> Response:
    """The first page, from wherever we stand."""
    return RedirectResponse("ui/", SEE_OTHER)
