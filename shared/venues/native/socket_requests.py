"""Requests of the WebSocket API as frames, and their answers as a REST exchange would leave them.

The same parameters as over HTTP, sorted by name and signed with the key among them; a test holds
the frames equal to those that ccxt makes of them. Answers are put into the words of HTTP, so that
one table judges both.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson

from shared.errors import MessageError
from shared.messages.base import Reader
from shared.venues.native.signing import Signer
from shared.venues.transport import Access, Exchanged

METHODS: Final = {
    "privatePostOrder": "order.place",
    "privatePostOrderListOco": "orderList.place.oco",
    "privateDeleteOrder": "order.cancel",
}
"""What goes over the socket, by ccxt's name of its REST method."""

SUBSCRIBE: Final = "userDataStream.subscribe.signature"
_INTERVALS: Final = {"SECOND": "s", "MINUTE": "m", "HOUR": "h", "DAY": "d"}
_HEADERS: Final = {"REQUEST_WEIGHT": "x-mbx-used-weight-", "ORDERS": "x-mbx-order-count-"}


class Limit(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One of the venue's counters, as it stands after a request."""

    rate_limit_type: str
    interval: str
    interval_num: int
    count: int


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A frame: an answer when it has a status, otherwise a push."""

    id: int | str | None = None
    status: int | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    rate_limits: msgspec.Raw = msgspec.field(name="rateLimits", default=msgspec.Raw())
    event: msgspec.Raw = msgspec.Raw()


class _Times(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    server_time: int = 0
    retry_after: int = 0


class _Refused(msgspec.Struct, frozen=True, kw_only=True):
    data: _Times | None = None


ENVELOPE: Final = Reader(Envelope)
_LIMITS: Final = Reader(tuple[Limit, ...])
_REFUSED: Final = Reader(_Refused)


class FrameBuilder:
    """Builds signed frames of one account."""

    def __init__(self, access: Access) -> None:
        self._sign = Signer(access.credentials.api_secret).sign
        self._api_key = access.credentials.api_key
        self._recv_window = access.recv_window_ms

    def build(self, method: str, params: dict[str, str], number: str, timestamp_ms: int) -> bytes:
        """The frame of request `number`."""
        named: dict[str, Any] = {
            **params,
            "apiKey": self._api_key,
            "recvWindow": self._recv_window,
            "timestamp": timestamp_ms,
        }
        named = {name: named[name] for name in sorted(named)}
        text = "&".join([f"{name}={value}" for name, value in named.items()])
        named["signature"] = self._sign(text.encode())
        return orjson.dumps({"id": number, "method": method, "params": named})


def fill(record: Exchanged, envelope: Envelope) -> None:
    """Puts an answer's status, counters and body where HTTP would have put them.

    Raises MessageError for an answer whose parts cannot be read."""
    is_ok = envelope.status == 200
    headers = _counters(bytes(envelope.rate_limits)) if envelope.rate_limits else {}
    body = bytes(envelope.result if is_ok else envelope.error)
    if envelope.status in (418, 429) and body:
        times = _REFUSED.read(body).data
        if times is not None and times.retry_after > times.server_time > 0:
            pause_ms = times.retry_after - times.server_time
            headers["retry-after"] = str(-(-pause_ms // 1000))
    try:
        record.body = body.decode()
    except UnicodeDecodeError as error:
        raise MessageError(f"an answer that is not UTF-8: {error.reason}") from error
    record.headers = headers
    record.status = envelope.status or 0


def _counters(raw: bytes) -> dict[str, str]:
    """`x-mbx-used-weight-1m` and its like."""
    return {
        f"{_HEADERS[one.rate_limit_type]}{one.interval_num}{_INTERVALS[one.interval]}": str(
            one.count
        )
        for one in _LIMITS.read(raw)
        if one.rate_limit_type in _HEADERS and one.interval in _INTERVALS
    }
