"""The shape of the code: sizes, names, docstrings, and what no file may hold.

Each rule reads the whole program and lists every place that breaks it. Raise a ceiling only in a
commit of its own that says why.
"""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "twotier"
MODULES = sorted(SOURCE.rglob("*.py"))

MODULE_LINES_MAX = 500
MAIN_FLOW = ("app.py", "dispatch.py")
MAIN_FLOW_LINES_MAX = 150
FUNCTION_LINES_MAX = 60
NESTING_MAX = 3
ARGUMENTS_MAX = 6
POSITIONAL_MAX = 2
TALK_PERCENT_MIN, TALK_PERCENT_MAX = 5.0, 45.0
MIGRATIONS = "migrations"  # tables as they once were: long, flat, written once
SHELVES = {"utils", "util", "helpers", "helper", "manager", "data", "info", "common", "misc"}

# Signatures that somebody else calls by position: ASGI, the end of a `with`, aiohttp's resolver.
FOREIGN = {("scope", "receive", "send"), ("__exit__",), ("__aexit__",), ("redirect_request",)}
FOREIGN |= {("host", "port", "family")}
FOREIGN |= {("messages", "model_settings", "model_request_parameters")}
FOREIGN |= {("name", "tool_args", "_", "__")}

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = (
    *(ast.For, ast.AsyncFor, ast.While, ast.If, ast.Match),
    *(ast.With, ast.AsyncWith, ast.Try, ast.TryStar),
)


def place(path: Path, node: ast.AST | None = None) -> str:
    """`src/twotier/x.py:12` for a message."""
    line = getattr(node, "lineno", 1)
    return f"{path.relative_to(ROOT)}:{line}"


@functools.cache
def trees() -> list[tuple[Path, ast.Module]]:
    """Every module of the program, parsed once: that takes seconds."""
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in MODULES]


@functools.cache
def functions() -> list[tuple[Path, Function]]:
    """Every function and method of the program."""
    return [
        (path, node)
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
    ]


def depth(nodes: list[ast.stmt], level: int = 0) -> int:
    """How deep blocks stand in blocks; a function inside starts anew, `elif` stays level."""
    deepest = level
    for node in nodes:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            continue
        below = level + isinstance(node, BLOCKS)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ExceptHandler | ast.match_case):
                deepest = max(deepest, depth(child.body, below))
        for name in ("body", "orelse", "finalbody"):
            inside = getattr(node, name, [])
            if not isinstance(inside, list):
                continue
            other_arm = name == "orelse" and len(inside) == 1 and isinstance(inside[0], ast.If)
            deepest = max(deepest, depth(inside, level if other_arm else below))
    return deepest


def test_modules_are_short() -> None:
    """Nobody has to scroll for long: 500 lines a module, 150 for the two that tell the story."""
    long = [
        f"{place(path)} has {count} lines, at most {ceiling}"
        for path in MODULES
        for count in [len(path.read_text(encoding="utf-8").splitlines())]
        for ceiling in [
            MAIN_FLOW_LINES_MAX
            if path.parent == SOURCE and path.name in MAIN_FLOW
            else MODULE_LINES_MAX
        ]
        if count > ceiling
    ]
    assert not long, "\n".join(long)


def test_functions_are_short() -> None:
    """A function fits one screen, its docstring included."""
    long = [
        f"{place(path, node)} {node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"
        for path, node in functions()
        for lines in [(node.end_lineno or node.lineno) - node.lineno + 1]
        if lines > FUNCTION_LINES_MAX and MIGRATIONS not in path.parts
    ]
    assert not long, "\n".join(long)


def test_blocks_do_not_pile_up() -> None:
    """Three blocks in one another are the most anybody can hold in mind."""
    deep = [
        f"{place(path, node)} {node.name} nests {levels} deep, at most {NESTING_MAX}"
        for path, node in functions()
        for levels in [depth(node.body)]
        if levels > NESTING_MAX
    ]
    assert not deep, "\n".join(deep)


def test_arguments_are_few_and_named() -> None:
    """Six arguments, and from the third on the caller has to say their names."""
    broken = []
    for path, node in functions():
        by_place = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
        by_place = by_place[by_place[:1] in (["self"], ["cls"], ["mcs"]) :]
        if tuple(by_place) in FOREIGN or (node.name,) in FOREIGN:
            continue
        total = len(by_place) + len(node.args.kwonlyargs)
        if total > ARGUMENTS_MAX or len(by_place) > POSITIONAL_MAX:
            broken.append(
                f"{place(path, node)} {node.name}: {total} arguments, {len(by_place)} by place;"
                f" at most {ARGUMENTS_MAX} and {POSITIONAL_MAX}"
            )
    assert not broken, "\n".join(broken)


def test_everything_public_says_what_it_is() -> None:
    """Modules, classes, functions and methods without a leading underscore have a docstring."""
    silent = []
    for path, tree in trees():
        if not ast.get_docstring(tree):
            silent.append(place(path))
        for node in ast.walk(tree):
            bodies = node.body if isinstance(node, ast.Module | ast.ClassDef) else []
            silent += [
                f"{place(path, inner)} {inner.name}"
                for inner in bodies
                if isinstance(inner, (*FUNCTIONS, ast.ClassDef))
                and not inner.name.startswith("_")
                and not ast.get_docstring(inner)
            ]
    assert not silent, "\n".join(silent)


def test_modules_are_named_after_things() -> None:
    """A file called `utils` is a shelf: anything can stand there, so nothing can be found."""
    shelves = [place(path) for path in SOURCE.rglob("*") if path.stem in SHELVES]
    assert not shelves, "\n".join(shelves)


COMMENT = re.compile(r"^\s*#|  # ")


def talk_lines(text: list[str], tree: ast.Module) -> int:
    """Lines that are comments or docstrings, counted once each."""
    lines = {number for number, line in enumerate(text, 1) if COMMENT.search(line)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if ast.get_docstring(node, clean=False) and isinstance(first, ast.Expr):
                lines.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return len(lines)


def test_the_code_explains_itself_without_drowning() -> None:
    """Comments and docstrings are a share of the whole; each package's share is shown by -s."""
    shares: dict[str, list[int]] = {}
    for path, tree in trees():
        text = path.read_text(encoding="utf-8").splitlines()
        package = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        share = shares.setdefault(package, [0, 0])
        share[0] += talk_lines(text, tree)
        share[1] += len(text)
    for package, (talk, lines) in sorted(shares.items()):
        sys.stdout.write(f"{package:12} {100 * talk / max(lines, 1):4.0f} % of {lines} lines\n")
    talk, lines = (sum(column) for column in zip(*shares.values(), strict=True))
    assert TALK_PERCENT_MIN <= 100 * talk / lines <= TALK_PERCENT_MAX


SQL_CALLS = ("execute", "executemany", "executescript", "exec_driver_sql", "text")


def put_together(node: ast.expr) -> bool:
    """True for a formatted text. A PRAGMA is let through: SQLite takes no parameters there."""
    if isinstance(node, ast.JoinedStr):
        first = node.values[0]
        return not (isinstance(first, ast.Constant) and str(first.value).startswith("PRAGMA "))
    formats = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "format"
    return formats or isinstance(node, ast.BinOp)


def test_sql_is_never_put_together_from_strings() -> None:
    """A statement is text with parameters, or SQLAlchemy Core; a formatted one can be injected."""
    formatted = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in SQL_CALLS and put_together(node.args[0]):
                formatted.append(place(path, node))
    assert not formatted, "\n".join(formatted)


@functools.cache
def tracked() -> list[Path]:
    """Every file under version control that is text."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    paths = (ROOT / name for name in listed.split("\0") if name)
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:4096]]


# Written so that this file does not break its own rule.
NOWHERE = {
    "a machine's own path": r"(?<![\w.$}~])/(?:work|root|mnt|opt(?!/homebrew))/[\w.-]+",
    "a folder outside the project": r"(?<![\w/-])(?:\.\./)*shared/(?:facts|bench|DESIGN|STYLE)",
    "a package host": r"(?:pypi|pythonhosted)\.(?:org|io)|registry\.npmjs|index[-]url",
    "work left undone": r"\b(?:TO[D]O|FIX[M]E|XX[X]|HA[C]K)\b",
    "a key": r"sk-ant-(?:api|admin)\d\d-[\w-]{20,}|\bsk-(?:proj-)?[A-Za-z0-9]{32,}|gh[pousr]_\w{36}"
    r"|\bAKIA[A-Z0-9]{16}\b|xox[abp]-\d{8,}|-----BEGIN [A-Z ]*PRIVATE KEY",
}


def test_no_file_holds_what_belongs_nowhere() -> None:
    """No paths of one machine, no package hosts, no keys, nothing put off."""
    found = []
    for path in tracked():
        text = path.read_text(encoding="utf-8", errors="replace")
        for what, pattern in NOWHERE.items():
            for hit in re.finditer(pattern, text):
                line = text.count("\n", 0, hit.start()) + 1
                found.append(f"{path.relative_to(ROOT)}:{line} {what}: {hit.group(0)[:40]}")
    assert not found, "\n".join(found)


def test_nothing_runs_at_every_start_of_python() -> None:
    """A `.pth` file is code that runs unasked; the project has none."""
    assert not [path for path in tracked() if path.suffix == ".pth"]


def test_test_folders_are_packages() -> None:
    """Two test files may have one name only if their folders are packages."""
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    bare = [str(folder) for folder in folders if not (folder / "__init__.py").exists()]
    assert not bare, "\n".join(bare)


HEAVY = ("aiohttp", "alembic", "cyclopts", "pydantic", "rich", "sqlalchemy", "starlette", "uvicorn")


def test_the_command_line_loads_nothing_heavy() -> None:
    """`twotier status` is typed often: importing its module loads none of the large packages."""
    code = f"import sys, twotier.cli; print(*(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
