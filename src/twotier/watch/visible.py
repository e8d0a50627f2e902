"""Text of strangers made plain: nothing in it that a reader cannot see. Pure.

Control characters, marks that turn the direction of writing, and halves of characters come in by
mail and in comments, by accident or to hide what a text says. They mean nothing to a model.
"""

from __future__ import annotations

import re
from typing import Any

# C0 but tab and line feed, DEL and C1; marks without width that hide or turn text; tags (which
# spell out ASCII that nobody sees); halves of surrogate pairs.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
NEW_LINE = re.compile("\r\n?|[\u2028\u2029]")
REASON_CHARACTERS_MAX = 200


def visible(text: str) -> str:
    """The text as a reader sees it, lines ended by a line feed."""
    return HIDDEN.sub("", NEW_LINE.sub("\n", text))


def reason(value: Any) -> str:
    """What another side says of itself, short and on one line; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    words = visible(value).split()
    return " ".join(words)[:REASON_CHARACTERS_MAX].strip()
