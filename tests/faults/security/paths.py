"""Every path that anything of ours answers, found by walking the real tables."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.faults.security.house import House
from twotier.dashboard.pages import PAGES
from twotier.dashboard.static import files
from twotier.gateway.plain import description

SOURCE = Path(__file__).resolve().parents[3] / "src" / "twotier"
HOLE = re.compile(r"\{[^{}]+\}")
DRAFTS = "/control/jobs/drafts"
Way = tuple[str, str]  # method, path; a part left open stands in braces


def of_clients(home: House) -> list[Way]:
    """The gateway's own table, as it tells it itself, with the posts to jobs; where it answers GET
    it answers HEAD.
    """
    heard = home.ask("GET", "/nowhere", headers={"x-api-key": home.key})
    known = json.loads(heard.text)["error"]["message"].partition("there are: ")[2]
    found: list[Way] = []
    for one in known.split(", "):
        method, _, path = one.partition(" ")
        found.append((method, path))
    found += [("HEAD", path) for method, path in found if method == "GET"]
    return [*found, ("POST", "/hooks/{job}")]


def described() -> set[Way]:
    """The same as the OpenAPI document has them."""
    paths = json.loads(description())["paths"]
    return {(method.upper(), path) for path, item in paths.items() for method in item}


def of_pages() -> list[Way]:
    """The dashboard's pages and streams: what is looked at."""
    shown = [f"/ui/{page.path}" for page in PAGES]
    live = [f"/ui/live/{page.path}" for page in PAGES if page.live]
    return [("GET", path) for path in (*shown, *live)]


def of_orders() -> list[Way]:
    """What can be done on them."""
    verbs = [
        f"/ui/{page.path}".rstrip("/") + f"/{verb}"
        for page in PAGES
        for verb in (*page.actions, *page.streams)
    ]
    return [("POST", path) for path in (*verbs, "/ui/theme", "/ui/logout")]


def of_door() -> list[Way]:
    """What everybody sees of the dashboard."""
    static = [("GET", f"/ui/static/{name}") for name in files()]
    return [("GET", "/"), ("GET", "/ui"), ("GET", "/ui/login"), ("POST", "/ui/login"), *static]


def of_sockets() -> list[Way]:
    """The control paths and the worker's: on private sockets, and nowhere else."""
    return sorted(set(of_control()) | set(of_worker()))


def of_control() -> Iterator[Way]:
    """Main's."""
    folders = (SOURCE / "gateway", SOURCE / "build")
    yield from (way for way in routes(*folders) if way[1].startswith("/control/"))


def of_worker() -> Iterator[Way]:
    """The worker's."""
    yield from routes(SOURCE / "jobs", SOURCE / "build" / "first_look.py")


def routes(*places: Path) -> Iterator[Way]:
    """Every `Route(...)` that is written there."""
    for place in places:
        for file in [place] if place.is_file() else sorted(place.glob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "Route":
                    methods = [word.value for word in node.keywords if word.arg == "methods"]
                    method = ast.literal_eval(methods[0])[0] if methods else "GET"
                    yield method, written(node.args[0])


def written(path: ast.expr) -> str:
    """The path of a route, with what its module calls by a name."""
    match path:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id="drafts"):
            return DRAFTS
        case ast.JoinedStr(values=values):
            return "".join(written(value) for value in values)
        case ast.FormattedValue(value=value):
            return written(value)
    raise AssertionError(f"this test cannot read the path {ast.unparse(path)}")


def filled(path: str, value: str = "x") -> str:
    """A path with something in each of its open parts."""
    return HOLE.sub(lambda _: value, path)
