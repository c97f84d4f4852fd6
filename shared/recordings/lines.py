"""Raw Binance spot traffic as it was recorded: one `<receive time ns> <frame>` per line.

Files may be plain, .gz or .xz and are told apart by their first bytes. Reading streams: memory does
not grow with a recording. Whatever is not such a line ends the reading with file and line.
"""

from __future__ import annotations

import gzip
import heapq
import lzma
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from core_ext.scan import symbol_of
from shared.errors import NotFoundError, RecordingError

LINE_BYTES_MAX: Final = 16 * 1024 * 1024
PROBE_LINES: Final = 400
"""How far into a file its symbol is looked for, and signs of another venue are."""

_SNAPSHOT: Final = b'"lastUpdateId"'
_MAGIC: Final = {
    b"\xfd7zXZ\x00": "xz",
    b"\x1f\x8b": "gz",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_XZ_END: Final = b"YZ"
"""The last bytes of a whole .xz file, but for padding with zeros."""
_TAIL_BYTES: Final = 4096
_BROKEN: Final = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile)


class Line(NamedTuple):
    """One recorded frame. recv_ns is the recorder's clock; a REST snapshot carries no symbol
    itself, so `symbol` is the file's; path and number (from 1) say where it stands."""

    recv_ns: int
    frame: bytes
    symbol: str
    path: Path
    number: int

    @property
    def is_snapshot(self) -> bool:
        """Whether the frame is a REST depth snapshot."""
        return _SNAPSHOT in self.frame[:40]

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path}, line {self.number}"


def _open(path: Path) -> IO[bytes]:
    try:
        with path.open("rb") as raw:
            head = raw.read(6)
    except FileNotFoundError:
        raise NotFoundError(f"no such recording: {path}") from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    packing = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "plain")
    if packing == "xz":
        return cast("IO[bytes]", lzma.open(path, "rb"))
    if packing == "gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if packing == "plain":
        return path.open("rb")
    raise RecordingError(f"{path}: packed as {packing}; allowed: .xz, .gz or plain lines")


def check_whole(path: Path) -> None:
    """Refuses an .xz file whose end is missing, without unpacking it: better at the start than
    after an hour of replay. Other packings cannot tell. Raises RecordingError."""
    with path.open("rb") as raw:
        packed = raw.read(6).startswith(b"\xfd7zXZ\x00")
        raw.seek(-min(_TAIL_BYTES, path.stat().st_size), 2)
        end = raw.read()
    if packed and not end.rstrip(b"\0").endswith(_XZ_END):
        raise RecordingError(f"{path}: the packed file is cut off, its end is missing")


def raw_lines(path: Path) -> Iterator[tuple[int, bytes, int]]:
    """(recv_ns, frame, line number) of one file; RecordingError names file and line."""
    number = 0
    with _open(path) as file:
        while True:
            try:
                line = file.readline(LINE_BYTES_MAX)
            except _BROKEN as error:
                raise RecordingError(
                    f"{path}, after line {number}: the packed file is broken or cut off: {error}"
                ) from None
            if not line:
                break
            number += 1
            yield *_columns(path, number, line), number
    if number == 0:
        raise RecordingError(f"{path}: empty; expected lines '<receive time ns> <json>'")


def _columns(path: Path, number: int, line: bytes) -> tuple[int, bytes]:
    time_text, _, frame = line.rstrip(b"\r\n").partition(b" ")
    if not (time_text.isdigit() and 16 <= len(time_text) <= 19):
        raise RecordingError(
            f"{path}, line {number}: {line[:60]!r} is not '<receive time ns> <json>'"
        )
    if not (frame.startswith(b"{") and frame.endswith(b"}")):
        raise RecordingError(
            f"{path}, line {number}: unreadable JSON: {frame[:30]!r} … {frame[-30:]!r}, "
            "expected one whole object"
        )
    return int(time_text), frame


def symbol_in(path: Path) -> str:
    """The symbol a file is about, from its first lines. RecordingError unless Binance spot."""
    for _, frame, number in raw_lines(path):
        if b'"pu":' in frame[:400]:
            raise RecordingError(
                f"{path}, line {number}: Binance futures traffic (key 'pu'); only spot is read"
            )
        symbol = symbol_of(frame) if _is_spot_event(frame) else None
        if symbol is not None:
            return symbol
        if number >= PROBE_LINES:
            break
    raise RecordingError(
        f"{path}: no Binance spot depth, trade or bookTicker frame in the first lines; "
        "another venue's file?"
    )


def _is_spot_event(frame: bytes) -> bool:
    head = frame[:400]
    if b'"pu":' in head:
        return False
    return (
        b'"depthUpdate"' in head
        or b'"trade"' in head
        or b'"bookTicker"' in head
        or (b'"B":' in head and b'"A":' in head)
    )


def read_lines(paths: Iterable[Path | str]) -> Iterator[Line]:
    """All lines of the files of one symbol, one file after the other, in the given order.

    Raises NotFoundError or RecordingError: another venue's file, another symbol, wrong columns, a
    file that is cut off, or one that begins before the one before it ended.
    """
    ended_ns = 0
    before: Path | None = None
    first_symbol: str | None = None
    for path in map(Path, paths):
        symbol = symbol_in(path)
        first_symbol = first_symbol or symbol
        if symbol != first_symbol:
            raise RecordingError(f"{path}: holds {symbol}, the files before it {first_symbol}")
        start_ns: int | None = None
        for recv_ns, frame, number in raw_lines(path):
            line = Line(recv_ns, frame, symbol, path, number)
            _check_origin(line)
            if start_ns is None:
                start_ns = recv_ns
                if start_ns < ended_ns:
                    raise RecordingError(
                        f"{path}: begins at {start_ns}, before {before} ended at {ended_ns}"
                    )
            ended_ns = max(ended_ns, recv_ns)
            yield line
        before = path


def _check_origin(line: Line) -> None:
    """That a line is of the file's symbol, and not of the futures market."""
    if line.is_snapshot:
        return
    symbol = symbol_of(line.frame)
    if symbol is not None and symbol != line.symbol:
        raise RecordingError(
            f"{line.place}: holds {symbol}, the lines before it {line.symbol}; "
            "a recording is of one symbol, because snapshots name none"
        )
    if b'"pu":' in line.frame[:400]:
        raise RecordingError(f"{line.place}: Binance futures traffic; only spot is read")


def group_by_symbol(paths: Iterable[Path | str]) -> dict[str, list[Path]]:
    """The files of each symbol by their first receive time; symbols in that order too."""
    found: list[tuple[int, str, Path]] = []
    for path in map(Path, paths):
        first_ns = next(raw_lines(path))[0]
        found.append((first_ns, symbol_in(path), path))
    groups: dict[str, list[Path]] = {}
    for _, symbol, path in sorted(found, key=lambda item: item[0]):
        groups.setdefault(symbol, []).append(path)
    return groups


def check_recordings(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """The files of each symbol, after a look at each file's first lines and its end, so that most
    of what cannot be replayed is refused before anything starts. NotFoundError, RecordingError."""
    groups = group_by_symbol(paths)
    for path in paths:
        check_whole(path)
    return groups


def merge_by_time(paths: Iterable[Path | str]) -> Iterator[Line]:
    """The lines of files of any symbols, merged by receive time.

    Within a symbol the recorded order stands, even where the recorder's clock stepped back.
    """
    streams = [_steady(read_lines(files)) for files in group_by_symbol(paths).values()]
    for _, line in heapq.merge(*streams, key=lambda item: item[0]):
        yield line


def _steady(lines: Iterator[Line]) -> Iterator[tuple[int, Line]]:
    """Lines with a key that never falls, so that merging cannot reorder a symbol's own."""
    latest = 0
    for line in lines:
        latest = max(latest, line.recv_ns)
        yield latest, line
