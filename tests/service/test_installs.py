"""Which command brings another version, and which brings the old one back."""

from __future__ import annotations

import json

import pytest

from twotier.service.installs import Install, install_of

EDITED = json.dumps({"url": "file:///home/ann/two%20tier", "dir_info": {"editable": True}})
FILE = json.dumps({"url": "file:///tmp/twotier-1-py3-none-any.whl", "archive_info": {}})
FOLDER = json.dumps({"url": "file:///tmp/twotier", "dir_info": {}})


@pytest.mark.parametrize(
    ("beside", "origin", "has_pip", "kind"),
    [
        ({"pyvenv.cfg"}, "", True, "pip"),
        ({"pyvenv.cfg"}, FILE, True, "pip"),
        ({"pyvenv.cfg"}, FOLDER, False, "uv"),
        ({"pyvenv.cfg", "pipx_metadata.json"}, "", True, "pipx"),
        ({"pyvenv.cfg", "uv-receipt.toml"}, "", False, "uv tool"),
        ({"pyvenv.cfg"}, EDITED, True, "checkout"),
    ],
)
def test_how_it_was_installed(beside: set[str], origin: str, *, has_pip: bool, kind: str) -> None:
    """By what its tool has left there."""
    found = install_of("/v/bin/python", beside=frozenset(beside), origin=origin, has_pip=has_pip)
    assert (found.kind, found.python) == (kind, "/v/bin/python")
    assert found.root == ("/home/ann/two tier" if kind == "checkout" else "")


@pytest.mark.parametrize(
    ("kind", "newest", "exact", "back"),
    [
        (
            "pip",
            "PY -m pip install --upgrade twotier",
            "PY -m pip install --upgrade twotier==2",
            "PY -m pip install -r F",
        ),
        (
            "uv",
            "uv pip install --python PY --upgrade twotier",
            "uv pip install --python PY --upgrade twotier==2",
            "uv pip install --python PY -r F",
        ),
        (
            "pipx",
            "pipx upgrade twotier",
            "pipx runpip twotier install twotier==2",
            "pipx runpip twotier install -r F",
        ),
        (
            "uv tool",
            "uv tool upgrade twotier",
            "uv pip install --python PY twotier==2",
            "uv pip install --python PY -r F",
        ),
        (
            "checkout",
            "git -C R pull --ff-only; make -C R base",
            "git -C R checkout 2; make -C R base",
            "git -C R checkout C; make -C R base",
        ),
    ],
)
def test_the_right_command_for_each(kind: str, newest: str, exact: str, back: str) -> None:
    """The newest, a certain one, and the one that was before."""
    here = Install(kind, "PY", "R" if kind == "checkout" else "")

    def said(commands: tuple[tuple[str, ...], ...]) -> str:
        return "; ".join(" ".join(one) for one in commands)

    assert said(here.upgrade()) == newest
    assert said(here.upgrade("2")) == exact
    assert said(here.back("F", commit="C")) == back
