"""A request as bytes: endpoint, parameters in ccxt's own order, timestamp, signature, headers.

Query strings and bodies equal those that ccxt sends, byte for byte; a test holds the two together.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import msgspec

from shared.venues.binance_requests import WireCall
from shared.venues.native.signing import Signer
from shared.venues.transport import Access


class Endpoint(msgspec.Struct, frozen=True):
    """Where an operation is."""

    verb: str
    path: str
    signed: bool = True


ENDPOINTS: Final = {
    "publicGetTime": Endpoint("GET", "/api/v3/time", signed=False),
    "publicGetExchangeInfo": Endpoint("GET", "/api/v3/exchangeInfo", signed=False),
    "privateGetAccount": Endpoint("GET", "/api/v3/account"),
    "privateGetOpenOrders": Endpoint("GET", "/api/v3/openOrders"),
    "privateGetOrder": Endpoint("GET", "/api/v3/order"),
    "privateGetAllOrders": Endpoint("GET", "/api/v3/allOrders"),
    "privateGetMyTrades": Endpoint("GET", "/api/v3/myTrades"),
    "privatePostOrder": Endpoint("POST", "/api/v3/order"),
    "privatePostOrderListOco": Endpoint("POST", "/api/v3/orderList/oco"),
    "privateDeleteOrder": Endpoint("DELETE", "/api/v3/order"),
    "sapiGetAccountApiRestrictions": Endpoint("GET", "/sapi/v1/account/apiRestrictions"),
}
"""By ccxt's name of the method, which is how `binance_requests` names what it wants."""


class RequestBuilder:
    """Builds requests of one account to one host."""

    def __init__(self, access: Access, host: str) -> None:
        self._signer = Signer(access.credentials.api_secret)
        self._recv_window = str(access.recv_window_ms)
        common = f"Host: {host}\r\nUser-Agent: seawall\r\nAccept-Encoding: identity\r\n"
        self._public = common.encode()
        self._signed = f"{common}X-MBX-APIKEY: {access.credentials.api_key}\r\n".encode()

    def build(self, call: WireCall, timestamp_ms: int) -> bytes:
        """The whole request. Raises KeyError for an operation that has no endpoint here."""
        endpoint = ENDPOINTS[call.method]
        if not endpoint.signed:
            query = f"?{urlencode(call.params)}" if call.params else ""
            line = f"{endpoint.verb} {endpoint.path}{query} HTTP/1.1\r\n".encode()
            return line + self._public + b"\r\n"
        payload = self.payload(call, timestamp_ms)
        if endpoint.verb == "POST":
            return (
                f"POST {endpoint.path} HTTP/1.1\r\n".encode()
                + self._signed
                + b"Content-Type: application/x-www-form-urlencoded\r\n"
                + b"Content-Length: %d\r\n\r\n" % len(payload)
                + payload
            )
        line = f"{endpoint.verb} {endpoint.path}?".encode() + payload + b" HTTP/1.1\r\n"
        return line + self._signed + b"\r\n"

    def payload(self, call: WireCall, timestamp_ms: int) -> bytes:
        """The signed parameters: the venue checks the signature over exactly these bytes."""
        named = {
            "timestamp": str(timestamp_ms),
            **call.params,
            "recvWindow": self._recv_window,
        }
        text = urlencode(named).encode()
        return text + b"&signature=" + self._signer.sign(text).encode()
