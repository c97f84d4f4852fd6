"""An order from the decision to the kernel, and its answer back, in several hands.

Every hand sends the same limit order to the same peer process and waits for its answer: route's
own session over HTTP and over the WebSocket API, ccxt's async client, and, as the limit of what
Python can do, a blocking socket with a prepared request.
"""

from __future__ import annotations

import socket
import time
from decimal import Decimal
from typing import Any, Final, Protocol, cast

import aiohttp
import orjson

from bench.order_peer import CLIENT_ID
from shared.clock import EngineClock, wall_ms
from shared.errors import SeawallError
from shared.messages.venue import OrderKind, Outcome, PlaceOrder, Side, TimeInForce
from shared.venues.binance_requests import place_order
from shared.venues.credentials import Credentials
from shared.venues.native.live_spot import LiveSpot
from shared.venues.native.requests import RequestBuilder
from shared.venues.native.signing import Signer
from shared.venues.native.socket_transport import SocketTransport
from shared.venues.native.transport import NativeTransport
from shared.venues.transport import Access

KEYS: Final = Credentials(api_key="a" * 64, api_secret="b" * 64)
ORDER: Final = PlaceOrder(
    symbol="BTCUSDT",
    client_id=CLIENT_ID,
    side=Side.BUY,
    kind=OrderKind.LIMIT,
    quantity=Decimal("0.001"),
    price=Decimal("50000.1"),
    time_in_force=TimeInForce.GTC,
)
MARKET: Final = {
    "id": "BTCUSDT",
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "baseId": "BTC",
    "quoteId": "USDT",
    "type": "spot",
    "spot": True,
    "margin": False,
    "swap": False,
    "future": False,
    "option": False,
    "contract": False,
    "linear": None,
    "inverse": None,
    "active": True,
    "precision": {"price": 0.01, "amount": 0.00001},
    "limits": {"amount": {}, "price": {}, "cost": {}, "market": {}},
    "info": {"orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT"]},
}
now: Final = time.perf_counter_ns


class Hand(Protocol):
    """One way to place an order."""

    async def open(self) -> None:
        """Connects."""

    async def place(self) -> int:
        """Places an order and reads its answer; when its bytes were written, by `now`."""

    async def close(self) -> None:
        """Disconnects."""


class _WatchedSocket:
    """A socket that notes when the kernel has taken what was sent, for all of its kind."""

    sent_ns = 0

    def __init__(self, genuine: socket.socket) -> None:
        self._genuine = genuine

    def send(self, data: bytes) -> int:
        """Sends, then looks at the clock."""
        count = self._genuine.send(data)
        _WatchedSocket.sent_ns = now()
        return count


def _access(http_port: int, socket_port: int, orders: str) -> Access:
    return Access(
        venue="local",
        mode="paper",
        credentials=KEYS,
        rest=f"http://127.0.0.1:{http_port}",
        ws=f"ws://127.0.0.1:{socket_port}",
        orders=orders,
    )


class OwnSession:
    """Route's session: budget, request, signature, write; answer judged and read into structs."""

    def __init__(self, http_port: int, socket_port: int, orders: str = "http") -> None:
        self._venue = LiveSpot(_access(http_port, socket_port, orders), EngineClock())
        self._venue.budget.orders.limit = self._venue.budget.weight.limit = 10**9
        self._is_seen = orders == "http"

    async def open(self) -> None:
        """Connects; every connection that carries an order is watched."""
        transport = self._venue._transport
        if isinstance(transport, SocketTransport):
            await transport.open_session()
        elif isinstance(transport, NativeTransport):
            pool = transport._connections
            genuine = pool._connect

            async def connect(*address: Any) -> Any:
                connection = await genuine(*address)
                assert connection._plain is not None
                connection._plain = cast("socket.socket", _WatchedSocket(connection._plain))
                return connection

            pool._connect = connect  # type: ignore[method-assign]
            pool.give_back(await pool.open())

    async def place(self) -> int:
        """See Hand; 0 where the instant of the write cannot be seen."""
        answered = await self._venue.call(ORDER)
        if answered.outcome is not Outcome.OK:
            raise SeawallError(f"bench order: {answered.outcome}: {answered.text}")
        return _WatchedSocket.sent_ns if self._is_seen else 0

    async def close(self) -> None:
        """See Hand."""
        await self._venue.close()


class OwnBuilder:
    """Request and signature alone: what is left once the kernel's part is taken off."""

    def __init__(self, http_port: int, socket_port: int) -> None:
        access = _access(http_port, socket_port, "http")
        self._builder = RequestBuilder(access, f"127.0.0.1:{http_port}")

    async def open(self) -> None:
        """See Hand."""

    async def place(self) -> int:
        """See Hand."""
        self._builder.build(place_order(ORDER), wall_ms())
        return now()

    async def close(self) -> None:
        """See Hand."""


class OwnTransport:
    """Request, signature, write, and the answer as plain JSON: no budget, no judgement."""

    def __init__(self, http_port: int, socket_port: int) -> None:
        access = _access(http_port, socket_port, "http")
        self._transport = NativeTransport(access)
        self._builder = RequestBuilder(access, f"127.0.0.1:{http_port}")

    async def open(self) -> None:
        """See Hand."""
        self._connection = await self._transport._connections.open()

    async def place(self) -> int:
        """See Hand."""
        connection = self._connection
        waiter = connection.send(self._builder.build(place_order(ORDER), wall_ms()))
        sent_ns = now()
        orjson.loads((await connection.answer(waiter, 5.0)).body)
        # The pool takes a connection back after its answer; this hand keeps its own.
        self._transport._connections.take()
        return sent_ns

    async def close(self) -> None:
        """See Hand."""
        await self._transport.close()


class CcxtAsync:
    """ccxt's create_order, on the same event loop."""

    def __init__(self, http_port: int, socket_port: int) -> None:
        self._address = f"http://127.0.0.1:{http_port}/api/v3"
        self._sent_ns = 0

    async def open(self) -> None:
        """See Hand."""
        from ccxt.async_support import binance

        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(self._note)
        self._session = aiohttp.ClientSession(trace_configs=[trace])
        self._exchange = binance(
            {
                "apiKey": KEYS.api_key,
                "secret": KEYS.api_secret,
                "session": self._session,
                "enableRateLimit": False,
                "options": {"defaultType": "spot", "fetchCurrencies": False},
                "urls": {"api": {"public": self._address, "private": self._address}},
            }
        )
        self._exchange.set_markets([MARKET])

    async def place(self) -> int:
        """See Hand; the instant is a little before the write, in ccxt's favour."""
        params = {"clientOrderId": CLIENT_ID, "timeInForce": "GTC"}
        placed = await self._exchange.create_order(
            "BTC/USDT", "limit", "buy", 0.001, 50000.1, params
        )
        if placed["id"] is None:
            raise SeawallError("bench order: ccxt read no order")
        return self._sent_ns

    async def close(self) -> None:
        """See Hand."""
        await self._exchange.close()
        await self._session.close()

    async def _note(self, *_: Any) -> None:
        self._sent_ns = now()


class BlockingSocket:
    """A blocking socket, a request that is formatted and signed, its JSON read: nothing else."""

    def __init__(self, http_port: int, socket_port: int) -> None:
        self._port = http_port
        self._sign = Signer(KEYS.api_secret).sign
        self._head = (
            f"POST /api/v3/order HTTP/1.1\r\nHost: 127.0.0.1:{http_port}\r\nX-MBX-APIKEY: "
            f"{KEYS.api_key}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            "Content-Length: %d\r\n\r\n%b&signature=%b"
        ).encode()

    async def open(self) -> None:
        """See Hand."""
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def place(self) -> int:
        """See Hand."""
        payload = (
            b"timestamp=%d&symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=%b&newClientOrderId=%b"
            b"&newOrderRespType=FULL&price=%b&timeInForce=GTC&recvWindow=5000"
            % (wall_ms(), b"0.001", CLIENT_ID.encode(), b"50000.1")
        )
        size = len(payload) + 75
        self._socket.send(self._head % (size, payload, self._sign(payload).encode()))
        sent_ns = now()
        data = self._socket.recv(65_536)
        head, _, body = data.partition(b"\r\n\r\n")
        at = head.find(b"Content-Length: ")
        if len(body) != int(head[at + 16 :].split(b"\r\n", 1)[0]):
            raise SeawallError("bench order: an answer in parts")
        orjson.loads(body)
        return sent_ns

    async def close(self) -> None:
        """See Hand."""
        self._socket.close()
