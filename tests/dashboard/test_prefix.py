"""The pages and the API below a path of somebody else's web server, as nginx puts them there."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlencode

import aiohttp
import openai
import pytest
from aiohttp import web
from playwright.sync_api import Browser, expect

from tests.dashboard.world import WAIT_MS, Home, world
from tests.story.service import Service

pytestmark = pytest.mark.slow
expect.set_options(timeout=WAIT_MS)
PREFIX = "/home/two-tier"
# What a proxy does not hand on.
HOPS = ("transfer-encoding", "connection", "keep-alive", "host")


class Front:
    """A reverse proxy for one path. `keeps_host`: the gateway sees the browser's own Host, else its
    own, which is what nginx does unless it is told otherwise.
    """

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}{PREFIX}"
        self.upstream = ""
        self.keeps_host = False
        self.outside: list[str] = []  # what was asked for beside the path
        self._loop = asyncio.new_event_loop()

    @contextlib.contextmanager
    def running(self) -> Iterator[Front]:
        """In a thread of its own."""
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._stop = asyncio.Event()
        thread.start()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(60)
            self._loop.close()

    async def _serve(self) -> None:
        async with aiohttp.ClientSession(auto_decompress=False) as self._session:
            app = web.Application(client_max_size=10_000_000)
            app.router.add_route("*", "/{path:.*}", self._pass)
            runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
            await runner.setup()
            await web.SockSite(runner, self.socket).start()
            await self._stop.wait()
            await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        if not request.raw_path.startswith(f"{PREFIX}/"):
            self.outside.append(request.raw_path)
            return web.Response(status=418)
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in HOPS
        }
        if self.keeps_host:
            headers["host"] = request.headers["host"]
        async with self._session.request(
            request.method,
            self.upstream + request.raw_path.removeprefix(PREFIX),
            headers=headers,
            data=await request.read(),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as reply:
            told = web.StreamResponse(status=reply.status)
            for name, value in reply.headers.items():
                if name.lower() not in HOPS:
                    told.headers.add(name, value)
            await told.prepare(request)
            async for piece in reply.content.iter_any():
                await told.write(piece)
            return told


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    """The proxy, which knows where to hand things on once the service is there."""
    with Front().running() as front:
        yield front


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, front: Front) -> Iterator[Home]:
    """The service, which is told by `public_url` where people find it."""

    def behind(service: Service) -> None:
        text = service.config.read_text(encoding="utf-8")
        told = f'port = 0\npublic_url = "{front.url}"'
        service.config.write_text(text.replace("port = 0", told, 1), encoding="utf-8")

    with world(tmp_path_factory.mktemp("prefix"), before=behind, works=False) as home:
        front.upstream = home.address
        yield home


@pytest.mark.parametrize("keeps_host", [False, True])
def test_pages_live_below_a_path(
    home: Home, browser: Browser, front: Front, *, keeps_host: bool
) -> None:
    """The link of the command, the login, each page and file, an order, the live stream: no step
    leaves the path, and the session's cookie holds for no other path of that server.
    """
    front.keeps_host = keeps_host
    link = str(home.told()["link"])
    assert link.startswith(f"{front.url}/ui/login#")
    context = home.context(browser)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(link)
    page.wait_for_url(f"{front.url}/ui/")
    (session,) = context.cookies(front.url + "/ui/")
    assert session.get("path") == f"{PREFIX}/ui"
    expect(page.locator("#stream-word")).to_have_text("live")
    names = page.locator("nav a").all_inner_texts()
    assert len(names) == 8
    for name in names:
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.url.startswith(f"{front.url}/ui/")
        expect(page.locator("#stream-word")).to_have_text("live")
    page.goto(f"{front.url}/ui/jobs/broken/edit")
    page.get_by_role("button", name="Dark").click()
    page.wait_for_url(f"{front.url}/ui/jobs/broken/edit")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto(f"{front.url}/ui/jobs")
    page.get_by_role("button", name="Pause morning-brief").click()
    expect(page.get_by_role("status")).to_contain_text("morning-brief is paused")
    page.get_by_role("button", name="Resume morning-brief").click()
    expect(page.get_by_role("status")).to_contain_text("runs again")
    page.goto(f"{front.url}/")
    page.wait_for_url(f"{front.url}/ui/")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(re.compile(re.escape(f"{front.url}/ui/login")))
    page.goto(f"{front.url}/ui/spend?by=job")
    assert page.url.startswith(f"{front.url}/ui/login?to=spend")
    assert [one for one in front.outside if one != "/favicon.ico"] == []
    assert wrong == []


def test_clients_ask_below_a_path(home: Home, front: Front) -> None:
    """What `public_url` says is the address that a client is given; a stream comes as a stream."""
    key = home.service.paths.client_key.read_text(encoding="ascii").strip()
    client = openai.OpenAI(base_url=f"{front.url}/v1", api_key=key, max_retries=0)
    assert "local" in {one.id for one in client.models.list()}
    said = client.chat.completions.create(
        model="local", messages=[{"role": "user", "content": "say: hello"}], stream=True
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in said if chunk.choices)
    assert "hello" in text
    client.close()


def test_an_order_through_the_path_has_its_own_origin(home: Home, front: Front) -> None:
    """The proxy's origin is ours, another port of this machine is not."""
    host = front.url.removeprefix("http://").removesuffix(PREFIX)

    def login(origin: str) -> tuple[int, str]:
        form = urlencode({"code": str(home.told()["code"])})
        headers = {"origin": origin, "content-type": "application/x-www-form-urlencoded"}
        with contextlib.closing(http.client.HTTPConnection(host, timeout=30)) as connection:
            connection.request("POST", f"{PREFIX}/ui/login", form, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("location", "")

    front.keeps_host = False
    assert login(f"http://{host}") == (303, "./")
    assert login("http://127.0.0.1:1")[0] == 403
