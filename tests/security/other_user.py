"""What another user of the machine can do to a user folder, tried as `nobody`."""

from __future__ import annotations

import json
import os
import pwd
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

NOBODY = "nobody"


class Tried(NamedTuple):
    """One deed, and its error number; 0 when it was possible."""

    path: str
    deed: str
    error: int


def paths_below(folder: Path) -> list[str]:
    """Everything in it, itself included; symbolic links are not followed."""
    return [str(folder), *(str(path) for path in sorted(folder.rglob("*")))]


def try_all(paths: list[str], *, as_nobody: bool) -> list[Tried]:
    """What can be done to each path. The names are told: what cannot be listed may still open."""
    rows = as_other_user(lambda: [*_deeds(paths)]) if as_nobody else [*_deeds(paths)]
    return [Tried(*row) for row in rows]


def as_other_user(work: Callable[[], Any]) -> Any:
    """The JSON-able result of work, done in a fork that has become nobody for good."""
    other = pwd.getpwnam(NOBODY)
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(other.pw_gid, other.pw_gid, other.pw_gid)
            os.setresuid(other.pw_uid, other.pw_uid, other.pw_uid)
            assert os.getresuid() == (other.pw_uid,) * 3
            with os.fdopen(writes, "w") as out:
                json.dump(work(), out)
            code = 0
        finally:
            os._exit(code)
    os.close(writes)
    with os.fdopen(reads) as answer:
        text = answer.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, "what nobody tried failed in a way of its own"
    return json.loads(text)


def needs_nobody() -> None:
    """Skips where no other user can be played."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    try:
        pwd.getpwnam(NOBODY)
    except KeyError:
        pytest.skip("this machine has no user nobody")


def _deeds(paths: list[str]) -> Iterator[Tried]:
    for path in paths:
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            mode = stat.S_IFREG  # Not to be seen; perhaps it can be opened.
        if stat.S_ISSOCK(mode):
            yield Tried(path, "connect", _error(_connect, path))
        elif stat.S_ISDIR(mode):
            yield Tried(path, "list", _error(os.listdir, path))
            yield Tried(path, "create", _error(_create, path))
        else:
            if path.endswith(".sock"):
                yield Tried(path, "connect", _error(_connect, path))
            yield Tried(path, "read", _error(_open, path, os.O_RDONLY))
            yield Tried(path, "write", _error(_open, path, os.O_WRONLY))


def _error(deed: Callable[..., Any], *arguments: Any) -> int:
    try:
        deed(*arguments)
    except OSError as error:
        return error.errno or -1
    return 0


def _connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(path)


def _create(folder: str) -> None:
    made = os.path.join(folder, ".made-by-another")
    os.close(os.open(made, os.O_CREAT | os.O_WRONLY, 0o600))
    os.unlink(made)


def _open(path: str, flags: int) -> None:
    os.close(os.open(path, flags | os.O_NONBLOCK))
