"""Asking declared APIs: the secret goes out in a header and comes back nowhere."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web as serving

from tests.tools.benches import a_call, bench
from tests.tools.sites import Site, looped, site, text, to
from twotier.domain.label import Label
from twotier.errors import ToolError
from twotier.tools.api import make, without
from twotier.tools.base import Tool
from twotier.tools.settings import Api, Wanted

SECRET = 's3cret/"+ü'


def api(here: Site, *methods: str, path: str = "/api/") -> Tool:
    declared = Api(
        name="my-home",
        url=f"{here.url}{path}",
        methods=methods or ("GET",),
        headers={"Authorization": "Bearer {token}", "X-Plain": "yes"},
        secrets={"token": lambda: "s3cret-token"},
    )
    (tool,) = make(Wanted("api", ("home",)), bench(Path("/nowhere"), apis={"home": declared}))
    return tool


async def asked(tool: Tool, **arguments: Any) -> str:
    return (await tool.call(arguments, a_call())).text


@looped
async def test_an_api_is_asked_below_its_address_with_its_secret() -> None:
    """Path and query are the model's; headers are the owner's; the key of the call goes along."""
    async with site() as here:
        here.pages["/api/states/door 1"] = text('{"open": true}', kind="application/json")
        tool = api(here)
        said = await asked(tool, path="/states/door 1", query={"q": "a&b=c", "n": 2})
        assert said == '{"open": true}'
        assert here.paths() == ["/api/states/door%201?q=a%26b%3Dc&n=2"]
        headers = here.headers()
        assert headers["authorization"] == "Bearer s3cret-token"
        assert (headers["x-plain"], headers["idempotency-key"]) == ("yes", "r1:tool:1")
        assert "s3cret" not in repr(tool.spec) + repr(tool)


@looped
async def test_what_the_other_side_repeats_of_a_secret_is_taken_out() -> None:
    """A server that echoes what it was sent tells the model nothing."""

    async def echo(request: serving.Request) -> serving.StreamResponse:
        return serving.json_response(dict(request.headers), status=400)

    async with site() as here:
        here.pages["/api/echo"] = echo
        said = await asked(api(here), path="echo")
        assert said.startswith("status 400\n")
        assert "Bearer ***" in said
        assert "s3cret" not in said


def test_a_secret_is_taken_out_in_every_form_it_is_written_in() -> None:
    """As it is, in an address, in JSON; a short word is no secret."""
    for form in (SECRET, "s3cret%2F%22%2B%C3%BC", 's3cret/\\"+\\u00fc'):
        assert without(f"a {form} b", [SECRET, "a"]) == "a *** b"
    assert without(base64.b64encode(b"x").decode(), ["x"]) == "eA=="


@looped
@pytest.mark.parametrize(
    "path",
    [
        "../admin",
        "a/../../b",
        "./x",
        "http://evil.test/",
        "a?b=c",
        "a#b",
        "%2e%2e/x",
        "a\\b",
        "a\nb",
        "a/..;/b",
    ],
)
async def test_no_path_leads_out(path: str) -> None:
    """Up, elsewhere, or into the query: refused before anything is asked."""
    async with site() as here:
        with pytest.raises(ToolError):
            await asked(api(here), path=path)
        assert not here.asked


@looped
async def test_a_path_with_two_slashes_stays_below() -> None:
    """`//evil.test/x` is a path like any other."""
    async with site() as here:
        await asked(api(here), path="//evil.test/@x")
        assert here.paths() == ["/api/evil.test/@x"]


@looped
async def test_only_what_the_owner_allows_is_done() -> None:
    """A body is JSON; another method than those declared is refused."""
    async with site() as here:
        tool = api(here, "GET", "POST")
        await asked(tool, path="x", method="post", body={"on": True})
        assert (here.asked[0][0], here.asked[0][3]) == ("POST", b'{"on": true}')
        assert here.headers()["content-type"] == "application/json"
        with pytest.raises(ToolError, match="DELETE is not allowed here; GET, POST is"):
            await asked(tool, path="x", method="DELETE")
        assert tool.spec.parameters["properties"]["method"] == {"enum": ["GET", "POST"]}
        assert not tool.spec.repeatable


@looped
async def test_a_redirect_is_not_followed() -> None:
    """It leads away from what was declared, and the secret with it."""
    async with site() as here, site() as there:
        here.pages["/api/x"] = to(f"{there.url}/")
        with pytest.raises(ToolError, match="sends elsewhere"):
            await asked(api(here), path="x")
        assert not there.asked
        here.pages["/api/x"] = text(b"\0\1", kind="image/png")
        with pytest.raises(ToolError, match="image/png, which is no text"):
            await asked(api(here), path="x")
    with pytest.raises(ToolError, match="cannot be reached"):
        await asked(api(here), path="x")


@looped
async def test_a_missing_secret_fails_the_call_alone() -> None:
    """The tool is there, and says what is missing when it is used."""

    def missing() -> str:
        raise ToolError("a secret is missing; set it: `export X=...`")

    async with site() as here:
        declared = Api("home", here.url, secrets={"token": missing})
        (tool,) = make(Wanted("api", ("home",)), bench(Path("/nowhere"), apis={"home": declared}))
        with pytest.raises(ToolError, match="a secret is missing"):
            await asked(tool, path="x")
        assert not here.asked


@looped
async def test_a_get_reads_and_the_rest_sends_and_changes() -> None:
    """What it says is private and a stranger's; only a GET needs nobody's yes."""
    reads = {Label.PRIVATE, Label.UNTRUSTED}
    async with site() as here:
        assert api(here).spec.labels == reads
        both = api(here, "GET", "POST")
        assert both.needs({"path": "x"}) == reads
        assert both.needs({"path": "x", "method": "POST"}) == reads | {Label.SENDS, Label.CHANGES}
        only = api(here, "POST")
        assert both.spec.labels == only.needs({"path": "x"}) == reads | {Label.SENDS, Label.CHANGES}
        assert both.spec.name == "api_my_home"
