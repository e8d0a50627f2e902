"""Who may come in, and what an order must have: tried as an attacker would, on the real port."""

from __future__ import annotations

import http.client
import json
import stat
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.world import HOSTILE, WAIT_MS, Home
from tests.story.service import eventually

pytestmark = pytest.mark.slow
expect.set_options(timeout=WAIT_MS)
FORM = "application/x-www-form-urlencoded"


def ask(
    home: Home, method: str, path: str, *, form: dict[str, str] | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    """One plain request: status, headers, body. A header's `_` is its `-`."""
    host = home.address.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=30)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    body = None
    if form is not None:
        body, sent = urlencode(form), {"content-type": FORM, **sent}
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    told = {name.lower(): value for name, value in answer.getheaders()}
    text = answer.read().decode()
    connection.close()
    return answer.status, told, text


def log_in(home: Home) -> str:
    """The cookie of a fresh session."""
    form = {"code": str(home.told()["code"])}
    status, told, _ = ask(home, "POST", "/ui/login", form=form, origin=home.address)
    assert status == 303
    return told["set-cookie"].partition(";")[0]


def csrf_of(home: Home, cookie: str) -> str:
    """What stands in a page of that session."""
    _, _, page = ask(home, "GET", "/ui/", cookie=cookie)
    return page.partition('name="csrf" value="')[2].partition('"')[0]


def test_nobody_sees_a_page_without_a_session(home: Home) -> None:
    """No client's key opens one; the stream and the table of sums neither."""
    key = home.service.paths.client_key.read_text(encoding="ascii").strip()
    for path in ("/ui/", "/ui/decisions", "/ui/spend", "/ui/spend/tier.csv"):
        status, told, body = ask(home, "GET", path, authorization=f"Bearer {key}")
        assert (status, body) == (303, "")
        assert told["location"].startswith(("./login", "../login"))
    assert ask(home, "GET", "/ui/live/")[0] == 401
    assert ask(home, "POST", "/ui/login", form={"code": key}, origin=home.address)[0] == 401
    assert ask(home, "GET", "/control/status")[0] == 401, "control paths stay private"


def test_a_code_opens_one_session_once(home: Home) -> None:
    """However it is typed; the cookie is for the server alone, and its file holds digests."""
    code = str(home.told()["code"])
    typed = {"code": f" {code.lower().replace('-', ' ')} "}
    status, told, _ = ask(home, "POST", "/ui/login", form=typed, origin=home.address)
    assert (status, told["location"]) == (303, "./")
    cookie = told["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=" not in cookie, "the browser's own default is the folder, also behind a prefix"
    status, _, page = ask(home, "POST", "/ui/login", form=typed, origin=home.address)
    assert status == 401
    assert "was used already" in page
    file = home.service.paths.sessions
    value = told["set-cookie"].partition("=")[2].partition(";")[0]
    assert value not in file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secure = ask(home, "POST", "/ui/login", form=typed, origin=f"https://{home.address[7:]}")
    assert secure[0] == 401


def test_pages_of_others_order_nothing(home: Home) -> None:
    """A foreign Host or Origin, another port of this machine, no token, a GET: all refused."""
    cookie = log_in(home)
    csrf = csrf_of(home, cookie)
    right = {"csrf": csrf, "theme": "dark"}
    ours = home.address
    assert ask(home, "GET", "/ui/", host="evil.example")[0] == 403
    assert ask(home, "GET", "/ui/static/live.js", host="evil.example")[0] == 403
    refused: tuple[dict[str, str], ...] = (
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "null"},
        {"origin": ours, "sec_fetch_site": "same-site"},
        {"origin": ours, "sec_fetch_site": "cross-site"},
        {},
    )
    for headers in refused:
        status, told, _ = ask(home, "POST", "/ui/theme", form=right, cookie=cookie, **headers)
        assert status == 403, headers
        assert "set-cookie" not in told
    for wrong in ({"theme": "dark"}, {**right, "csrf": "x"}, {**right, "csrf": csrf_of(home, "")}):
        assert ask(home, "POST", "/ui/theme", form=wrong, cookie=cookie, origin=ours)[0] == 403
    text = json.dumps(right)
    plain = ask(home, "POST", "/ui/theme", cookie=cookie, origin=ours, content_type="text/plain")
    assert plain[0] == 400, text
    assert ask(home, "GET", "/ui/theme?theme=dark", cookie=cookie)[0] == 404
    assert ask(home, "GET", "/ui/logout", cookie=cookie)[0] == 404
    assert ask(home, "POST", "/ui/theme", form=right, cookie=cookie, origin=ours)[0] == 303


def test_who_logs_out_is_out(home: Home) -> None:
    """The old cookie opens nothing, and a second login ended the first session of its browser."""
    cookie = log_in(home)
    form = {"code": str(home.told()["code"])}
    _, told, _ = ask(home, "POST", "/ui/login", form=form, origin=home.address, cookie=cookie)
    second = told["set-cookie"].partition(";")[0]
    assert ask(home, "GET", "/ui/", cookie=cookie)[0] == 303
    order = {"csrf": csrf_of(home, second)}
    left = ask(home, "POST", "/ui/logout", form=order, origin=home.address, cookie=second)
    assert left[0] == 303
    assert ask(home, "GET", "/ui/", cookie=second)[0] == 303


def test_every_answer_is_guarded(home: Home) -> None:
    """No script of a page's own, nothing from elsewhere, in no frame, kept nowhere."""
    cookie = log_in(home)
    for path in ("/ui/", "/ui/login", "/ui/decisions", "/ui/nowhere", "/ui/static/live.js", "/"):
        _, told, body = ask(home, "GET", path, cookie=cookie)
        policy = told["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert told["x-content-type-options"] == "nosniff"
        assert told["referrer-policy"] == "same-origin"
        kept = told["cache-control"]
        assert kept == ("no-cache" if "static" in path else "no-store")
        assert "<script>" not in body
        assert " style=" not in body
        assert " onclick=" not in body
    assert ask(home, "GET", "/ui/static/../app.py", cookie=cookie)[0] == 404
    assert ask(home, "GET", "/ui/static/%2e%2e/app.py", cookie=cookie)[0] == 404


def test_a_login_leads_back_to_our_own_pages_alone(home: Home) -> None:
    """An address in `to` that leads elsewhere leads to the first page."""
    places = {
        "decisions?job=inbox": "decisions?job=inbox",
        "https://evil.example/": "./",
        "//evil.example": "./",
        "../../v1/models": "./",
        "javascript:alert(1)": "./",
        "spend:80//evil.example": "./",
    }
    for to, leads in places.items():
        form = {"code": str(home.told()["code"]), "to": to}
        _, told, _ = ask(home, "POST", "/ui/login", form=form, origin=home.address)
        assert told["location"] == leads


def test_the_command_opens_a_browser_and_no_argument_holds_the_code(home: Home) -> None:
    """A file for the owner alone leads there; `--print` says where to go instead."""
    folder = home.service.folder
    browser = folder / "browser"
    # One that has ended at once is taken for one that could not begin.
    script = f'#!/bin/sh\necho "$@" > {folder}/opened\nsleep 30\n'
    browser.write_text(script, encoding="utf-8")
    browser.chmod(0o755)
    home.service.env["BROWSER"] = f"{browser} %s &"
    try:
        said = home.service.command("dashboard")
    finally:
        del home.service.env["BROWSER"]
    assert "opened http://127.0.0.1" in said.stderr
    opened = eventually(lambda: (folder / "opened").read_text(encoding="utf-8").strip())
    assert opened == home.service.paths.state.as_uri() + "/dashboard.html"
    leads = home.service.paths.state / "dashboard.html"
    assert stat.S_IMODE(leads.stat().st_mode) == 0o600
    assert "/ui/login#" in leads.read_text(encoding="utf-8")
    printed = home.service.command("dashboard", "--print")
    code = printed.stdout.strip().partition("#")[2]
    assert code in printed.stderr
    told = json.loads(home.service.command("dashboard", "--json").stdout)
    assert told["link"].endswith(told["code"])
    assert ask(home, "POST", "/ui/login", form={"code": code}, origin=home.address)[0] == 303


def test_who_guesses_codes_is_told_to_wait_and_locks_nobody_out(home: Home) -> None:
    """After ten in a minute; a right one opens all the same, and who is in stays in."""
    cookie = log_in(home)
    seen = set()
    for _ in range(12):
        form = {"code": "AAAA-BBBB-CCCC-DDDD"}
        seen.add(ask(home, "POST", "/ui/login", form=form, origin=home.address)[0])
    assert seen <= {401, 429}
    assert 429 in seen
    assert ask(home, "GET", "/ui/", cookie=cookie)[0] == 200
    assert ask(home, "GET", "/ui/", cookie=log_in(home))[0] == 200


def test_the_link_leaves_no_trace_and_hostile_names_stay_text(home: Home, browser: Browser) -> None:
    """The code is in no address, no history and no log; what strangers wrote runs nowhere."""
    told = home.told()
    page = home.context(browser).new_page()
    page.goto(str(told["link"]))
    page.wait_for_url(home.at())
    assert page.evaluate("history.length") <= 3
    page.go_back()
    assert str(told["code"]) not in page.url
    page.goto(home.at(f"decisions?job={HOSTILE}"))
    expect(page.get_by_label("Job")).to_have_value(HOSTILE)
    page.goto(home.at("nowhere/<script>document.title='pwned'</script>"))
    assert page.title() == "404 · twotier"
    for log in home.service.paths.logs.iterdir():
        assert str(told["code"]) not in log.read_text(encoding="utf-8", errors="replace")
