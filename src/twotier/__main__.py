"""`python -m twotier` is `twotier`."""

from __future__ import annotations

import sys

from twotier.cli import main

if __name__ == "__main__":
    sys.exit(main())
