"""The door: verbs are found, errors become one line and an exit code, nothing heavy is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import procs.cli
from procs.cli import main as main_module
from procs.cli.main import build_parser, load_verb, main, verb_names
from shared.errors import ConfigError, DeadlineError, NotFoundError, NotRunningError

ROOT = Path(procs.cli.__file__).parents[2]

EAGER = {"ccxt", "rich", "uvloop", "aiohttp", "cython", "sortedcontainers", "picows", "orjson"}


def seawall(*arguments, check=None, **more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more.pop("env", {})}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "procs", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        **more,
    )
    if check is not None:
        assert done.returncode == check, done.stderr
    return done


def test_the_verb_list_names_each_with_one_line():
    done = seawall(check=0)
    for verb in ("init", "config", "positions", "orders", "fills", "balance", "why", "logs"):
        assert f"    {verb} " in done.stdout
    assert "exit codes:" in done.stdout


def test_only_the_module_of_the_verb_is_imported():
    code = (
        "import sys; from procs.cli.main import main; main(['config', 'check']);"
        "print('\\n'.join(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "procs.cli.config" in loaded
    assert not loaded & EAGER
    assert not any(name.startswith("procs.cli.") for name in loaded - KNOWN_FOR_CONFIG)


KNOWN_FOR_CONFIG = {"procs.cli.config", "procs.cli.main", "procs.cli.options"}


@pytest.mark.parametrize("verb", ["status", "positions"])
def test_a_verb_that_asks_does_not_import_what_it_does_not_need(verb, tmp_path):
    code = (
        "import sys; from procs.cli.main import main;"
        f"sys.exit(main(['{verb}', '--userdir', {str(tmp_path)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert done.returncode == 3, done.stderr[-300:]
    assert not imported & EAGER


@pytest.mark.parametrize("verb", [verb for verb in verb_names() if load_verb(verb)])
def test_every_verb_has_help(verb, capsys):
    parser, modules = build_parser([verb])
    assert verb in modules
    actions = parser._subparsers._group_actions[0]
    shown = {choice.dest: choice.help for choice in actions._choices_actions}
    assert shown[verb], f"{verb} has no one-line help"
    assert len(shown[verb]) < 90
    with pytest.raises(SystemExit) as left:
        parser.parse_args([verb, "--help"])
    assert left.value.code == 0
    assert "usage: seawall" in capsys.readouterr().out


def test_dashes_are_underscores_and_helpers_are_no_verbs():
    names = verb_names()
    assert not [name for name in names if "_" in name]
    assert "main" not in names
    assert "options" not in names


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError("no such id"), 2),
        (NotRunningError("no engine"), 3),
        (ConfigError("a.toml: x = 1"), 4),
        (DeadlineError("too late"), 5),
        (KeyboardInterrupt(), 1),
    ],
)
def test_an_explained_failure_is_one_line_and_its_exit_code(error, code, monkeypatch, capsys):
    def fail(argv):
        raise error

    monkeypatch.setattr(main_module, "_dispatch", fail)
    assert main(["any"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("seawall: ")


def test_a_bug_keeps_its_traceback(monkeypatch):
    def fail(argv):
        raise ZeroDivisionError

    monkeypatch.setattr(main_module, "_dispatch", fail)
    with pytest.raises(ZeroDivisionError):
        main(["any"])


def test_wrong_usage_is_an_error_not_a_not_found():
    done = seawall("no-such-verb", check=1)
    assert "invalid choice: 'no-such-verb'" in done.stderr
    assert seawall("config", "check", "--bogus", check=1).stdout == ""


def test_version_is_the_projects():
    assert seawall("--version", check=0).stdout.startswith("seawall 0.")


def test_a_closed_pipe_is_quiet(tmp_path):
    seawall("init", str(tmp_path / "u"), check=0)
    command = f"{sys.executable} -P -m procs config show --userdir {tmp_path / 'u'} | true"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.returncode == 0


def test_init_then_check_and_show(tmp_path):
    folder = tmp_path / "u"
    assert "seawall.toml" in seawall("init", str(folder), check=0).stdout
    assert "kept" in seawall("init", str(folder), check=0).stdout
    assert seawall("config", "check", "--userdir", str(folder), check=0).stdout.startswith("ok: 4 ")
    shown = seawall(
        "config",
        "show",
        "--userdir",
        str(folder),
        "--set",
        "risk.max_positions=3",
        check=0,
        env={"SEAWALL__LOG__ROTATE_MB": "5"},
    ).stdout
    assert "max_positions = 3" in shown
    assert "# --set" in shown
    assert "# environment SEAWALL__LOG__ROTATE_MB" in shown
    assert str(folder / "seawall.toml") in shown
    wrong = seawall("config", "check", "--set", "risk.max_positons=3", check=4)
    assert wrong.stderr.strip().endswith("did you mean risk.max_positions?")


@pytest.mark.parametrize("verb", ["positions", "orders", "fills", "balance"])
def test_no_engine_is_exit_code_three(verb, tmp_path):
    done = seawall(verb, "--json", "--userdir", str(tmp_path), check=3)
    assert done.stdout == ""
    assert "no engine is running" in done.stderr
