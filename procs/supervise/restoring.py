"""Bringing a backup back: everything is proven beside the data folder before anything is touched.

The old data folder is kept under another name. What happened since the backup is known to the venue
alone, so the restored engine starts latched: it reconciles, protects, exits, and buys nothing until
a person has looked and said `rearm` (L12). A kill on the way leaves a mark that refuses a start.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import msgspec

from procs.supervise.rundir import (
    UserPaths,
    read_last_run,
    read_text,
    replace_text,
    take_engine_lock,
    write_latch,
)
from shared.bus.locks import prepare_run_dir
from shared.errors import SeawallError
from shared.journal.archive import SETTINGS, Manifest, unpack_archive

MARK: Final = "restoring"
"""In the user folder, while the data folders change places."""


class Restored(msgspec.Struct, frozen=True):
    """What a restore did."""

    manifest: Manifest
    kept: Path | None
    """The old data folder, if there was one."""
    settings: Path | None
    """Where the backed-up settings were written; None when the user folder has the same."""


def refuse_half_restored(paths: UserPaths) -> None:
    """Raises SeawallError while a restore that was interrupted has not been repeated."""
    mark = paths.userdir / MARK
    if mark.exists():
        raise SeawallError(
            f"a restore of {read_text(mark) or 'a backup'} was interrupted: "
            "repeat `seawall restore`"
        )


def restore(paths: UserPaths, source: Path) -> Restored:
    """Puts a backup in the place of the data folder.

    Raises NotFoundError or JournalError (nothing was touched), SeawallError while an engine runs
    or when the disk refuses (the mark then refuses a start)."""
    try:
        paths.userdir.mkdir(parents=True, exist_ok=True)
        prepare_run_dir(paths.run_dir)
    except OSError as error:
        raise SeawallError(f"{paths.userdir}: cannot be used: {error}") from error
    lock = take_engine_lock(paths)
    try:
        return _exchange(paths, source)
    except OSError as error:
        raise SeawallError(f"{paths.userdir}: {error}; repeat `seawall restore`") from error
    finally:
        lock.release()


def _exchange(paths: UserPaths, source: Path) -> Restored:
    fresh = paths.userdir / ".data.restoring"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    try:
        manifest = unpack_archive(source, fresh)
    except SeawallError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    settings = _settings(paths.userdir, fresh)
    last = max(read_last_run(paths.last_run), read_last_run(fresh / "last_run"))
    # A run id must never come twice, also not one that the backup has not seen (O2).
    replace_text(fresh / "last_run", f"{last}\n")
    write_latch(
        fresh / "KILL",
        f"restored from {source.name}, made at {manifest.made_at_s} s UTC: look whether "
        "`seawall positions` and the venue agree, then `seawall rearm`",
    )
    _sync(fresh)
    mark = paths.userdir / MARK
    replace_text(mark, f"{source}\n")
    _sync(paths.userdir)
    kept = _put_aside(paths)
    os.replace(fresh, paths.data_dir)
    _sync(paths.userdir)
    mark.unlink()
    return Restored(manifest, kept, settings)


def _settings(userdir: Path, fresh: Path) -> Path | None:
    """Moves the backed-up settings out of the data: into place, or beside settings that differ."""
    backed = fresh / SETTINGS
    if not backed.exists():
        return None
    current = userdir / SETTINGS
    if current.exists() and current.read_bytes() == backed.read_bytes():
        backed.unlink()
        return None
    chosen = current if not current.exists() else userdir / f"{SETTINGS}.restored"
    os.replace(backed, chosen)
    return chosen


def _put_aside(paths: UserPaths) -> Path | None:
    if not paths.data_dir.exists():
        return None
    number = 1
    while (kept := paths.userdir / f"data.before-restore-{number}").exists():
        number += 1
    os.replace(paths.data_dir, kept)
    return kept


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
