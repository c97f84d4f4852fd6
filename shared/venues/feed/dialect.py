"""How each venue of a native feed wants to be spoken to: one row per venue, all in one table.

A dialect is a noun: addresses, topics, how to subscribe and to ping, which scanner reads its
frames, where its snapshots come from, and its limits. `stream.py` does what it says. Another venue
whose frames core_ext reads is another row here, and its REST part in `choose.py`.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
import orjson

from core_ext.codes import Dialect
from core_ext.join import Remedy

HOUR_S: Final = 3600.0


NEVER: Final = b"\x00"
"""No JSON begins with it."""


class Said(msgspec.Struct, frozen=True):
    """What a message told the stream that does not begin as data usually do."""

    what: Literal["answer", "pong", "leaving", "data", "nothing"]
    number: int = 0
    """Of the request that is answered."""
    refusal: Any = None
    """Why it was refused; None when it was not."""


NOTHING_SAID: Final = Said("nothing")
DATA_SAID: Final = Said("data")


class Manners(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue's sockets are talked to; shared by its markets.

    Every venue's own say both methods. Only a venue's that is written without one, a bug, gets to
    the errors here, with its first subscription.
    """

    data_prefix: bytes
    """How a data frame begins; everything else is read as control."""
    announcement_prefix: bytes
    """How what begins so is an announcement after all; no message begins with NEVER."""
    ping: bytes = b""
    """The application's ping; empty where the protocol's own is enough."""
    ping_s: float = 0.0

    def request(self, subscribe: bool, topics: list[str], number: int) -> bytes:
        """A request to add or to drop topics."""
        raise NotImplementedError

    def hear(self, said: dict[str, Any]) -> Said:
        """What a control message means."""
        raise NotImplementedError


class BinanceManners(Manners, frozen=True, kw_only=True):
    """Combined streams: {"stream": …, "data": …}, answers by id, announcements from "!"."""

    data_prefix: bytes = b'{"stream":"'
    announcement_prefix: bytes = b'{"stream":"!'

    def request(self, subscribe: bool, topics: list[str], number: int) -> bytes:
        """SUBSCRIBE or UNSUBSCRIBE."""
        method = "SUBSCRIBE" if subscribe else "UNSUBSCRIBE"
        return orjson.dumps({"method": method, "params": topics, "id": number})

    def hear(self, said: dict[str, Any]) -> Said:
        """Acknowledgements, refusals, and the announced end of a server."""
        data = said.get("data", said)
        if isinstance(data, dict) and data.get("e") == "serverShutdown":
            return Said("leaving")
        number = said.get("id")
        if isinstance(number, int):
            return Said("answer", number, said.get("error"))
        return DATA_SAID if "stream" in said else NOTHING_SAID


class BybitManners(Manners, frozen=True, kw_only=True):
    """{"topic": …, "type": …, "data": …}; answers by req_id; a ping that the client must send."""

    data_prefix: bytes = b'{"topic":"'
    announcement_prefix: bytes = NEVER
    ping: bytes = b'{"op":"ping"}'
    ping_s: float = 20.0

    def request(self, subscribe: bool, topics: list[str], number: int) -> bytes:
        """subscribe or unsubscribe."""
        op = "subscribe" if subscribe else "unsubscribe"
        return orjson.dumps({"req_id": str(number), "op": op, "args": topics})

    def hear(self, said: dict[str, Any]) -> Said:
        """Pongs, acknowledgements and refusals."""
        if said.get("op") == "pong" or said.get("ret_msg") == "pong":
            return Said("pong")
        number = said.get("req_id")
        if said.get("op") in ("subscribe", "unsubscribe") and isinstance(number, str):
            refused = said.get("success") is not True
            if number.isascii() and number.isdigit() and len(number) < 10:
                refusal = str(said.get("ret_msg", "no reason given")) if refused else None
                return Said("answer", int(number), refusal)
        return DATA_SAID if "topic" in said else NOTHING_SAID


class FeedDialect(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's market, as its native feed speaks with it."""

    name: str
    """What `venue.name` calls it."""
    rest: str
    """Public base address; a testnet's in `testnet_rest`, empty where there is none."""
    testnet_rest: str
    ws: str
    testnet_ws: str
    ws_path: str
    """Behind the base address, whoever serves it."""
    topics: tuple[str, ...]
    """Of one symbol, the book's first; {symbol} as the venue writes it, {lower} in lower case."""
    frames: Dialect
    """Which scanner reads the frames, and by which rule its deltas follow each other."""
    remedy: Remedy
    """Whether snapshots are fetched, or come in the stream after a subscription."""
    manners: Manners
    symbols_per_connection: int
    topics_per_message: int
    messages_per_s: float
    refuses_whole: bool = False
    """One topic that does not exist makes the venue refuse all of a request."""
    inverse: bool = False
    """Quantities are contracts worth a fixed amount of the quote asset: what a quote calls depth
    in quote units is contracts times price there."""
    rotate_s: float = 23.5 * HOUR_S
    """Replaced at this age, before the venue cuts it."""

    def topics_of(self, symbol: str) -> list[str]:
        """The topics of a symbol."""
        return [topic.format(symbol=symbol, lower=symbol.lower()) for topic in self.topics]

    def book_topic(self, symbol: str) -> str:
        """The topic whose subscription brings a symbol's snapshot."""
        return self.topics_of(symbol)[0]


BINANCE_MANNERS: Final = BinanceManners()
BYBIT_MANNERS: Final = BybitManners()

BINANCE: Final = FeedDialect(
    name="binance",
    rest="https://api.binance.com",
    testnet_rest="https://testnet.binance.vision",
    ws="wss://stream.binance.com:9443",
    testnet_ws="wss://stream.testnet.binance.vision",
    ws_path="/stream",
    topics=("{lower}@depth@100ms", "{lower}@trade", "{lower}@bookTicker"),
    frames=Dialect.BINANCE_SPOT,
    remedy=Remedy.FETCH,
    manners=BINANCE_MANNERS,
    # Three streams each: below the venue's 1024 streams a connection, and its 5 messages a second.
    symbols_per_connection=300,
    topics_per_message=200,
    messages_per_s=4.0,
)
BINANCE_USDM: Final = FeedDialect(
    name="binanceusdm",
    rest="https://fapi.binance.com",
    testnet_rest="https://testnet.binancefuture.com",
    ws="wss://fstream.binance.com/public",
    testnet_ws="wss://fstream.binancefuture.com",
    ws_path="/stream",
    topics=("{lower}@depth@100ms", "{lower}@trade", "{lower}@bookTicker"),
    frames=Dialect.BINANCE_FUTURES,
    remedy=Remedy.FETCH,
    manners=BINANCE_MANNERS,
    # At most 200 streams a connection and 10 messages a second.
    symbols_per_connection=60,
    topics_per_message=100,
    messages_per_s=5.0,
)
BINANCE_COINM: Final = msgspec.structs.replace(
    BINANCE_USDM,
    name="binancecoinm",
    rest="https://dapi.binance.com",
    ws="wss://dstream.binance.com",
    testnet_ws="wss://dstream.binancefuture.com",
    # Single trades are no documented stream there; aggregates are.
    topics=("{lower}@depth@100ms", "{lower}@aggTrade", "{lower}@bookTicker"),
    inverse=True,
)
BYBIT: Final = FeedDialect(
    name="bybit",
    rest="https://api.bybit.com",
    testnet_rest="https://api-testnet.bybit.com",
    ws="wss://stream.bybit.com",
    testnet_ws="wss://stream-testnet.bybit.com",
    ws_path="/v5/public/spot",
    topics=("orderbook.200.{symbol}", "publicTrade.{symbol}"),
    frames=Dialect.BYBIT,
    remedy=Remedy.SUBSCRIBE,
    manners=BYBIT_MANNERS,
    # A request takes ten topics; a connection is asked for all of them within three seconds.
    symbols_per_connection=100,
    topics_per_message=10,
    messages_per_s=10.0,
    refuses_whole=True,
)
BYBIT_LINEAR: Final = msgspec.structs.replace(
    BYBIT,
    name="bybitlinear",
    ws_path="/v5/public/linear",
    topics_per_message=100,
)

NATIVE: Final = {
    dialect.name: dialect for dialect in (BINANCE, BINANCE_USDM, BINANCE_COINM, BYBIT, BYBIT_LINEAR)
}
"""Every venue that has a native feed, by name."""
