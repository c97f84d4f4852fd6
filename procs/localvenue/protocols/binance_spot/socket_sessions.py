"""Sessions of the WebSocket API: whose events a connection hears, and the methods about that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson

from procs.localvenue.interference import Interference
from procs.localvenue.matching.model import Refusal
from procs.localvenue.protocols.binance_spot import user_events
from procs.localvenue.protocols.binance_spot.params import RefusedError
from procs.localvenue.protocols.binance_spot.route import SIGNED_NAMES, unread_names
from procs.localvenue.protocols.binance_spot.socket_requests import SocketRequest
from procs.localvenue.protocols.binance_spot.sockets import ClientSocket
from procs.localvenue.shell import Venue

ACTIVE_MAX: Final = 1_000
LIFETIME_MAX: Final = 65_535
"""Subscriptions of one session at a time, and in all; the exchange's own numbers."""

NOT_LOGGED_ON: Final = Refusal(-1002, "You are not authorized to execute this request.", 401)
HMAC_CANNOT_LOG_ON: Final = Refusal(-4056, "HMAC_SHA256 API key is not supported.")
ALREADY_SUBSCRIBED: Final = Refusal(
    -1191, "Similar subscription is already active on this connection."
)
TOO_MANY: Final = Refusal(
    -1191,
    f"Too many subscriptions. Connection may create up to '{ACTIVE_MAX}' subscriptions at a time.",
)
USED_UP: Final = Refusal(
    -1191,
    f"Too many subscriptions. Connection may create up to '{LIFETIME_MAX}' subscriptions.",
)

PARAMETERS: Final = {"userDataStream.unsubscribe": frozenset({"subscriptionId"})}
"""What methods take that need no signature; the others take nothing."""

Method = Callable[["Session", SocketRequest, str | None], Any]


class Session:
    """One connection and the accounts whose events it hears."""

    def __init__(
        self,
        client: ClientSocket,
        *,
        address: str,
        connected_ms: int,
        shows_limits: bool,
        factor: int = 1,
    ) -> None:
        """`factor`: what its times in milliseconds are multiplied by; 1000 for microseconds."""
        self.client = client
        self.address = address
        self.factor = factor
        self.connected_ms = connected_ms
        self.shows_limits = shows_limits
        self.subscriptions: dict[int, str] = {}
        self._begun = 0
        self._ended: list[int] = []

    def subscribe(self, account: str) -> int:
        """Begins to hear an account; the subscription's id. Raises RefusedError."""
        if account in self.subscriptions.values():
            raise RefusedError(ALREADY_SUBSCRIBED)
        if len(self.subscriptions) >= ACTIVE_MAX:
            raise RefusedError(TOO_MANY)
        if self._begun >= LIFETIME_MAX:
            raise RefusedError(USED_UP)
        subscription = self._begun
        self._begun += 1
        self.subscriptions[subscription] = account
        return subscription

    def unsubscribe(self, wanted: int | None) -> None:
        """Ends one subscription if there is one of that id, or all; they are told so afterwards."""
        for subscription in list(self.subscriptions):
            if wanted in (None, subscription):
                del self.subscriptions[subscription]
                self._ended.append(subscription)

    def tell(
        self, interference: Interference | None, subscription: int, kind: str, event: bytes
    ) -> None:
        """Sends one event of an account, or what a fault makes of it."""
        data = b'{"subscriptionId":%d,"event":%b}' % (subscription, event)
        passages = None if interference is None else interference.outgoing("user", kind, data)
        if passages is None:
            self.client.send(data)
            return
        for passage in passages:
            if passage.cut:
                self.client.drop()
            elif passage.after_ms:
                later_s = passage.after_ms / 1000
                asyncio.get_running_loop().call_later(later_s, self.client.send, passage.data)
            else:
                self.client.send(passage.data)

    def say_ended(self, interference: Interference | None, now_ms: int) -> None:
        """Tells the subscriptions that have ended; called when the answer is on its way."""
        ended, self._ended = self._ended, []
        for subscription in ended:
            event = user_events.stream_terminated(now_ms * self.factor)
            self.tell(interference, subscription, event["e"], orjson.dumps(event))


class SessionMethods:
    """The methods that concern the connection itself."""

    weight: Final = 2

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._methods: dict[str, Method] = {
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.unsubscribe": self._unsubscribe,
            "session.subscriptions": self._subscriptions,
            "session.logon": self._log_on,
            "session.status": self._status,
            "session.logout": self._status,
        }

    def find(self, method: str) -> Method | None:
        """The method of that name, if it is one about sessions."""
        return self._methods.get(method)

    def is_signed(self, method: str) -> bool:
        """Whether the request must be signed."""
        return method in ("userDataStream.subscribe.signature", "session.logon")

    def check_names(self, request: SocketRequest) -> None:
        """Raises RefusedError (-1104) for parameters that the method does not know."""
        sent = request.params.values
        known = SIGNED_NAMES if self.is_signed(request.method) else PARAMETERS.get(request.method)
        unread = [name for name in sent if known is None or name not in known]
        if unread and self.find(request.method) is not None:
            raise RefusedError(unread_names(len(sent) - len(unread), len(sent)))

    def _subscribe(self, session: Session, request: SocketRequest, account: str | None) -> Any:
        raise RefusedError(NOT_LOGGED_ON)

    def _subscribe_signed(
        self, session: Session, request: SocketRequest, account: str | None
    ) -> Any:
        assert account is not None, "a signed request has been checked"
        return {"subscriptionId": session.subscribe(account)}

    def _unsubscribe(self, session: Session, request: SocketRequest, account: str | None) -> Any:
        session.unsubscribe(request.params.integer("subscriptionId"))
        return {}

    def _subscriptions(self, session: Session, request: SocketRequest, account: str | None) -> Any:
        return [{"subscriptionId": one} for one in session.subscriptions]

    def _log_on(self, session: Session, request: SocketRequest, account: str | None) -> Any:
        raise RefusedError(HMAC_CANNOT_LOG_ON)

    def _status(self, session: Session, request: SocketRequest, account: str | None) -> Any:
        """session.status, and session.logout: no session here is ever logged on."""
        return {
            "apiKey": None,
            "authorizedSince": None,
            "connectedSince": session.connected_ms,
            "returnRateLimits": session.shows_limits,
            "serverTime": self._venue.client_ms(),
            "userDataStream": bool(session.subscriptions),
        }
