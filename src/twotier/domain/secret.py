"""Whether the name of a variable sounds like a secret: those are never written down."""

from __future__ import annotations

import re

# TOKENIZERS_PARALLELISM is on half of the machines that run models, and no secret.
_SECRET = re.compile(r"(?i)token(?!i[sz])|secret|passw|key|credential")


def sounds_secret(name: str) -> bool:
    """Rather once too often: a variable that is left out is named, and can be given elsewhere."""
    return _SECRET.search(name) is not None
