"""Who may import whom, and what no linter sees: clocks, chance and disks by other names."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from house_tree import ROOT, modules, pure_part, python_modules, tree

import core_ext
import procs
import shared

CLOCK_READS = {
    "time": {
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "process_time",
        "process_time_ns",
        "thread_time",
        "thread_time_ns",
        "clock_gettime",
        "clock_gettime_ns",
        "localtime",
        "gmtime",
    },
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}

MAY_READ_CLOCKS = {
    "shared.clock": "the one place",
}
"""Modules, or folders ending in a dot, with the reason why they read a clock themselves."""

MAY_READ_CLOCKS_BELOW = {
    "bench.": "measures durations with the finest clock; nothing there trades",
}

IMPURE_CALLS = {"open", "input", "print", "__import__", "exec", "eval"}


def test_the_packages_are_those_of_this_checkout():
    here = Path(__file__).resolve().parents[2]
    for package in (core_ext, shared, procs):
        assert Path(package.__file__).resolve().parents[1] == here


@pytest.mark.timeout(600)
def test_the_import_contracts_hold():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def _attribute_calls(name):
    """(line, last part of what is before the dot, attribute) of every attribute in a module."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Attribute):
            before = node.value
            base = (
                before.id
                if isinstance(before, ast.Name)
                else before.attr
                if isinstance(before, ast.Attribute)
                else ""
            )
            yield node.lineno, base, node.attr


def _imported_names(name):
    """(line, module, name) of every `from module import name` outside TYPE_CHECKING."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, node.module or "", alias.name


def clock_reads(name):
    """Lines of a module that read a clock."""
    for line, base, attribute in _attribute_calls(name):
        if attribute in CLOCK_READS.get(base, ()):
            yield line, f"{base}.{attribute}"
    for line, module, imported in _imported_names(name):
        if module == "time" and imported in CLOCK_READS["time"]:
            yield line, f"from time import {imported}"


@pytest.mark.parametrize("name", python_modules())
def test_only_the_clock_reads_clocks(name):
    if name in MAY_READ_CLOCKS or name.startswith(tuple(MAY_READ_CLOCKS_BELOW)):
        return
    assert list(clock_reads(name)) == []


def test_the_clock_scan_sees_the_clock():
    assert {what for _, what in clock_reads("shared.clock")} >= {"time.time_ns"}


@pytest.mark.parametrize("name", pure_part())
def test_the_pure_part_takes_chance_from_outside_and_touches_nothing(name):
    faults = []
    # A generator may be called random, too: only the module's own functions are meant.
    imported_modules = {
        alias.name
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    for line, base, attribute in _attribute_calls(name):
        if base == "random" and attribute != "Random" and "random" in imported_modules:
            faults.append((line, f"random.{attribute}"))
    for line, module, imported in _imported_names(name):
        if module == "random" and imported != "Random":
            faults.append((line, f"from random import {imported}"))
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            called = node.func.id
            if called in IMPURE_CALLS:
                faults.append((node.lineno, f"{called}()"))
            if called == "Random" and not node.args:
                faults.append((node.lineno, "Random() without a seed"))
    assert faults == []


def test_the_pure_part_is_what_it_is_said_to_be():
    names = pure_part()
    for expected in ("shared.domain.account", "procs.turn", "procs.observe.actor"):
        assert expected in names
    assert not [name for name in names if name.startswith(("shared.bus", "procs.cli"))]


@pytest.mark.parametrize(
    "name", [name for name, path in modules().items() if path.suffix == ".pyx"]
)
def test_cython_reads_no_clock_and_no_chance(name):
    text = modules()[name].read_text("utf-8")
    for word in ("clock_gettime", "gettimeofday", "libc.time", "rand(", "import time", "datetime"):
        assert word not in text
