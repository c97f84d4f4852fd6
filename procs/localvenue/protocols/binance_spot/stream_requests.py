"""Requests on a market stream's socket, read as the exchange reads them, with its own refusals.

The exchange writes an error as `{"error": {"code", "msg"}, "id"}`; the codes are 0 for an unknown
property, 1 for a value of the wrong type, 2 for a request it cannot use, 3 for what is no JSON.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
import orjson

RequestId = int | str | None

METHODS: Final = (
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST_SUBSCRIPTIONS",
    "SET_PROPERTY",
    "GET_PROPERTY",
)
COMBINED: Final = "combined"
"""The only property there is: whether events are wrapped."""

ID_LENGTH_MAX: Final = 36
_ID_SIZE: Final = 2**63
_PARAMETERS_MAX: Final = {"LIST_SUBSCRIPTIONS": 0, "SET_PROPERTY": 2, "GET_PROPERTY": 1}
_METHOD: Final = re.compile(r'"method"\s*:\s*"(?:[^"\\]|\\.)*"')


class StreamRequest(msgspec.Struct, frozen=True):
    """One request that can be carried out; `names` are streams, `value` is that of a property."""

    id: RequestId
    method: str
    names: tuple[str, ...] = ()
    value: bool = False


class BadStreamRequestError(Exception):
    """The request cannot be carried out; the answer says why."""

    def __init__(self, code: int, message: str, request_id: RequestId = None) -> None:
        super().__init__(message)
        self.answer: dict[str, Any] = {
            "error": {"code": code, "msg": message},
            "id": request_id,
        }


def invalid(message: str, request_id: RequestId = None) -> BadStreamRequestError:
    """A request that the exchange cannot use (code 2)."""
    return BadStreamRequestError(2, f"Invalid request: {message}", request_id)


def read_stream_request(text: str) -> StreamRequest:
    """The request of one text frame. Raises BadStreamRequestError."""
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise BadStreamRequestError(3, f"Invalid JSON: expected value at {place}") from None
    if not isinstance(given, dict):
        raise invalid(f"expected an object at {_place(text, len(text))}")
    request_id = _id(given)
    method = given.get("method")
    if method is None:
        raise invalid(f"missing field `method` at {_place(text, len(text))}", request_id)
    if method not in METHODS:
        found = _METHOD.search(text)
        place = _place(text, len(text) if found is None else found.end())
        expected = ", ".join(f"`{known}`" for known in METHODS)
        shown = f"`{method}`" if isinstance(method, str) else orjson.dumps(method).decode()
        raise invalid(f"unknown variant {shown}, expected one of {expected} at {place}", request_id)
    params = given.get("params")
    if params is None:
        params = []
    if not isinstance(params, list):
        raise invalid("params must be an array", request_id)
    if len(params) > _PARAMETERS_MAX.get(method, len(params)):
        raise invalid("too many parameters", request_id)
    if method in ("SET_PROPERTY", "GET_PROPERTY"):
        return StreamRequest(request_id, method, value=_property(method, params, request_id))
    if not all(isinstance(name, str) for name in params):
        raise invalid("stream names must be strings", request_id)
    return StreamRequest(request_id, method, tuple(params))


def _id(given: dict[str, Any]) -> RequestId:
    """A 64-bit integer, a string of at most 36 characters, or null; it must be given."""
    if "id" in given:
        value = given["id"]
        if value is None or (isinstance(value, str) and len(value) <= ID_LENGTH_MAX):
            return value
        if type(value) is int and -_ID_SIZE <= value < _ID_SIZE:
            return value
    raise invalid("request ID must be an unsigned integer")


def _property(method: str, params: list[Any], request_id: RequestId) -> bool:
    """What `combined` is to be; False where it is only asked for."""
    if not params or not isinstance(params[0], str):
        raise invalid("property name must be a string", request_id)
    if params[0] != COMBINED:
        raise BadStreamRequestError(0, "Unknown property", request_id)
    if method == "GET_PROPERTY":
        return False
    value = params[1] if len(params) == 2 else None
    if not isinstance(value, bool):
        raise BadStreamRequestError(1, "Invalid value type: expected Boolean", request_id)
    return value


def _place(text: str, end: int) -> str:
    """Line and column, counted from 1, of the last character before `end`."""
    before = text[:end]
    return f"line {before.count(chr(10)) + 1} column {end - before.rfind(chr(10)) - 1}"
