"""The text of a custom tool's call, taken out of the JSON around it while that still comes.

Models of other dialects call such a tool as a function of one string, `{"input": "..."}`. A patch
of a thousand lines takes minutes; a client that heard nothing of it would give up.
"""

from __future__ import annotations

import json
import re

from twotier.protocols.freeform import unwrapped

_HEAD = re.compile(r'\s*\{\s*"input"\s*:\s*"')
# Whole characters and whole escapes; a high surrogate waits for its other half. What begins like an
# escape and is none (a path of Windows, written by a small model) is taken as it stands.
_WHOLE = re.compile(
    r"""(?:[^"\\]
        |\\["\\/bfnrt]
        |\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}
        |\\u[dD][89abAB][0-9a-fA-F]{2}(?=[^\\]|\\(?:[^u]|u(?:[^dD]|[dD][^c-fC-F])))
        |\\u(?![dD][89abAB])[0-9a-fA-F]{4}
        |\\(?=[^"\\/bfnrtu]|u[0-9a-fA-F]{0,3}[^0-9a-fA-F])
        )*""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"""\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})?""")


class FreeformText:
    """Feed it the pieces of the arguments; each gives the text that it completes."""

    def __init__(self) -> None:
        self._arguments: list[str] = []
        self._held = ""
        self._text: list[str] = []
        self._inside = False

    def feed(self, piece: str) -> str:
        """More of the text, empty if none is sure yet."""
        self._arguments.append(piece)
        self._held += piece
        if not self._inside:
            head = _HEAD.match(self._held)
            if head is None:
                return ""
            self._inside = True
            self._held = self._held[head.end() :]
        whole = _WHOLE.match(self._held)
        assert whole is not None  # noqa: S101 - it matches the empty string
        self._held = self._held[whole.end() :]
        text = _said(whole[0])
        self._text.append(text)
        return text

    @property
    def text(self) -> str:
        """All of it. Arguments of any other form are the text themselves."""
        return "".join(self._text) if self._inside else unwrapped("".join(self._arguments))


def freeform_text(arguments: str) -> str:
    """The text in arguments that are there as a whole."""
    whole = FreeformText()
    whole.feed(arguments)
    return whole.text


def _said(escaped: str) -> str:
    """A piece of a JSON string. Line breaks in it stay, though JSON has none: small models write
    them so. Half a pair of surrogates is no character.
    """
    valid = _ESCAPE.sub(lambda found: "\\\\" if found[0] == "\\" else found[0], escaped)
    text: str = json.loads(f'"{valid}"', strict=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
