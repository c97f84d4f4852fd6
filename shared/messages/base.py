"""How messages are written and read: frozen, tagged, versioned structs; JSON on wire and disk.

A name in the past tense is an event (it happened), one in the imperative a command. Changes are
additive only: a new field has a default, a name is never used again for something else.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from shared.errors import MessageError, NumberError
from shared.units import decimal_from_text

MESSAGE_VERSION = 1
"""Part of every Hello; two processes that differ refuse each other (L8)."""

if TYPE_CHECKING:
    Amount = Decimal
else:

    class Amount(Decimal):
        """A Decimal field read strictly: msgspec alone lets NaN, '1_000' and ' 1 ' pass."""

        __slots__ = ()


T = TypeVar("T")

NOT_JSON: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What msgspec raises for bytes that are not the JSON it expects: its own error leaves out bytes
that are no UTF-8, and nesting deeper than the stack."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The root of everything said between processes."""


def _read(kind: type, raw: Any) -> Any:
    """msgspec's hook for kinds it does not know. Only a field that is declared wrong gets another
    kind here, no input does: the error is a bug and keeps its traceback."""
    if kind is Amount:
        return decimal_from_text(raw, Amount)
    raise NotImplementedError(f"no reader for {kind}")


def _write(value: Any) -> Any:
    """msgspec's hook for values it does not know; the error is a bug as in `_read`."""
    if isinstance(value, Decimal):
        return str(value)
    raise NotImplementedError(f"no writer for {type(value)}")


_ENCODER = msgspec.json.Encoder(enc_hook=_write)


def encode(message: Any) -> bytes:
    """JSON bytes of a message or plain structure; Decimals as strings, exactly."""
    return _ENCODER.encode(message)


class Reader:
    """Reads one message type, or a union of tagged ones, from JSON bytes."""

    def __init__(self, kind: Any) -> None:
        self._decoder = msgspec.json.Decoder(kind, dec_hook=_read)

    def read(self, data: bytes | memoryview | str) -> Any:
        """The message in data. Raises MessageError; nothing else is touched."""
        try:
            return self._decoder.decode(data)
        except (*NOT_JSON, NumberError) as error:
            raise MessageError(
                f"not a message: {error} in {bytes(data[:120])!r}"
                if not isinstance(data, str)
                else f"not a message: {error}"
            ) from error


def read_as(kind: type[T], plain: Any) -> T:
    """Plain structure (dicts, lists, strings) as a typed one, with the same strictness."""
    try:
        return msgspec.convert(plain, kind, dec_hook=_read, strict=False)
    except (msgspec.ValidationError, NumberError) as error:
        raise MessageError(f"not a {kind.__name__}: {error}") from error
