"""Where somebody may come between the venue and its clients: the points that faults are put in.

The protocol and the sockets know these points only; what happens there is decided by the fault
plan. Without one, the venue holds no interference at all and pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec

Channel = Literal["market", "user"]
"""Public streams, and the events of accounts."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it came in, before anything was checked."""

    operation: str
    """The WebSocket API's name of it, such as `order.place`, on both doors."""
    method: str
    """GET, POST, PUT or DELETE; WS on the WebSocket API."""
    path: str
    symbol: str
    """Empty when the request names none."""
    writes: bool
    """Whether it may change orders."""
    request_id: int | str | None = None
    """What the answer must say again; of the WebSocket API only."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What would be sent back."""

    status: int
    body: bytes
    headers: dict[str, str] = {}


class Passage(msgspec.Struct, frozen=True):
    """One outgoing message after a fault: these bytes, so much later; or the connection's end."""

    data: bytes
    after_ms: int = 0
    cut: bool = False


class Interference(Protocol):
    """What a fault plan decides; asked for every request and every outgoing message."""

    def clock_skew_ms(self) -> int:
        """Added to the venue's own time wherever a client can see or meet it."""

    async def around(self, asked: Asked, answer: Callable[[], Answer]) -> Answer | None:
        """Carries a request out, or not, or late, or answers something else; None cuts the
        connection without an answer. `answer` does the work, at most once: it looks at the
        request's timestamp again, because time may have passed since the request came."""

    def outgoing(self, channel: Channel, name: str, data: bytes) -> Sequence[Passage] | None:
        """What leaves instead of one message; None for the message as it is, at once.

        `name` is the stream (`btcusdt@depth@100ms`), or the event's kind on the user channel."""
