"""The way to other machines, with real servers on loopback: what it refuses, and what it says."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web as serving

from tests.tools.sites import Site, drip, looped, packed, site, text, to
from tests.toys.mail import certificate
from twotier.errors import ReachError
from twotier.tools.page import Page, conditional
from twotier.tools.web import Fixed, Web, home_place, host_of, system_resolve

LOOPBACK = "127.0.0.1"


class Names:
    """A resolver with answers of our own, one after the other; it counts how often it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def home(*hosts: str, names: Names | None = None) -> Web:
    """A web whose owner allowed this machine, and these names."""
    resolve = names or Names([LOOPBACK])
    return Web(private_ok=frozenset({LOOPBACK, *hosts}), resolve=resolve)


def shop(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for shop.test, and a server's side of TLS with it."""
    if shutil.which("openssl") is None:
        pytest.skip("missing: openssl, to make a certificate")
    cert = certificate(folder, name="shop.test")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(cert, cert.with_name("key.pem"))
    return cert, server


REFUSED_URLS = [
    *("file:///etc/passwd", "ftp://example.org/", "gopher://127.0.0.1:70/", "data:text/html,x"),
    *("http://", "http:///etc", "//example.org", "example.org", "", "http:example.org"),
    *("http://127.0.0.1/", "http://localhost/", "http://LOCALHOST./", "http://[::1]/"),
    *("http://0.0.0.0/", "http://0/", "http://127.1/", "http://2130706433/", "http://0x7f000001/"),
    *("http://0177.0.0.1/", "http://127.0.0.1./", "http://[::]/", "http://[::ffff:127.0.0.1]/"),
    *("http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[fe80::1%25eth0]/"),
    *("http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://10.0.0.1/"),
    *("http://user@8.8.8.8/", "http://user:pw@8.8.8.8/", "http://8.8.8.8@127.0.0.1/"),
    *("http://8.8.8.8\\@127.0.0.1/", "http://127.0.0.1#@8.8.8.8/", "http://127.0.0.1?@8.8.8.8/"),
    *("http://8.8.8.8:80@127.0.0.1/", "http://127.0.0.1 @8.8.8.8/", "http://127.0.0.1\t/"),
    *("http://8.8.8.8\r\nHost: x/", "http://8.8.8.8:0/", "http://8.8.8.8:99999/", "http://[::1/"),
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://%31%32%37.0.0.1/",
    "http://rebound.test/",
    "http://half.test/",
    f"http://8.8.8.8/{'x' * 9_000}",
]


@pytest.mark.parametrize("url", REFUSED_URLS)
@looped
async def test_no_way_of_writing_it_gets_in(url: str) -> None:
    """Schemes, users, spellings of loopback and tricks of the parser: refused before a connection,
    with `forbidden`, because trying again cannot help.
    """
    names = Names(["8.8.8.8", LOOPBACK])
    with pytest.raises(ReachError) as caught:
        await Web(resolve=names).get(url, seconds=5)
    assert caught.value.forbidden
    assert caught.value.message


@looped
async def test_a_name_with_one_address_at_home_is_refused() -> None:
    """Every address must be public: the system would pick any of them."""
    with pytest.raises(ReachError, match=r"leads to 10\.0\.0\.1, a private network; only public"):
        await Web(resolve=Names(["8.8.8.8", "10.0.0.1"])).get("http://mixed.test/")


@looped
async def test_a_page_is_fetched_where_the_owner_said_so() -> None:
    """`private_ok` opens a host, or one port of it, and nothing beside it."""
    async with site() as here:
        page = await Web().get(f"{here.url}/a?b=c", private_ok=[f"127.0.0.1:{here.port}"])
        assert (page.status, page.text, page.url) == (200, "page /a", f"{here.url}/a?b=c")
        assert here.headers()["host"] == f"127.0.0.1:{here.port}"
        assert here.headers()["user-agent"].startswith("twotier/")
        with pytest.raises(ReachError, match=r"127\.0\.0\.1 is this machine"):
            await Web().get(here.url, private_ok=[f"127.0.0.1:{here.port + 1}"])


@looped
async def test_what_is_allowed_by_name_is_not_the_clouds_own_service() -> None:
    """A name the owner allowed may lead home, never to where a cloud keeps credentials."""
    names = Names(["169.254.169.254"])
    with pytest.raises(ReachError, match="link-local, where clouds keep credentials"):
        await home("nas.test", names=names).get("http://nas.test/")


@looped
async def test_a_name_is_resolved_once_and_connected_to_as_it_was() -> None:
    """Rebinding: the address looked at is the address connected to; the next hop is looked at anew,
    and a name that has moved meanwhile is refused.
    """
    names = Names([LOOPBACK], ["169.254.169.254"])
    async with site() as here:
        here.pages["/go"] = to("/next")
        web = home("pin.test", names=names)
        url = f"http://pin.test:{here.port}"
        with pytest.raises(ReachError, match="leads to 169"):
            await web.get(f"{url}/go")
        assert (names.asked, here.paths()) == (["pin.test"] * 2, ["/go"])
        assert here.headers()["host"] == f"pin.test:{here.port}"


@looped
async def test_what_was_not_looked_at_is_never_handed_out() -> None:
    """It asks for one host, and gets what was looked at; for any other it gets an error."""
    fixed = Fixed("a.test", ["8.8.8.8", "2606:4700::1"])
    found = await fixed.resolve("a.test", 80)
    assert [one["host"] for one in found] == ["8.8.8.8", "2606:4700::1"]
    with pytest.raises(ReachError):
        await fixed.resolve("b.test", 80)
    await fixed.close()


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost:{port}/secret",
        "//[::1]:{port}/secret",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "http://me:pw@open.test:{port}/x",
        "https://open.test:99999/",
        "http://bad host/",
        "http://[",
    ],
)
@looped
async def test_a_redirect_is_looked_at_like_an_address(target: str) -> None:
    """A page may say anything in Location: nothing but the first page is asked."""
    async with site() as here:
        here.pages["/"] = to(target.format(port=here.port))
        web = Web(private_ok=frozenset({"open.test"}), resolve=Names([LOOPBACK]))
        with pytest.raises(ReachError) as caught:
            await web.get(f"http://open.test:{here.port}/")
        assert caught.value.forbidden
        assert here.paths() == ["/"]


@looped
async def test_five_redirects_are_followed_and_no_sixth() -> None:
    """A circle ends; so does a long line."""
    async with site() as here:
        for number in range(9):
            here.pages[f"/{number}"] = to(f"/{number + 1}")
        assert (await home().get(f"{here.url}/4")).text == "page /9"
        with pytest.raises(ReachError, match="leads on and on; 5 is most"):
            await home().get(f"{here.url}/3")
        assert len(here.asked) == 6 + 6


@looped
async def test_only_listed_hosts_are_asked_in_the_end_too() -> None:
    """A page of a host that may be asked could send on what stands in its address."""
    async with site() as here:
        here.pages["/out"] = to(f"http://evil.test:{here.port}/?secret")
        web = home("docs.test", "evil.test").only(["docs.test"])
        assert (await web.get(f"http://docs.test:{here.port}/x")).status == 200
        for path in (f"http://docs.test:{here.port}/out", f"http://evil.test:{here.port}/"):
            with pytest.raises(ReachError, match=r"evil\.test is not one of the hosts"):
                await web.get(path)
        assert here.paths() == ["/x", "/out"]


@looped
async def test_without_redirects_the_redirect_is_the_answer() -> None:
    """For whoever asks a declared address, and nothing else."""
    async with site() as here:
        here.pages["/"] = to("/next")
        page = await replace(home(), redirects_max=0).get(here.url)
        assert (page.status, page.headers["location"], here.paths()) == (302, "/next", ["/"])


@looped
async def test_credentials_do_not_follow_to_another_origin() -> None:
    """Another port is another origin; back home they are not said again either."""
    secret = {"Authorization": "Bearer s", "X-Api-Key": "k", "Cookie": "c=1", "Accept": "text/x"}
    async with site() as here, site() as there:
        here.pages["/go"] = to(f"{there.url}/back")
        there.pages["/back"] = to(f"{here.url}/end")
        await home().get(f"{here.url}/go", headers=secret)
        assert here.headers(0)["authorization"] == "Bearer s"
        assert here.headers(0)["x-api-key"] == "k"
        for seen in (there.headers(0), here.headers(1)):
            assert seen.keys().isdisjoint({"authorization", "x-api-key", "cookie"})
            assert seen["accept"] == "text/x"


@looped
async def test_what_is_posted_goes_to_nobody_else() -> None:
    """303 becomes a GET; 307 keeps the body on its own origin, and is refused elsewhere."""
    async with site() as here, site() as there:
        here.pages |= {"/see": to("/done", 303), "/again": to("/done", 307)}
        here.pages["/away"] = to(f"{there.url}/x", 308)
        kind = {"content-type": "application/json", "authorization": "s"}
        await home().request(f"{here.url}/see", method="post", headers=kind, body=b"{}")
        assert here.asked[-1][0] == "GET"
        assert here.headers()["authorization"] == "s"
        assert "content-type" not in here.headers()
        await home().request(f"{here.url}/again", method="PUT", headers=kind, body=b"{}")
        assert (here.asked[-1][0], here.asked[-1][3]) == ("PUT", b"{}")
        with pytest.raises(ReachError, match="wants the data sent to"):
            await home().request(f"{here.url}/away", method="POST", body=b"secret")
        assert not there.asked


@looped
async def test_cookies_and_connections_are_not_kept() -> None:
    """Whoever was allowed a host leaves nothing behind for who was not."""
    peers: list[object] = []

    async def sets(request: serving.Request) -> serving.StreamResponse:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        return serving.Response(text="x", headers={"set-cookie": "a=b"})

    async with site() as here:
        here.pages["/"] = sets
        await home().get(here.url)
        await home().get(here.url)
        assert "cookie" not in here.headers()
        assert len(set(peers)) == 2


@looped
async def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A proxy would resolve by itself, and .netrc holds passwords: neither is used."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    async with site() as here, site() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        await home().get(here.url)
        assert not proxy.asked
        assert "authorization" not in here.headers()


@looped
async def test_sizes_have_limits_packed_and_unpacked() -> None:
    """A bomb, a long page, and a page that is just as long as it may be."""
    async with site() as here:
        here.pages |= {"/bomb": packed(bytes(5_000_000)), "/long": text(b"x" * 10_001)}
        here.pages |= {"/fits": packed(b"x" * 10_000)}
        page = await home().get(f"{here.url}/fits", bytes_max=10_000)
        assert (len(page.body), "content-encoding" in page.headers) == (10_000, False)
        with pytest.raises(ReachError, match="unpacks to more than is read"):
            await home().get(f"{here.url}/bomb", bytes_max=10_000)
        with pytest.raises(ReachError, match="sends more than 10,000 bytes"):
            await home().get(f"{here.url}/long", bytes_max=10_000)


@looped
async def test_only_what_we_can_unpack_is_asked_for() -> None:
    """What else there is (br, zstd) is not asked for, and refused where they come all the same."""
    async with site() as here:
        here.pages["/"] = text(b"\x0b\x02", content_encoding="br")
        with pytest.raises(ReachError, match="'br', which was not asked for"):
            await home().get(here.url, headers={"accept-encoding": "br"})
        assert here.headers()["accept-encoding"] == "gzip, deflate"


@looped
async def test_a_slow_drip_ends() -> None:
    """The limit is on the whole, not on the time between two bytes; the connection is closed."""
    async with site() as here:
        here.pages["/"] = drip(here)
        with pytest.raises(ReachError, match=r"did not answer within 0\.3 s"):
            await home().get(here.url, seconds=0.3)
        await asyncio.wait_for(here.left.wait(), 60)


@looped
async def test_a_certificate_is_asked_for_by_name(tmp_path: Path) -> None:
    """TLS is spoken with the name, not the address; an unknown certificate is an error."""
    cert, server = shop(tmp_path)
    asked: list[str | None] = []
    server.sni_callback = lambda _, name, __: asked.append(name)
    async with site(tls=server) as here:
        trusting = ssl.create_default_context(cafile=str(cert))
        web = replace(home("shop.test", "other.test"), tls=trusting)
        page = await web.get(f"https://shop.test:{here.port}/x")
        assert (page.text, asked) == ("page /x", ["shop.test"])
        assert here.headers()["host"] == f"shop.test:{here.port}"
        for broken, host in ((home("shop.test"), "shop.test"), (web, "other.test")):
            with pytest.raises(ReachError, match="no certificate that can be trusted"):
                await broken.get(f"https://{host}:{here.port}/x")


@looped
async def test_https_with_credentials_never_goes_down_to_http(tmp_path: Path) -> None:
    """The plain page is asked, as any other one, without what was said in secret."""
    cert, server = shop(tmp_path)
    async with site(tls=server) as safe, site() as plain:
        safe.pages["/"] = to(f"http://shop.test:{plain.port}/")
        web = replace(home("shop.test"), tls=ssl.create_default_context(cafile=str(cert)))
        await web.get(f"https://shop.test:{safe.port}/", headers={"authorization": "s"})
        assert "authorization" in safe.headers()
        assert "authorization" not in plain.headers()


@looped
async def test_nothing_there_is_said_without_the_path() -> None:
    """A closed port and a name that does not exist; the path may be a secret and is not named."""
    async with site() as gone:
        url = gone.url
    with pytest.raises(ReachError, match=r"127\.0\.0\.1 cannot be reached") as caught:
        await home().get(f"{url}/hook/s3cret")
    assert "s3cret" not in caught.value.message
    assert not caught.value.forbidden
    with pytest.raises(ReachError, match=r"there is no address for nothing\.invalid"):
        await Web().get("http://nothing.invalid/")
    with pytest.raises(ReachError, match="there is no address"):
        await Web(resolve=Names([])).get("http://nothing.invalid/")
    with pytest.raises(ReachError, match="cannot be reached"):
        await home().get("http://127.0.0.1:1/", headers={"x": "a\r\nb: c"})


@looped
async def test_the_system_is_asked_for_names() -> None:
    """`localhost` is in every hosts file."""
    assert set(await system_resolve("localhost", 80)) <= {"127.0.0.1", "::1"}


@looped
async def test_only_a_change_is_sent_again() -> None:
    """ETag and date of a page go back with the next question, and 304 is no error."""
    async with site() as here:
        here.pages["/"] = text("x", etag='"v1"', last_modified="Thu, 01 Jan 2026 00:00:00 GMT")
        page = (await home().get(here.url)).expect_ok()
        here.pages["/"] = text("", status=304)
        again = await home().get(here.url, headers=page.validators)
        assert again.expect_ok().is_unchanged
        assert here.headers()["if-none-match"] == '"v1"'
        assert here.headers()["if-modified-since"].startswith("Thu")
    assert conditional() == {}


@looped
async def test_an_error_status_is_an_error_for_who_wants_a_page() -> None:
    """With the status, and how long to wait where the other side says it in seconds."""
    async with site() as here:
        here.pages["/"] = text("busy", status=503, retry_after="120")
        page = await home().get(here.url)
        assert page.status == 503
        with pytest.raises(ReachError, match="answered with status 503") as caught:
            page.expect_ok()
        assert (caught.value.page_status, caught.value.retry_after_seconds) == (503, 120.0)
        assert not caught.value.forbidden
        here.pages["/"] = text("gone", status=404, retry_after="Thu, 01 Jan 2026")
        with pytest.raises(ReachError) as gone:
            (await home().get(here.url)).expect_ok()
        assert gone.value.retry_after_seconds is None


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ("Grüße".encode(), "text/html", "Grüße"),
        ("Grüße".encode("latin-1"), "text/html; charset=ISO-8859-1", "Grüße"),
        ('<meta charset="latin-1">ü'.encode("latin-1"), "text/html", '<meta charset="latin-1">ü'),
        ("\ufeffGrüße".encode(), "text/html; charset=latin-1", "Grüße"),
        ("Grüße".encode("utf-16"), "text/plain", "Grüße"),
        ("Grüße".encode(), "text/html; charset=hex", "Grüße"),
        ("Grüße".encode(), "text/html; charset=no-such", "Grüße"),
        (b"<?xml version='1.0' encoding='latin-1'?>\xfc", "", None),
        (b"\xff\xff!", "text/html", "\ufffd\ufffd!"),
    ],
)
def test_text_is_read_by_what_is_said_of_it(body: bytes, kind: str, says: str | None) -> None:
    """A mark, a header, the first lines, else UTF-8; damage is shown and never an error."""
    page = Page(200, {"content-type": kind}, body, "http://x/")
    assert page.text == (says if says is not None else body.decode("latin-1"))
    assert page.content_type == kind.partition(";")[0]


@looped
async def test_what_the_owner_wrote_is_meant_where_it_is_plainly_at_home() -> None:
    """An address of the configuration at home is open with its port; a public name is not, for it
    belongs to somebody who may point it at this machine.
    """
    assert home_place("http://NAS.local:8123/api") == "nas.local:8123"
    assert home_place("http://[0::1]/") == "[::1]:80"
    assert home_place("https://example.org/") == ""
    assert host_of("https://Example.ORG./x") == "example.org"
    async with site() as here:
        assert (await Web().owners(here.url).get(here.url)).status == 200
        public = f"http://feed.example:{here.port}/"
        with pytest.raises(ReachError, match="this machine"):
            await Web(resolve=Names([LOOPBACK])).owners(public).get(public)


def test_a_site_is_its_own(tmp_path: Path) -> None:
    """The toy keeps nothing from one test to the next."""
    assert Site().asked is not Site().asked
