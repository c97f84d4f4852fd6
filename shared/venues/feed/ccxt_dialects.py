"""What is known of the raw order book messages of venues that ccxt connects to: one row per venue.

A row reads a venue's message into updates, with whatever numbers or checksum it carries; the checks
themselves are in `ccxt_book.py`. A venue without a row is read through ccxt's unified order book,
whose own checks are then the only ones: none, on some venues. Pure; no ccxt here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple
from zlib import crc32

import msgspec

from shared.units import decimal_from_text, plain

Level = tuple[str, str]
"""(price, quantity) in plain text; a quantity of zero removes the level."""
Message = Mapping[str, Any]


class Update(NamedTuple):
    """What one message says of one book; numbers are None where the venue has none."""

    market: str
    """The venue's name of it, or ccxt's unified one; see `VenueRow.names`."""
    snapshot: bool
    bids: Sequence[Level]
    asks: Sequence[Level]
    event_ms: int = 0
    previous: int | None = None
    """The number of the update that this one follows."""
    first: int | None = None
    last: int | None = None
    checksum: int | None = None


Checksum = Callable[[Sequence[Level], Sequence[Level], int, int], int]
"""Of the best bids and asks, best first, and the decimals of price and quantity."""


class VenueRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue's books are read and checked."""

    name: str
    """ccxt's id."""
    checks: str
    """What is checked, in words."""
    read: Callable[[Message], tuple[Update, ...] | None]
    """None for a message that is no book, or one of another shape; ccxt handles it then. Raises
    KeyError, TypeError, ValueError, AttributeError for a book that cannot be read."""
    snapshots: Literal["streamed", "fetched"] = "streamed"
    """Fetched ones come by REST, and the deltas that were held are joined with them."""
    checksum: Checksum | None = None
    checksum_levels: int = 0
    depth: int = 0
    """Levels asked for in the subscription; 0 is ccxt's choice."""
    keeps_depth: int = 0
    """Levels of a side beyond so many are dropped by us: the venue does not say when they go."""
    names: Literal["id", "symbol"] = "id"
    numbers_are_bare: bool = False
    """Prices and quantities are JSON numbers: they are read as text, lest digits get lost."""
    connection_number: Callable[[Message], int | None] | None = None
    """The number of a message among all of its connection."""


# ---- OKX


def _okx(message: Message) -> tuple[Update, ...] | None:
    arg = message.get("arg")
    action = message.get("action")
    if not isinstance(arg, dict) or arg.get("channel") != "books" or action is None:
        return None
    if action not in ("snapshot", "update"):
        raise ValueError(f"action {action!r}")
    return tuple(
        Update(
            arg["instId"],
            action == "snapshot",
            _pairs(book["bids"]),
            _pairs(book["asks"]),
            int(book["ts"]),
            previous=_integer(book.get("prevSeqId")),
            last=_integer(book.get("seqId")),
            # The venue says 0 where it has stopped counting.
            checksum=_integer(book.get("checksum")) or None,
        )
        for book in message["data"]
    )


def okx_checksum(bids: Sequence[Level], asks: Sequence[Level], _p: int = 0, _q: int = 0) -> int:
    """CRC32 of bid and ask in turns, as the venue wrote them; signed."""
    parts: list[str] = []
    for place in range(max(len(bids), len(asks))):
        if place < len(bids):
            parts += bids[place]
        if place < len(asks):
            parts += asks[place]
    value = crc32(":".join(parts).encode("ascii"))
    return value - (1 << 32) if value >> 31 else value


# ---- Kraken


def _kraken(message: Message) -> tuple[Update, ...] | None:
    if message.get("channel") != "book" or "data" not in message:
        return None
    if message["type"] not in ("snapshot", "update"):
        raise ValueError(f"type {message['type']!r}")
    return tuple(
        Update(
            book["symbol"],
            message["type"] == "snapshot",
            [(_text(level["price"]), _text(level["qty"])) for level in book["bids"]],
            [(_text(level["price"]), _text(level["qty"])) for level in book["asks"]],
            checksum=int(book["checksum"]),
        )
        for book in message["data"]
    )


def kraken_checksum(
    bids: Sequence[Level], asks: Sequence[Level], price_places: int, quantity_places: int
) -> int:
    """CRC32 of asks, then bids: digits with all decimals, no point and no zeros in front."""
    text = "".join(
        _digits(price, price_places) + _digits(quantity, quantity_places)
        for price, quantity in (*asks, *bids)
    )
    return crc32(text.encode("ascii"))


def _digits(number: str, places: int) -> str:
    return str(int(decimal_from_text(number).scaleb(places)))


# ---- Coinbase


def _coinbase(message: Message) -> tuple[Update, ...] | None:
    if message.get("channel") != "l2_data":
        return None
    return tuple(_coinbase_book(event) for event in message["events"])


def _coinbase_book(event: Message) -> Update:
    if event["type"] not in ("snapshot", "update"):
        raise ValueError(f"type {event['type']!r}")
    bids: list[Level] = []
    asks: list[Level] = []
    sides = {"bid": bids, "offer": asks, "ask": asks}
    for level in event["updates"]:
        sides[level["side"]].append((level["price_level"], level["new_quantity"]))
    return Update(event["product_id"], event["type"] == "snapshot", bids, asks)


def _coinbase_number(message: Message) -> int | None:
    return _integer(message.get("sequence_num"))


# ---- KuCoin


def _kucoin(message: Message) -> tuple[Update, ...] | None:
    if message.get("subject") != "trade.l2update":
        return None
    data = message["data"]
    changes = data["changes"]
    return (
        Update(
            data["symbol"],
            False,
            _without_marks(changes["bids"]),
            _without_marks(changes["asks"]),
            int(data.get("time", 0)),
            first=int(data["sequenceStart"]),
            last=int(data["sequenceEnd"]),
        ),
    )


def _without_marks(levels: Iterable[Sequence[str]]) -> list[Level]:
    # A price of 0 only uses up a number.
    return [(level[0], level[1]) for level in levels if level[0] != "0"]


# ---- Gate


def _gate(message: Message) -> tuple[Update, ...] | None:
    if message.get("channel") != "spot.obu" or message.get("event") != "update":
        return None
    book = message["result"]
    whole = bool(book.get("full"))
    last = int(book["u"])
    return (
        Update(
            # ob.BTC_USDT.50
            book["s"].split(".")[1],
            whole,
            _pairs(book.get("b", ())),
            _pairs(book.get("a", ())),
            int(book["t"]),
            first=last if whole else int(book["U"]),
            last=last,
        ),
    )


# ---- Binance and its like


def _binance(message: Message) -> tuple[Update, ...] | None:
    if message.get("e") != "depthUpdate":
        return None
    return (
        Update(
            message["s"],
            False,
            _pairs(message["b"]),
            _pairs(message["a"]),
            int(message["E"]),
            first=int(message["U"]),
            last=int(message["u"]),
        ),
    )


ROWS: Final = {
    row.name: row
    for row in (
        VenueRow(
            name="okx",
            checks="prevSeqId = the last seqId; CRC32 of the best 25 levels where it is sent",
            read=_okx,
            checksum=okx_checksum,
            checksum_levels=25,
        ),
        VenueRow(
            name="kraken",
            checks="CRC32 of the best 10 levels",
            read=_kraken,
            checksum=kraken_checksum,
            checksum_levels=10,
            depth=100,
            keeps_depth=100,
            names="symbol",
            numbers_are_bare=True,
        ),
        VenueRow(
            name="coinbase",
            checks="sequence_num of every message of a connection",
            read=_coinbase,
            connection_number=_coinbase_number,
        ),
        VenueRow(
            name="kucoin",
            checks="sequenceStart = the last sequenceEnd + 1, joined with the snapshot's sequence",
            read=_kucoin,
            snapshots="fetched",
        ),
        VenueRow(
            name="gate",
            checks="U = the last u + 1",
            read=_gate,
        ),
        VenueRow(
            name="binanceus",
            checks="U = the last u + 1, joined with the snapshot's lastUpdateId",
            read=_binance,
            snapshots="fetched",
        ),
    )
}
"""Every venue whose raw messages are known."""

NONE_KNOWN: Final = "none known: ccxt's unified order book as ccxt checks it"


def checks_of(name: str) -> str:
    """What of a venue's order book is checked by us, in words."""
    row = ROWS.get(name)
    return NONE_KNOWN if row is None else row.checks


# ---- numbers


def _pairs(levels: Iterable[Sequence[str]]) -> list[Level]:
    return [(level[0], level[1]) for level in levels]


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


def _text(number: Any) -> str:
    """A bare JSON number that was read as text or as an integer, in plain decimals."""
    text = number if isinstance(number, str) else str(int(number))
    return plain(decimal_from_text(text)) if "e" in text.lower() else text


def text_of_float(value: Any) -> str:
    """The plain decimal text of ccxt's number, exact to its own digits. NumberError for what is
    not finite; a number that a float cannot hold to the last digit is what ccxt made of it."""
    if isinstance(value, float):
        text = repr(value)
        # As a price or a quantity mostly is; "n" is in nan and inf.
        if "e" not in text and "n" not in text:
            return text.removesuffix(".0")
    if isinstance(value, Decimal):
        return plain(value)
    return plain(decimal_from_text(repr(value) if isinstance(value, float) else str(value)))
