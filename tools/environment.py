"""Builds `.venv` from the hashed locks; does nothing when it is already right.

`base` is what the program runs on, `dev` adds what checks and tests it. Every package is a wheel
whose hash stands in `locks/`; the project itself is installed in place by the build backend of
`locks/build.txt`, so nothing unchecked is ever fetched. A stamp in `.venv` names what it was built
from: a second start costs one small Python process. Standard library only.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = {
    "base": ("locks/base.txt", "locks/build.txt"),
    "dev": ("locks/base.txt", "locks/build.txt", "locks/dev.txt"),
}
SHOW_EVERY = 10  # packages, where no terminal shows a moving line


def project() -> dict[str, object]:
    """The parts of pyproject that an installed project depends on."""
    read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {"build-system": read["build-system"], "project": read["project"]}


def stamp_of(kind: str) -> Path:
    """The file that says `.venv` was built from exactly these locks and this project."""
    digest = hashlib.sha256(repr(project()).encode())
    for lock in LOCKS[kind]:
        digest.update((ROOT / lock).read_bytes())
    return VENV / f".stamp-{kind}-{digest.hexdigest()[:16]}"


def say(text: str) -> None:
    """Talk goes to stderr, at once."""
    print(text, file=sys.stderr, flush=True)


def stop(text: str) -> None:
    """End with a sentence that says what to do."""
    say(text)
    raise SystemExit(1)


def make_venv() -> None:
    """An empty environment; an unusable one (its Python is gone) is made anew."""
    works = PYTHON.exists() and subprocess.run([PYTHON, "-c", ""], check=False).returncode == 0
    if works:
        return
    version = ".".join(map(str, sys.version_info[:3]))
    say(f"making .venv with Python {version}")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", VENV], check=False, capture_output=True, text=True
    )
    if made.returncode:
        stop(f"{made.stdout}{made.stderr}\nno environment: on Debian, apt-get install python3-venv")


def install(locks: tuple[str, ...]) -> None:
    """Everything in the locks, wheels only, every hash checked."""
    wanted = [argument for lock in locks for argument in ("-r", str(ROOT / lock))]
    # The locks are whole. Left to itself, pip 23 resolves an extra (`coverage[toml]`) to a release
    # that is newer than the pin, and then misses its hash.
    flags = ["--require-hashes", "--no-deps", "--only-binary", ":all:", *wanted]
    uv = shutil.which("uv")
    if uv and went_well([uv, "pip", "install", "--python", str(PYTHON), *flags]):
        return
    if uv:
        say("uv could not do it (it does not read pip's settings); now with pip")
    pip(flags, packages=len(names_in(locks)))


def went_well(command: list[str]) -> bool:
    """True if it went well; what it says goes to the terminal."""
    return subprocess.run(command, check=False).returncode == 0


def names_in(locks: tuple[str, ...]) -> set[str]:
    """The packages pinned in these locks."""
    text = "\n".join((ROOT / lock).read_text(encoding="utf-8") for lock in locks)
    return set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", text, re.MULTILINE))


def pip(arguments: list[str], *, packages: int) -> None:
    """Run pip install; its hundred lines become one that moves, or all of them when it fails."""
    command = [str(PYTHON), "-m", "pip", "install", "--no-input", "--no-compile", *arguments]
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        lines.extend(progress(child, packages))
    if child.returncode:
        stop("".join(lines) + "\npip could not do it, see above; is a package index reachable?")


def progress(child: subprocess.Popen[str], packages: int) -> Iterator[str]:
    """Pass the lines on, and show how many packages were looked at."""
    live, seen = sys.stderr.isatty(), 0
    for line in child.stdout or ():
        yield line
        if not line.startswith(("Collecting ", "Requirement already", "Installing collected")):
            continue
        seen += 1
        if live:
            sys.stderr.write(f"\r\x1b[K  {min(seen, packages)}/{packages} {line.split()[1]}")
            sys.stderr.flush()
        elif seen % SHOW_EVERY == 0:
            say(f"  {min(seen, packages)}/{packages} packages")
    if live:
        sys.stderr.write("\r\x1b[K")


def build(kind: str) -> None:
    """Bring `.venv` to what the locks say, then stamp it."""
    stamp = stamp_of(kind)
    if stamp.exists() and PYTHON.exists():
        return
    began = time.monotonic()
    make_venv()
    locks = LOCKS[kind]
    say(f"installing {len(names_in(locks))} packages, each checked against its hash")
    install(locks)
    pip(["--no-build-isolation", "--no-deps", "--no-index", "-e", str(ROOT)], packages=1)
    for done in ("base", kind):  # what tests the program can also run it
        for old in VENV.glob(f".stamp-{done}-*"):
            old.unlink()
        stamp_of(done).touch()
    say(f"ready in {time.monotonic() - began:.0f} s")


def build_requirements() -> None:
    """Print what the build backend needs, for `make lock`."""
    read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    print("\n".join(read["build-system"]["requires"]))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build-requirements"]:
            build_requirements()
        case [("base" | "dev") as kind]:
            build(kind)
        case _:
            stop("usage: environment.py base|dev|build-requirements")
