"""Every module is reached by something that runs, says what it is for, and stays small."""

import ast
import re

import pytest
from house_tree import ROOT, modules, python_modules, reachable, tree

from procs.cli.bench import BENCHES

MAX_MODULE_LINES = 450
MAX_FUNCTION_LINES = 70

LONGER_FUNCTIONS: dict[str, int] = {}
"""A ratchet: longer functions, with the length that they may not exceed. Only shrink it."""

ENTRIES_BY_PLACE = (
    "bench.micro.",  # pytest-benchmark collects them
    "bench.peers.",  # scripts, started by hand
)


def is_verb(name):
    place, _, last = name.rpartition(".")
    return (
        place == "procs.cli"
        and not last.startswith("_")
        and any(isinstance(n, ast.FunctionDef) and n.name == "register" for n in tree(name).body)
    )


def started_by_make():
    return set(re.findall(r" -m ([a-z_.]+)", (ROOT / "Makefile").read_text()))


def entries():
    """Modules that are started, not imported."""
    return [
        name
        for name in python_modules()
        if name.endswith(".__main__")
        or name == "procs.cli.main"
        or is_verb(name)
        or name.startswith(ENTRIES_BY_PLACE)
        or name in {f"bench.{bench}" for bench in BENCHES}
        or name in started_by_make()
    ]


def test_every_module_is_reached_by_something_that_runs():
    reached = reachable(entries())
    orphans = sorted(
        name for name, path in modules().items() if name not in reached and path.stem != "__init__"
    )
    assert orphans == []


def test_there_are_entries():
    assert {"procs.__main__", "procs.cli.main", "procs.cli.config"} <= set(entries())
    assert "bench.publish" in started_by_make()


@pytest.mark.parametrize("name", python_modules())
def test_a_module_says_what_it_is_for(name):
    path = modules()[name]
    if path.stem == "__main__" or path.stat().st_size > 0:
        assert ast.get_docstring(tree(name)), f"{path.relative_to(ROOT)} has no docstring"


ROOMS = [*modules().values(), *sorted((ROOT / "core_ext").glob("*.pxd"))]
"""Modules and the headers whose inline functions are compiled into several of them."""


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_one_room(path):
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= MAX_MODULE_LINES


def long_functions():
    """`module:function` to length, of functions beyond the limit."""
    found = {}
    for name in python_modules():
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    found[f"{name}:{node.name}"] = length
    return found


def test_functions_do_not_grow():
    found = long_functions()
    grown = {
        place: length for place, length in found.items() if length > LONGER_FUNCTIONS.get(place, 0)
    }
    assert grown == {}
    slack = {
        place: length for place, length in LONGER_FUNCTIONS.items() if found.get(place, 0) < length
    }
    assert slack == {}, "shrink the ratchet to what is needed"
