"""Everything read at a start as it should never be: one line that says where, or a safe state.

Each sample is put in the place of each file; nothing may hang, end in a traceback, or be changed.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from other_user import as_other_user, needs_nobody

from procs.cli.main import main
from procs.runtime.latch import Latch
from procs.runtime.launch import read_launch
from procs.supervise.rundir import (
    UserPaths,
    next_start_s,
    read_last_run,
    read_latch,
    read_operator,
    read_run_file,
)
from shared.config.template import write_userdir
from shared.errors import ConfigError, ExitCode, SeawallError
from shared.journal.journal import DiskError, Journal, JournalError
from shared.messages.control import TradingState
from shared.messages.decision import DecideEvent
from shared.venues.credentials import load_credentials

HANGS_AFTER_S = 60

MIB = 1 << 20


def directory(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


def of(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)
        path.chmod(0o600)

    return write


NOT_FILES = {"directory": directory, "loop": loop, "pipe": pipe, "endless": endless}
RUBBISH = {
    "empty": of(b""),
    "binary": of(bytes(range(256)) * 8),
    "not UTF-8": of(b"\xff\xfe\x00a"),
    "truncated": of(b'[engine]\nmode = "pa'),
    "zeros": of(b"\x00" * 4096),
    "brackets": of(b"[" * 100_000),
    "JSON": of(b'{"a": 1'),
    "huge": huge,
}
ALL = {**NOT_FILES, **RUBBISH, "dangling": dangling}


@pytest.fixture(autouse=True)
def _never_hangs():
    """A read that waits for ever ends in an error here and not at the suite's limit."""

    def stuck(number, frame):
        raise TimeoutError("a read hangs")

    before = signal.signal(signal.SIGALRM, stuck)
    signal.alarm(HANGS_AFTER_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def userdir(tmp_path):
    folder = tmp_path / "user"
    write_userdir(folder)
    return folder


def snapshot(folder: Path) -> dict[str, tuple]:
    """What lies in a folder, without reading what cannot be read."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        small = stat.S_ISREG(status.st_mode) and status.st_size < MIB
        content = path.read_bytes() if small else b""
        found[str(path)] = (status.st_mode, status.st_size, content)
    return found


def put(sample: Callable[[Path], None], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    sample(path)


# ── configuration ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "verb", [["config", "check"], ["run", "--for", "1s"]], ids=["check", "run"]
)
@pytest.mark.parametrize("name", [name for name in ALL if name != "empty"])
def test_a_configuration_that_is_none(userdir, capsys, name, verb):
    file = userdir / "seawall.toml"
    put(ALL[name], file)
    before = snapshot(userdir)
    assert main([*verb, "--userdir", str(userdir)]) == ExitCode.CONFIG
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("seawall: error: ")
    assert str(file) in said.err
    assert len(said.err) < 1500, "it quotes too much"
    assert snapshot(userdir) == before


def test_a_configuration_that_may_not_be_read(userdir, capsys):
    needs_nobody()
    file = userdir / "seawall.toml"
    file.chmod(0)
    folders = [userdir, *userdir.parents]
    modes = [(folder, folder.stat().st_mode) for folder in folders if folder.owner() == "root"]
    try:
        for folder, mode in modes:
            folder.chmod(stat.S_IMODE(mode) | 0o055)
        code, said = as_other_user(lambda: _refusal(file))
    finally:
        for folder, mode in modes:
            folder.chmod(stat.S_IMODE(mode))
    assert code == ExitCode.CONFIG
    assert said == f"{file}: cannot be read: Permission denied"


def _refusal(file: Path) -> list:
    from shared.config.load import load_settings

    try:
        load_settings([file], [], {}, file.parent)
    except ConfigError as error:
        return [int(error.exit_code), str(error)]
    return [0, ""]


# ── credentials ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ALL)
def test_credentials_that_are_none(tmp_path, name):
    path = tmp_path / "credentials.toml"
    put(ALL[name], path)
    if not path.is_symlink() and path.is_file():
        path.chmod(0o600)
    before = snapshot(tmp_path)
    with pytest.raises(ConfigError, match=f"^credentials: .*{path.name}") as raised:
        load_credentials(path, "binance")
    assert len(str(raised.value)) < 500
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[other]\n", "has no section [binance]"),
        ("binance = 3\n", "has no section [binance]"),
        ("[binance]\n", "api_key is missing or not text"),
        ('[binance]\napi_key = 3\napi_secret = "x"\n', "api_key is missing or not text"),
        ('[binance]\napi_key = "k"\napi_secret = ""\n', "api_secret is missing or not text"),
        ('[binance]\napi_key = "k"\napi_secret = ["s"]\n', "api_secret is missing or not text"),
    ],
)
def test_credentials_of_wrong_kinds(tmp_path, text, said):
    path = tmp_path / "credentials.toml"
    of(text.encode())(path)
    with pytest.raises(ConfigError) as raised:
        load_credentials(path, "binance")
    assert said in str(raised.value)


def test_credentials_that_are_too_long_to_be_some(tmp_path):
    path = tmp_path / "credentials.toml"
    of(b'[binance]\napi_key = "k"\napi_secret = "s"\n' + b"#" * 70_000)(path)
    with pytest.raises(ConfigError, match="70041 bytes, allowed are 65536"):
        load_credentials(path, "binance")


# ── the latch, a person's word, the run ─────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [name for name in ALL if name != "dangling"])
def test_a_latch_of_any_kind_latches(tmp_path, name):
    """Anyone may make it with anything: what cannot be read was still meant."""
    path = tmp_path / "KILL"
    put(ALL[name], path)
    for read in (Latch(path).text, lambda: read_latch(path)):
        text = read()
        assert text
        assert len(text) <= 1100


@pytest.mark.parametrize("name", [name for name in ALL if name != "dangling"])
def test_an_unreadable_word_of_a_person_lets_nobody_buy(tmp_path, name):
    path = tmp_path / "operator"
    put(ALL[name], path)
    assert read_operator(path) is TradingState.REDUCING


def test_no_word_of_a_person_is_none(tmp_path):
    assert read_operator(tmp_path / "operator") is TradingState.ACTIVE
    for state in (TradingState.REDUCING, TradingState.HALTED):
        (tmp_path / "operator").write_text(f"{state.name}\n")
        assert read_operator(tmp_path / "operator") is state


@pytest.mark.parametrize("name", ALL)
def test_a_run_file_or_counter_that_is_none_is_started_over(tmp_path, name):
    paths = UserPaths(tmp_path)
    paths.make()
    put(ALL[name], paths.run_file)
    put(ALL[name], paths.last_run)
    assert read_run_file(paths.run_file) is None
    assert read_last_run(paths.last_run) == 0
    if name != "directory":
        assert next_start_s(paths, 1000) == 1000
        assert read_last_run(paths.last_run) == 1000


@pytest.mark.parametrize("name", ALL)
def test_a_launch_file_that_is_none(tmp_path, name):
    path = tmp_path / "launch-route.json"
    put(ALL[name], path)
    with pytest.raises(ConfigError, match=r"^launch file .*launch-route.json: ") as raised:
        read_launch(path)
    assert len(str(raised.value)) < 1000


# ── journals ────────────────────────────────────────────────────────────────────────────────────


def opened_or_refused(path: Path) -> tuple[Journal | None, str]:
    """The journal, or how its opening was refused."""
    try:
        return Journal.open(path, "decide", DecideEvent), ""
    except (JournalError, DiskError) as error:
        return None, str(error)


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("empty", "dangling")])
def test_a_journal_that_is_none(tmp_path, name):
    """A refusal that names it, or a fault for which the engine only reduces; it is kept."""
    path = tmp_path / "decide.db"
    put(ALL[name], path)
    before = path.lstat()
    journal, refusal = opened_or_refused(path)
    if journal is None:
        assert str(path) in refusal
        assert len(refusal) < 500
    else:
        assert journal.recovered.fault
        assert journal.damaged
        journal.close()
    assert (path.lstat().st_mode, path.lstat().st_size) == (before.st_mode, before.st_size)


@pytest.mark.parametrize("beside", ["decide.mark", "decide.emergency"])
@pytest.mark.parametrize("name", [name for name in ALL if name not in ("empty", "dangling")])
def test_a_file_beside_a_journal_that_is_none(tmp_path, name, beside):
    path = tmp_path / "decide.db"
    Journal.open(path, "decide", DecideEvent).close()
    put(ALL[name], tmp_path / beside)
    journal, refusal = opened_or_refused(path)
    if journal is None:
        assert beside in refusal
        return
    # Rubbish in the reserve is what an unused one may look like; a mark is whole or a fault.
    assert journal.recovered.fault or beside == "decide.emergency"
    journal.close()


def test_a_database_of_another_program(tmp_path):
    path = tmp_path / "decide.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE notes(text)")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="not a journal of this program"):
        Journal.open(path, "decide", DecideEvent)
    assert path.read_bytes() == before


# ── backups ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ALL)
def test_a_backup_that_is_none(userdir, tmp_path, capsys, name):
    archive = tmp_path / "backup.tar.gz"
    put(ALL[name], archive)
    (userdir / "data" / "note").write_text("mine")
    before = snapshot(userdir / "data")
    code = main(["restore", str(archive), "--userdir", str(userdir), "--yes"])
    assert code in (ExitCode.ERROR, ExitCode.NOT_FOUND)
    said = capsys.readouterr()
    assert said.out == ""
    assert str(archive) in said.err
    assert said.err.count("\n") == 1
    assert snapshot(userdir / "data") == before
    assert not (userdir / "restoring").exists()


@pytest.mark.parametrize("name", [*NOT_FILES, "dangling"])
def test_a_backup_is_never_written_over_something(userdir, tmp_path, capsys, name):
    Journal.open(userdir / "data" / "decide.db", "decide", DecideEvent).close()
    target = tmp_path / "backup.tar.gz"
    put(ALL[name], target)
    before = target.lstat()
    assert main(["backup", str(target), "--userdir", str(userdir)]) == ExitCode.ERROR
    assert str(target) in capsys.readouterr().err
    assert target.lstat().st_mode == before.st_mode


# ── the folder itself ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["file", "loop", "pipe"])
@pytest.mark.parametrize("inner", ["run", "data", "logs", "reports"])
def test_a_folder_that_is_none(tmp_path, name, inner):
    paths = UserPaths(tmp_path / "user")
    paths.userdir.mkdir()
    put({**ALL, "file": of(b"x")}[name], paths.userdir / inner)
    with pytest.raises(SeawallError) as raised:
        paths.make()
    assert str(paths.userdir) in str(raised.value)
