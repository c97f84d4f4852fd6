"""A disk that begins to fail under one process's files, by a library loaded before libc."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).with_name("faulty_disk.c")


class Done(NamedTuple):
    """One operation on the files concerned, since the order was given."""

    how: str
    what: str
    file: str


class FaultyDisk:
    """Files whose path contains a part; healthy until `break_after`."""

    def __init__(self, folder: Path, part: str) -> None:
        if not sys.platform.startswith("linux"):
            pytest.skip("LD_PRELOAD is Linux's")
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("no C compiler for the faulty disk")
        folder.mkdir(exist_ok=True)
        library = folder / "faulty_disk.so"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"],
            check=True,
        )
        self._order = folder / "order"
        self._log = folder / "log"
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAULTY_FILES": part,
            "FAULTY_ORDER": str(self._order),
            "FAULTY_LOG": str(self._log),
        }

    def break_after(self, operations: int, kind: str, number: int = errno.EIO) -> None:
        """From now on that many writes (or syncs) succeed, and then none."""
        unfinished = self._order.with_suffix(".tmp")
        unfinished.write_text(f"{operations} {kind[0]} {number}\n")
        unfinished.rename(self._order)

    def repair(self) -> None:
        """For processes that start from now on."""
        self._order.unlink()
        self._log.unlink(missing_ok=True)

    def done(self) -> list[Done]:
        """Every operation since the order, in its order."""
        text = self._log.read_text() if self._log.exists() else ""
        found = []
        for line in text.splitlines():
            how, what, path = line.split(" ", 2)
            found.append(Done(how, what, Path(path).name))
        return found

    def after_failure(self) -> list[Done]:
        """What was done to the files after the first operation that failed."""
        done = self.done()
        first = next((number for number, one in enumerate(done) if one.how == "failed"), len(done))
        return done[first + 1 :]
