"""What a venue says on connections of our own: HTTP answers in pieces, frames of a session."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from typing import Any

from fuzz_engine import Target
from fuzz_target_venues import INFO, KEYS, ORDER, POSITION, REPORT, text

from shared.clock import EngineClock
from shared.errors import MessageError
from shared.venues.feed.http import HttpError
from shared.venues.native.http_reader import HttpReader
from shared.venues.native.socket_requests import ENVELOPE, Envelope, fill
from shared.venues.native.user_stream import NativeUserStream
from shared.venues.transport import Access, Exchanged

MOST_BYTES = 4096
HEAD = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nX-MBX-USED-WEIGHT-1M: 7\r\n"
ERROR = {"code": -1003, "msg": "no", "data": {"serverTime": 1, "retryAfter": 9000}}
LIMITS = [
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 12},
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "count": 3},
]


def native_targets() -> Iterator[Target]:
    """The reader of answers, and that of frames."""
    order, info = text(ORDER, INFO)
    zipped = gzip.compress(info, mtime=0)
    answers = [
        HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(order), order),
        HEAD
        + b"Transfer-Encoding: chunked\r\n\r\n10\r\n%b\r\n%x;a=b\r\n%b\r\n0\r\nA: b\r\n\r\n"
        % (order[:16], len(order) - 16, order[16:]),
        b"HTTP/1.1 103 Early Hints\r\n\r\n"
        + HEAD
        + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(zipped), zipped),
        HEAD + b"Connection: close\r\n\r\n" + order,
        b"HTTP/1.1 429 Too Many\r\nRetry-After: 5\r\nContent-Length: 2\r\n\r\n{}",
    ]
    yield Target(name="native.http", samples=answers, read=_in_pieces, refusals=(HttpError,))
    frames = text(
        {"id": "1", "status": 200, "result": ORDER, "rateLimits": LIMITS},
        {"id": 1, "status": 429, "error": ERROR, "rateLimits": []},
        {"subscriptionId": 0, "event": REPORT},
    )
    yield Target(name="native.frames", samples=frames, read=_answered, refusals=(MessageError,))
    pushes = text({"subscriptionId": 0, "event": REPORT}, POSITION, {"event": {"e": "x"}})
    yield Target(name="native.pushes", samples=pushes, read=_pushes(), refusals=(MessageError,))


def _in_pieces(data: bytes) -> Any:
    """However it is split, the answer is the same; never more than was allowed."""
    whole = _read(data, len(data) + 1)
    for size in (1, 7):
        assert _read(data, size) == whole, f"another answer in pieces of {size}"
    return whole


def _read(data: bytes, size: int) -> Any:
    reader = HttpReader(MOST_BYTES)
    for start in range(0, len(data), size):
        answer = reader.feed(data[start : start + size])
        if answer is not None:
            break
    else:
        answer = reader.end()
    if answer is None:
        raise HttpError("nothing was said")
    assert len(answer.body) <= MOST_BYTES
    return answer.status, answer.headers, answer.body


def _answered(data: bytes) -> Any:
    envelope: Envelope = ENVELOPE.read(data)
    record = Exchanged(sent=True)
    fill(record, envelope)
    for name in ("retry-after", "x-mbx-order-count-10s"):
        assert record.headers.get(name, "0").lstrip("-").isdigit()
    return record.status, record.headers, record.body


def _pushes() -> Any:
    """Malformed ones are counted, others delivered; nothing ends the stream but its last words."""
    access = Access(venue="binance", mode="testnet", credentials=KEYS)
    stream = NativeUserStream(access, EngineClock(), None, lambda: 1)  # type: ignore[arg-type]
    told: list[Any] = []
    stream._deliver = told.append
    loop = asyncio.new_event_loop()

    def read(data: bytes) -> Any:
        told.clear()
        stream._lost = loop.create_future()
        stream._take(ENVELOPE.read(data), data)
        return told

    return read
