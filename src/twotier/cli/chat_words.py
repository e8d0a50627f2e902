"""The commands of `twotier chat`, with their words and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Yes = Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")]
New = Annotated[bool, Parameter(name="--new", negative="", help="Begin a new conversation.")]

chat = App(
    name="chat", help="Conversations that last: with the frontier tier unless set otherwise."
)


@chat.default
def say(
    text: str = "",
    /,
    *,
    new: New = False,
    into: Annotated[str, Parameter(name="--in")] = "",
    as_json: Json = False,
    config: Config,
) -> int:
    """Say something and wait for the answer; without a text, talk until an empty line.

    Parameters
    ----------
    text
        What to say.
    into
        The conversation to go on with, by its id; default: the latest one.
    """
    from twotier.cli.chat import said

    return said(config, text, new=new, into=into, as_json=as_json)


@chat.command(name="list")
def list_(*, as_json: Json = False, config: Config) -> int:
    """Every conversation, the latest first."""
    from twotier.cli.chat import listed

    return listed(config, as_json=as_json)


@chat.command
def show(name: str, /, *, as_json: Json = False, config: Config) -> int:
    """All that was said in one.

    Parameters
    ----------
    name
        Its id.
    """
    from twotier.cli.chat import shown

    return shown(config, name, as_json=as_json)


@chat.command
def forget(name: str, /, *, yes: Yes = False, as_json: Json = False, config: Config) -> int:
    """Delete all that was said in one; `twotier forget chat` deletes all conversations.

    Parameters
    ----------
    name
        Its id.
    """
    from twotier.cli.chat import forgotten

    return forgotten(config, name, yes=yes, as_json=as_json)
