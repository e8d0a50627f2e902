"""The words of `twotier completion`."""

from __future__ import annotations


def completion(shell: str = "", /, *, install: bool = False) -> int:
    """What your shell needs to complete commands and flags with the Tab key.

    Parameters
    ----------
    shell
        bash, zsh or fish; default: yours.
    install
        Write it where that shell looks, in place of printing it. No settings of yours are changed.
    """
    from twotier.cli.completion import completion

    return completion(shell, install=install)
