"""What a recording said, read again from its lines by the checker of fills: books and trades.

Written apart from the venue on purpose, sharing nothing with it: a mistake in the venue's reading
must not repeat itself in the proof. Plain dicts and decimals, one line after the other.
"""

from __future__ import annotations

import gzip
import lzma
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Any, Final, Protocol, cast

import orjson

from shared.errors import NotFoundError, RecordingError

Row = tuple[int, str, dict[str, Any]]
"""(line number from 1, symbol, message without its stream wrapper)."""

ZERO: Final = Decimal(0)
_TRADES: Final = ("trade", "aggTrade")


class Level:
    """One published level: how much, where it was last said, what the audit's fills took since."""

    __slots__ = ("line", "quantity", "taken")

    def __init__(self, quantity: Decimal, line: int) -> None:
        self.quantity = quantity
        self.line = line
        self.taken = ZERO


class Trade:
    """One public trade, and what orders of the audit have got of it."""

    __slots__ = ("buyer_is_maker", "got", "id", "line", "price", "quantity")

    def __init__(self, data: dict[str, Any], line: int) -> None:
        self.line = line
        self.id = int(data["t"] if data["e"] == "trade" else data["a"])
        self.price = number(data["p"])
        self.quantity = number(data["q"])
        self.buyer_is_maker = bool(data["m"])
        self.got = ZERO


class Book:
    """One symbol's book, joined with its snapshot as the exchange's documentation says.

    Deltas and trades from before the snapshot wait for it, in their order."""

    def __init__(self) -> None:
        self.bids: dict[Decimal, Level] = {}
        self.asks: dict[Decimal, Level] = {}
        self._last_id: int | None = None
        self._waiting: list[tuple[int, dict[str, Any]]] = []
        self._tape: str | None = None

    def read(self, line: int, data: dict[str, Any]) -> list[Trade]:
        """Takes one message; returns the trades that happened with it."""
        if "lastUpdateId" in data:
            return self._snapshot(line, data)
        kind = data.get("e")
        if kind in _TRADES:
            # A stream of trades and one of aggregates tell the same trades twice.
            self._tape = self._tape or kind
            if kind != self._tape:
                return []
        elif kind != "depthUpdate":
            return []
        if self._last_id is None:
            self._waiting.append((line, data))
            return []
        return self._follow(line, data)

    def _follow(self, line: int, data: dict[str, Any]) -> list[Trade]:
        if data["e"] in _TRADES:
            return [Trade(data, line)]
        assert self._last_id is not None, "deltas wait for the snapshot"
        if data["u"] > self._last_id:
            self._last_id = data["u"]
            say(self.bids, data["b"], line)
            say(self.asks, data["a"], line)
        return []

    def _snapshot(self, line: int, data: dict[str, Any]) -> list[Trade]:
        if self._last_id is None:
            self._last_id = data["lastUpdateId"]
            say(self.bids, data["bids"], line)
            say(self.asks, data["asks"], line)
            waited, self._waiting = self._waiting, []
            return [trade for at, one in waited for trade in self._follow(at, one)]
        if data["lastUpdateId"] > self._last_id:
            self._last_id = data["lastUpdateId"]
            bids = {number(price): number(quantity) for price, quantity in data["bids"]}
            asks = {number(price): number(quantity) for price, quantity in data["asks"]}
            floor, roof = min(bids, default=ZERO), max(asks, default=ZERO)
            _replace(self.bids, bids, {price for price in self.bids if price >= floor}, line)
            _replace(self.asks, asks, {price for price in self.asks if price <= roof}, line)
        return []


def say(side: dict[Decimal, Level], levels: Iterable[Sequence[str]], line: int) -> None:
    """Takes over absolute quantities; what was taken of a level before is over with its update."""
    for price_text, quantity_text in levels:
        price, quantity = number(price_text), number(quantity_text)
        if quantity > 0:
            side[price] = Level(quantity, line)
        else:
            side.pop(price, None)


def _replace(
    side: dict[Decimal, Level], new: dict[Decimal, Decimal], reach: set[Decimal], line: int
) -> None:
    """After a hole: levels within the newer snapshot's reach are as it says, others stay."""
    for price in reach:
        if price not in new:
            del side[price]
    for price, quantity in new.items():
        known = side.get(price)
        if known is None or known.quantity != quantity:
            side[price] = Level(quantity, line)


class Source(Protocol):
    """Where the rows of one symbol come from."""

    def until(self, line: int) -> Iterator[Row]:
        """The rows up to and with that line that were not given before."""

    def reaches(self, line: int) -> bool:
        """Whether the recording is that long."""


class SymbolFiles:
    """The files of one symbol, one after the other; lines count on."""

    def __init__(self, symbol: str, paths: Sequence[Path]) -> None:
        self._rows = _messages(paths, symbol)
        self._next: Row | None = next(self._rows, None)
        self._last = 0

    def until(self, line: int) -> Iterator[Row]:
        """See Source."""
        while self._next is not None and self._next[0] <= line:
            row = self._next
            self._last = row[0]
            self._next = next(self._rows, None)
            yield row

    def reaches(self, line: int) -> bool:
        """See Source."""
        return line <= (self._last if self._next is None else self._next[0])


class SharedFile:
    """One file with the lines of many symbols, counted as they stand in it."""

    def __init__(self, path: Path) -> None:
        self._rows = _messages([path], "")
        self._waiting: dict[str, deque[Row]] = {}
        self._last = 0

    def of(self, symbol: str) -> Source:
        """The rows of one symbol."""
        self._waiting.setdefault(symbol, deque())
        return _Part(self, symbol)

    def take(self, symbol: str, line: int) -> Iterator[Row]:
        """Rows of one symbol up to a line; rows of others are kept for them."""
        while self._last < line:
            row = next(self._rows, None)
            if row is None:
                break
            self._last = row[0]
            self._waiting.setdefault(row[1], deque()).append(row)
        waiting = self._waiting[symbol]
        while waiting and waiting[0][0] <= line:
            yield waiting.popleft()

    @property
    def last(self) -> int:
        """The last line that was read."""
        return self._last


class _Part:
    def __init__(self, file: SharedFile, symbol: str) -> None:
        self._file, self._symbol = file, symbol

    def until(self, line: int) -> Iterator[Row]:
        return self._file.take(self._symbol, line)

    def reaches(self, line: int) -> bool:
        return line <= self._file.last


def sources(paths: Sequence[Path]) -> dict[str, Source]:
    """The files of each symbol in the order of their first receive time.

    Raises NotFoundError, RecordingError."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in paths:
        first_ns, symbol = _first(path)
        found.setdefault(symbol, []).append((first_ns, path))
    return {
        symbol: SymbolFiles(symbol, [path for _, path in sorted(files, key=lambda one: one[0])])
        for symbol, files in found.items()
    }


def number(text: Any) -> Decimal:
    """A decimal of its text. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not a number in quotes")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a number")
    return value


def _first(path: Path) -> tuple[int, str]:
    """When a file begins and which symbol it is about."""
    first_ns = 0
    for count, (recv_ns, frame) in enumerate(_frames(path), 1):
        first_ns = first_ns or recv_ns
        data = _decode(path, count, frame)
        if "s" in data:
            return first_ns, str(data["s"])
    raise RecordingError(f"{path}: names no symbol")


def _messages(paths: Sequence[Path], symbol: str) -> Iterator[Row]:
    """Depth, snapshots and trades of files, numbered on from one to the next."""
    line = 0
    for path in paths:
        for _, frame in _frames(path):
            line += 1
            if b"@bookTicker" in frame[:80]:
                yield line, symbol, {}
                continue
            data = _decode(path, line, frame)
            yield line, str(data.get("s", symbol)), data


def _decode(path: Path, line: int, frame: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise RecordingError(f"{path}, line {line}: unreadable JSON: {error}") from None
    data = message.get("data", message) if isinstance(message, dict) else None
    if not isinstance(data, dict):
        raise RecordingError(f"{path}, line {line}: {frame[:60]!r} is not a message")
    return data


def _frames(path: Path) -> Iterator[tuple[int, bytes]]:
    count = 0
    try:
        with _open(path) as file:
            for line in file:
                count += 1
                time_text, _, frame = line.partition(b" ")
                yield int(time_text), frame
    except ValueError:
        raise RecordingError(f"{path}, line {count}: not '<receive time ns> <json>'") from None
    except (EOFError, OSError, lzma.LZMAError) as error:
        raise RecordingError(f"{path}, after line {count}: cannot be read: {error}") from None


def _open(path: Path) -> IO[bytes]:
    if not path.is_file():
        raise NotFoundError(f"no such recording: {path}")
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"\xfd7zXZ"):
        return cast("IO[bytes]", lzma.open(path, "rb"))
    if head.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")
