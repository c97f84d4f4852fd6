"""The source tree as the house tests see it: modules, their syntax trees, who imports whom."""

import ast
import functools
from pathlib import Path

import shared

ROOT = Path(shared.__file__).resolve().parents[1]
PACKAGES = ("core_ext", "shared", "procs", "bench")


@functools.cache
def modules():
    """Dotted name to file, for every Python and Cython module of the project."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix not in (".py", ".pyx"):
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = path
    return found


@functools.cache
def tree(name):
    """The syntax tree of a Python module."""
    return ast.parse(modules()[name].read_text("utf-8"))


def python_modules():
    """Names of the modules written in Python."""
    return [name for name, path in modules().items() if path.suffix == ".py"]


def _from_text(path):
    for line in path.read_text("utf-8").splitlines():
        words = line.split()
        if len(words) > 3 and words[0] == "from" and words[2] in ("import", "cimport"):
            yield words[1]
            for name in line.partition("import ")[2].replace("(", "").split(","):
                yield f"{words[1]}.{name.split()[0]}" if name.split() else words[1]


def _from_tree(name):
    package = name if modules()[name].stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@functools.cache
def imports(name):
    """Our own modules that a module imports, anywhere in it."""
    path = modules()[name]
    named = _from_tree(name) if path.suffix == ".py" else _from_text(path)
    return frozenset(found for found in named if found in modules())


def reachable(roots):
    """Every module of ours that the roots import, directly or not, with their packages."""
    seen = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += imports(name)
        parent = name.rpartition(".")[0]
        if parent in modules():
            waiting.append(parent)
    return seen


def is_pure_root(name):
    """Whether a module belongs to the pure part by its place (ARCHITECTURE: the import rule)."""
    return (
        (name.startswith("procs.") and name.endswith(".actor"))
        or name in ("procs.follower", "procs.turn", "procs.observe.views")
        or name in ("shared.units", "shared.ids", "shared.errors")
        or name.startswith(
            (
                "procs.localvenue.market",
                "procs.localvenue.matching",
                "shared.domain",
                "shared.messages",
            )
        )
    )


@functools.cache
def pure_part():
    """The pure modules and whatever Python modules of ours they import."""
    roots = [name for name in modules() if is_pure_root(name)]
    return sorted(
        name
        for name in reachable(roots)
        if modules()[name].suffix == ".py" and not name.startswith("core_ext")
    )
