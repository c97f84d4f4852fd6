"""Who asks, and whether the request is signed and fresh: API keys, HMAC-SHA256, recvWindow."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Final

from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.refusals import UNKNOWN_ACCOUNT, missing
from procs.localvenue.protocols.binance_spot.params import Params, RefusedError

RECV_WINDOW_MS: Final = 5_000
RECV_WINDOW_MAX_MS: Final = 60_000
AHEAD_MS: Final = 1_000

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{8,128}", re.ASCII)
_SIGNATURE: Final = re.compile(r"(?:^|&)signature=[^&]*")

BAD_KEY_FORMAT: Final = Refusal(-2014, "API-key format invalid.", 401)
BAD_SIGNATURE: Final = Refusal(-1022, "Signature for this request is not valid.")
TOO_OLD: Final = Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
AHEAD: Final = Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
WINDOW_TOO_LONG: Final = Refusal(-1131, "recvWindow must be less than 60000.")


def signature_of(secret: str, payload: str) -> str:
    """HMAC-SHA256 of payload, in hex."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def signed_form(query: str, body: str) -> str:
    """What the signature of a REST request covers: query and body as sent, without itself."""
    return _SIGNATURE.sub("", query) + _SIGNATURE.sub("", body)


def signed_json(params: Mapping[str, Any]) -> str:
    """What the signature of a WebSocket API request covers: its parameters sorted by name."""
    return "&".join(
        f"{name}={_plain_text(value)}"
        for name, value in sorted(params.items())
        if name != "signature"
    )


def json_params(params: Mapping[str, Any]) -> Params:
    """Parameters of a WebSocket API request as REST would have sent them."""
    return Params({name: _plain_text(value) for name, value in params.items()})


def check(
    secrets: Mapping[str, str], api_key: str | None, params: Params, payload: str, now_ms: int
) -> str:
    """The API key of a signed request that is in order. Raises RefusedError with the reason."""
    if api_key is None or _KEY.fullmatch(api_key) is None:
        raise RefusedError(BAD_KEY_FORMAT)
    if params.integer("timestamp") is None:
        raise RefusedError(missing("timestamp"))
    signature = params.values.get("signature")
    if not signature:
        raise RefusedError(missing("signature"))
    fresh(params, now_ms)
    secret = secrets.get(api_key)
    if secret is None:
        raise RefusedError(UNKNOWN_ACCOUNT)
    if not hmac.compare_digest(signature_of(secret, payload), signature):
        raise RefusedError(BAD_SIGNATURE)
    return api_key


def fresh(params: Params, now_ms: int) -> None:
    """Whether a signed request is neither too old nor from the future; asked when it comes in and
    again before it is carried out. Raises RefusedError with the reason."""
    timestamp = params.integer("timestamp")
    if timestamp is None:
        raise RefusedError(missing("timestamp"))
    window_ms = params.integer("recvWindow")
    if window_ms is None:
        window_ms = RECV_WINDOW_MS
    if window_ms > RECV_WINDOW_MAX_MS:
        raise RefusedError(WINDOW_TOO_LONG)
    if timestamp >= now_ms + AHEAD_MS:
        raise RefusedError(AHEAD)
    if now_ms - timestamp > window_ms:
        raise RefusedError(TOO_OLD)


def _plain_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
