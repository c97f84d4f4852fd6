"""Who asks, and whether the request is signed and fresh: API keys, HMAC-SHA256, recvWindow."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.refusals import UNKNOWN_ACCOUNT, missing
from procs.localvenue.protocols.binance_spot.params import (
    MICROSECONDS_FROM,
    Params,
    RefusedError,
)

RECV_WINDOW_MS: Final = 5_000
RECV_WINDOW_MAX_MS: Final = 60_000
AHEAD_MS: Final = 1_000

WINDOW: Final = r"^([0-9]{1,20})(\.[0-9]{1,3})?$"
"""recvWindow in milliseconds, down to a microsecond."""

SIGNATURE: Final = "^[A-Fa-f0-9]{64}$"
"""HMAC-SHA256 in hex, upper or lower case."""

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{8,128}", re.ASCII)
_SIGNATURE_FIELD: Final = re.compile(rb"(?:^|&)signature=[^&]*")

BAD_KEY_FORMAT: Final = Refusal(-2014, "API-key format invalid.", 401)
BAD_SIGNATURE: Final = Refusal(-1022, "Signature for this request is not valid.")
TOO_OLD: Final = Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
AHEAD: Final = Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
WINDOW_TOO_LONG: Final = Refusal(
    -1102, f"'recvWindow' contains unexpected value. Cannot be greater than {RECV_WINDOW_MAX_MS}."
)


def signature_of(secret: str, payload: str | bytes) -> str:
    """HMAC-SHA256 of payload, in hex."""
    data = payload.encode("utf-8", "surrogateescape") if isinstance(payload, str) else payload
    return hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()


def signed_form(query: bytes, body: bytes) -> bytes:
    """What the signature of a REST request covers: query and body as sent, without itself."""
    covered = _SIGNATURE_FIELD.sub(b"", query)
    return covered + _SIGNATURE_FIELD.sub(b"", body) if body else covered


def check(
    secrets: Mapping[str, str],
    api_key: str | None,
    params: Params,
    payload: str | bytes,
    now_ms: int,
) -> str:
    """The API key of a signed request that is in order.

    Looks at the key, then the time, then the signature, as the exchange does. Raises RefusedError
    with the reason."""
    secret = secret_of(secrets, api_key)
    fresh(params, now_ms)
    if not params.values.get("signature"):
        raise RefusedError(missing("signature"))
    signature = params.needed("signature", SIGNATURE).lower()
    if not hmac.compare_digest(signature_of(secret, payload), signature):
        raise RefusedError(BAD_SIGNATURE)
    assert api_key is not None, "it has a secret"
    return api_key


def secret_of(secrets: Mapping[str, str], api_key: str | None) -> str:
    """The secret of a known API key. Raises RefusedError (-2014, -2015)."""
    if api_key is None or _KEY.fullmatch(api_key) is None:
        raise RefusedError(BAD_KEY_FORMAT)
    secret = secrets.get(api_key)
    if secret is None:
        raise RefusedError(UNKNOWN_ACCOUNT)
    return secret


def fresh(params: Params, now_ms: int) -> None:
    """Nothing, unless the request's timestamp is missing, too old or ahead: then RefusedError.

    Asked when a request comes in and again before it is carried out."""
    timestamp = params.integer("timestamp")
    if timestamp is None:
        raise RefusedError(missing("timestamp"))
    timestamp_us = timestamp if timestamp >= MICROSECONDS_FROM else timestamp * 1000
    window_us = RECV_WINDOW_MS * 1000
    window_text = params.text("recvWindow", WINDOW)
    if window_text is not None:
        window_us = int(Decimal(window_text) * 1000)
        if window_us > RECV_WINDOW_MAX_MS * 1000:
            raise RefusedError(WINDOW_TOO_LONG)
    now_us = now_ms * 1000
    if timestamp_us >= now_us + AHEAD_MS * 1000:
        raise RefusedError(AHEAD)
    if now_us - timestamp_us > window_us:
        raise RefusedError(TOO_OLD)
