"""Break all of them, and write down what was seen.

    python -m bench.faults [NAME...] [--short] [--write]

Names are `crowd storm leaving race kills hang lies slow`; `--short` shows in two minutes that all
of it works, `--write` puts the table into `docs/reliability.md`: all of it, or the rows of what is
named.
"""

from __future__ import annotations

import sys

from bench.faults.every import main

if __name__ == "__main__":
    main(sys.argv[1:])
