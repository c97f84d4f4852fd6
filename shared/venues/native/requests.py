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

UNCHANGED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"
"""What a query says as it is: everything that an order of ours consists of."""

_FORM: Final = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "


class RequestBuilder:
    """Builds requests of one account to one host."""

    def __init__(self, access: Access, host: str) -> None:
        self._sign = Signer(access.credentials.api_secret).sign
        self._recv_window = f"&recvWindow={access.recv_window_ms}"
        common = f"Host: {host}\r\nUser-Agent: seawall\r\n"
        # What is large is public; an order's answer is not worth unpacking.
        self._public = f" HTTP/1.1\r\n{common}Accept-Encoding: gzip\r\n\r\n".encode()
        signed = f"{common}Accept-Encoding: identity\r\n"
        signed += f"X-MBX-APIKEY: {access.credentials.api_key}\r\n"
        self._signed = f" HTTP/1.1\r\n{signed}\r\n".encode()
        self._before = {name: self._front(endpoint, signed) for name, endpoint in ENDPOINTS.items()}

    def build(self, call: WireCall, timestamp_ms: int) -> bytes:
        """The whole request. Raises KeyError for an operation that has no endpoint here."""
        endpoint = ENDPOINTS[call.method]
        front = self._before[call.method]
        if not endpoint.signed:
            query = b"?" + _query(call.params).encode() if call.params else b""
            return front + query + self._public
        payload = self.payload(call, timestamp_ms)
        if endpoint.verb == "POST":
            return b"%b%d\r\n\r\n%b" % (front, len(payload), payload)
        return front + payload + self._signed

    def payload(self, call: WireCall, timestamp_ms: int) -> bytes:
        """The signed parameters: the venue checks the signature over exactly these bytes."""
        params = call.params
        text = f"timestamp={timestamp_ms}"
        if params:
            text += "&" + _query(params)
        signed = (text + self._recv_window).encode()
        return b"%b&signature=%b" % (signed, self._sign(signed).encode())

    def _front(self, endpoint: Endpoint, signed: str) -> bytes:
        """What stands before the parameters, or before the length of the body."""
        if not endpoint.signed:
            return f"{endpoint.verb} {endpoint.path}".encode()
        if endpoint.verb == "POST":
            return f"POST {endpoint.path} HTTP/1.1\r\n{signed}{_FORM}".encode()
        return f"{endpoint.verb} {endpoint.path}?".encode()


def _query(params: dict[str, str]) -> str:
    """As `urlencode` writes it, a sixth of the time where nothing needs to be escaped."""
    if "".join(params.values()).encode().translate(None, UNCHANGED):
        return urlencode(params)
    return "&".join([f"{name}={value}" for name, value in params.items()])
