"""Requests of the WebSocket API: the envelope, and the parameters as REST would have them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson

from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.refusals import missing
from procs.localvenue.protocols.binance_spot.params import Params, RefusedError

RequestId = int | str | None

INVALID_JSON: Final = Refusal(-1135, "Invalid JSON Request")
INVALID_ID: Final = Refusal(
    -1135,
    "Invalid 'id' in JSON request; expected an integer, a string matching "
    "'^[a-zA-Z0-9-_]{1,36}$', or null.",
)

ENVELOPE_PARAMS: Final = frozenset({"apiKey", "returnRateLimits"})
"""Parameters that REST has elsewhere (in a header) or not at all."""

_ID: Final = re.compile(r"[a-zA-Z0-9-_]{1,36}", re.ASCII)
_VERSION: Final = re.compile(r"^v3/")
_WORDS: Final = {"true": True, "false": False}


class SocketRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request; `given` are all its parameters as text, as the signature covers them."""

    id: RequestId
    method: str
    given: dict[str, str]
    params: Params
    """The parameters that the operation reads."""
    wants_limits: bool | None
    """returnRateLimits of this request; None when it did not say."""

    @property
    def signed_text(self) -> str:
        """What the signature covers: all parameters but itself, sorted by name."""
        return signed_text(self.given)


class BadEnvelopeError(RefusedError):
    """The request cannot be read; `request_id` is what may be echoed of it."""

    def __init__(self, refusal: Refusal, request_id: RequestId = None) -> None:
        super().__init__(refusal)
        self.request_id = request_id


def read_request(data: str | bytes) -> SocketRequest:
    """The request of one frame. Raises BadEnvelopeError."""
    try:
        request = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise BadEnvelopeError(INVALID_JSON) from None
    if not isinstance(request, dict):
        raise BadEnvelopeError(INVALID_JSON)
    request_id = _id(request.get("id"))
    method = request.get("method")
    if method is None or method == "":
        raise BadEnvelopeError(missing("method"), request_id)
    given = request.get("params")
    if given is None:
        given = {}
    if not isinstance(method, str) or not isinstance(given, dict):
        raise BadEnvelopeError(INVALID_JSON, request_id)
    if any(type(value) is float for value in given.values()):
        given = _with_numbers_as_sent(data)
    try:
        texts = {name: _text(name, value) for name, value in given.items() if value is not None}
        wants_limits = _wants_limits(texts)
    except RefusedError as error:
        raise BadEnvelopeError(error.refusal, request_id) from None
    return SocketRequest(
        id=request_id,
        method=_VERSION.sub("", method),
        given=texts,
        params=Params(
            {name: value for name, value in texts.items() if name not in ENVELOPE_PARAMS}
        ),
        wants_limits=wants_limits,
    )


def signed_text(given: Mapping[str, str]) -> str:
    """name=value of all parameters but the signature, sorted by name."""
    return "&".join(
        f"{name}={value}" for name, value in sorted(given.items()) if name != "signature"
    )


def yes_or_no(text: str) -> bool | None:
    """true or false as JSON and URLs write them; None for anything else."""
    return _WORDS.get(text)


def _id(value: Any) -> RequestId:
    if value is None or type(value) is int:
        return value
    if isinstance(value, str) and _ID.fullmatch(value) is not None:
        return value
    raise BadEnvelopeError(INVALID_ID)


def _wants_limits(texts: Mapping[str, str]) -> bool | None:
    text = texts.get("returnRateLimits")
    if text is None:
        return None
    wants = yes_or_no(text)
    if wants is None:
        raise RefusedError(
            Refusal(-1130, "Data sent for parameter 'returnRateLimits' is not valid.")
        )
    return wants


def _with_numbers_as_sent(data: str | bytes) -> dict[str, Any]:
    """Fractions keep their digits: the client signed them as it wrote them."""
    try:
        params: dict[str, Any] = json.loads(data, parse_float=str)["params"]
    except RecursionError:
        raise BadEnvelopeError(INVALID_JSON) from None
    return params


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return orjson.dumps(value).decode()
    raise RefusedError(Refusal(-1130, f"Data sent for parameter '{name}' is not valid."))
