"""A `uv` that makes an environment in no time: of links into one that is there.

Put on PATH under that name. `$TOY_UV_OF` is the real environment; where the file `$TOY_UV_BROKEN`
exists, the new one lacks its packages, as after an installation that went wrong.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """`uv venv ... FOLDER` and `uv pip install ...`."""
    if sys.argv[1] != "venv":
        return
    real, folder = Path(os.environ["TOY_UV_OF"]), Path(sys.argv[-1])
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to((real / "bin" / "python").resolve())
    (folder / "pyvenv.cfg").write_bytes((real / "pyvenv.cfg").read_bytes())
    if not Path(os.environ["TOY_UV_BROKEN"]).exists():
        (folder / "lib").symlink_to(real / "lib")


if __name__ == "__main__":
    main()
