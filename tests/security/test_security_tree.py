"""What the source may not contain: ways to run what was read, and doors that anybody may knock at.

Read from syntax trees, so that neither an alias nor a rarely used path escapes (L13).
"""

from __future__ import annotations

import ast
import re
import stat
from pathlib import Path

import msgspec
import pytest
import zmq

from shared.bus.locks import prepare_run_dir
from shared.bus.sockets import Link
from shared.bus.topology import CHANNELS, Channel
from shared.config.load import KNOBS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("core_ext", "shared", "procs", "bench")
SOURCES = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
TREES = {path.relative_to(ROOT): ast.parse(path.read_text("utf-8")) for path in SOURCES}

CODE_FROM_DATA = {
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "yaml",
    "jsonpickle",
    "xmlrpc",
    "multiprocessing",
    "concurrent.futures.process",
}
"""Modules that make objects or code of bytes, or (the last ones) pickle behind one's back."""

OWN_CHILDREN = ("bench/", "procs/simulate/")
"""Measurements and simulations talk to children that they forked, over pipes nobody else has; no
engine process runs there."""

RUNS_TEXT = {"eval", "exec", "compile", "execfile"}
UNSAFE_CALLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
PICKLING_SOCKETS = {"send_pyobj", "recv_pyobj", "send_serialized", "recv_serialized"}


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an attribute or a name; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def found(tree: ast.Module) -> list[str]:
    """Everything in a tree that makes code of data."""
    wrong: list[str] = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{one.name}" for one in node.names)]
        wrong += [
            f"line {node.lineno}: imports {name}"
            for name in names
            if name.split(".")[0] in CODE_FROM_DATA or name in CODE_FROM_DATA
        ]
        if isinstance(node, ast.Call):
            called = dotted(node.func)
            if called in RUNS_TEXT | UNSAFE_CALLS or called.split(".")[-1] in PICKLING_SOCKETS:
                wrong.append(f"line {node.lineno}: calls {called}")
            if called in ("__import__", "importlib.import_module") and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant) and str(name.value) in CODE_FROM_DATA:
                    wrong.append(f"line {node.lineno}: imports {name.value}")
            for keyword in node.keywords:
                is_true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                if keyword.arg == "shell" and is_true:
                    wrong.append(f"line {node.lineno}: runs a shell")
                if keyword.arg == "allow_pickle" and is_true:
                    wrong.append(f"line {node.lineno}: allows pickle")
    return wrong


def test_no_source_makes_code_of_what_it_reads():
    assert len(TREES) > 200
    wrong = {}
    for path, tree in TREES.items():
        lines = found(tree)
        if str(path).startswith(OWN_CHILDREN):
            lines = [line for line in lines if "imports multiprocessing" not in line]
        if lines:
            wrong[str(path)] = lines
    assert wrong == {}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import os, marshal as m",
        "from yaml import safe_load",
        "from multiprocessing import Queue",
        "from concurrent.futures import process",
        "x = eval('1')",
        "import os\nos.system('ls')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "socket.send_pyobj(1)",
        "import importlib\nimportlib.import_module('pickle')",
        "import numpy\nnumpy.load('x', allow_pickle=True)",
    ],
)
def test_the_search_finds_what_it_is_for(text):
    assert found(ast.parse(text))


def texts(tree: ast.Module) -> set[str]:
    """Every text constant but docstrings."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documentation
    }


def test_the_one_place_that_binds_a_bus_socket_binds_ipc():
    """Without tcp there is nobody to keep out with CURVE; whoever adds it meets this test."""
    users = {str(path) for path, tree in TREES.items() if "zmq" in imported(tree)}
    users = {path for path in users if not path.startswith("bench/")}
    assert "shared/bus/sockets.py" in users
    addresses = {text for path in users for text in texts(TREES[Path(path)]) if "://" in text}
    assert addresses == {"ipc://"}
    binders = {
        path
        for path in users
        for node in ast.walk(TREES[Path(path)])
        if isinstance(node, ast.Call) and dotted(node.func).endswith(("socket.bind", "bind"))
    }
    assert binders == {"shared/bus/sockets.py"}


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=lambda one: one.name)
def test_every_endpoint_is_a_path_in_the_private_folder(channel: Channel, tmp_path):
    folder = tmp_path / "r"
    prepare_run_dir(folder)
    context = zmq.Context()
    link = Link(context, channel, channel.binder, folder)
    try:
        link.open()
        bound = link._socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
        assert bound == f"ipc://{folder / channel.name}.sock"
        assert stat.S_ISSOCK(channel.path(folder).stat().st_mode)
    finally:
        link.close()
        context.term()


def test_no_setting_moves_a_socket_of_the_engine():
    """The port of the local venue is the only address that can be configured."""
    about = re.compile(r"port|host|addr|bind|listen|endpoint|url|socket|curve", re.IGNORECASE)
    assert {key for key in KNOBS if about.search(key.rpartition(".")[2])} == {"venue.port"}
    for channel in CHANNELS.values():
        assert set(msgspec.structs.asdict(channel)) >= {"name", "binder"}
        assert channel.address(Path("/r")) == f"ipc:///r/{channel.name}.sock"


def imported(tree: ast.Module) -> set[str]:
    """Top names of what a module imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names
