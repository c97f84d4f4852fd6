"""Request parameters read as strictly as the exchange reads them, with its refusals."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeVar
from urllib.parse import unquote_plus

from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.refusals import missing
from shared.errors import NumberError
from shared.units import decimal_from_text

NUMBER: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
INTEGER: Final = r"^[0-9]{1,20}$"
CLIENT_ID: Final = r"^[a-zA-Z0-9-_]{1,36}$"
SYMBOL: Final = r"^(?u:(?:(?![a-z])[\w\-.]){1,50})$"
ANYTHING: Final = r"^.{1,200}$"

SHOWN: Final = {SYMBOL: r"^[\w\-._&&[^a-z]]{1,50}$"}
"""Ranges that the exchange, which is written in another language, writes otherwise."""

LONG_MAX: Final = 2**63 - 1
"""The exchange's LONG; anything above overflows."""

MICROSECONDS_FROM: Final = 10**14
"""Times may be sent in milliseconds or microseconds; this many milliseconds is the year 5138."""

FIELDS_MAX: Final = 200
"""More `name=value` pieces than any request of the exchange has."""

_Word = TypeVar("_Word", bound=str)


class RefusedError(Exception):
    """Carries a refusal up to the answer; `retry_after_s` when waiting helps."""

    def __init__(self, refusal: Refusal, retry_after_s: int | None = None) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.retry_after_s = retry_after_s


class Params:
    """The parameters of one request, by name."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)

    @classmethod
    def from_form(cls, query: str, body: str) -> Params:
        """Query string and form body; of a name in both, the query string's value counts.

        Raises RefusedError (-1101) for a name that one part holds twice."""
        values = _fields(query)
        if body:
            values = {**_fields(body), **values}
        found = cls.__new__(cls)
        found.values = values
        return found

    def text(self, name: str, legal: str = ANYTHING) -> str | None:
        """A text parameter, or None when it was not sent."""
        value = self.values.get(name)
        if value is None:
            return None
        if value == "":
            raise RefusedError(Refusal(-1105, f"Parameter '{name}' was empty."))
        if _pattern(legal).fullmatch(value) is None:
            raise RefusedError(illegal(name, SHOWN.get(legal, legal)))
        return value

    def needed(self, name: str, legal: str = ANYTHING) -> str:
        """A text parameter that must be sent."""
        value = self.values.get(name)
        if not value:
            raise RefusedError(missing(name))
        found = self.text(name, legal)
        assert found is not None, "it was sent"
        return found

    def integer(self, name: str) -> int | None:
        """A whole number that is not negative."""
        text = self.text(name, INTEGER)
        if text is None:
            return None
        value = int(text)
        if value > LONG_MAX:
            raise RefusedError(overflowed(name))
        return value

    def needed_integer(self, name: str) -> int:
        """A whole number that must be sent."""
        self.needed(name, INTEGER)
        value = self.integer(name)
        assert value is not None, "it was sent"
        return value

    def time_ms(self, name: str) -> int | None:
        """A time in milliseconds, sent in milliseconds or microseconds."""
        value = self.integer(name)
        return value if value is None or value < MICROSECONDS_FROM else value // 1000

    def limit(self, usual: int, most: int) -> int:
        """How many rows are wanted."""
        value = self.integer("limit")
        if value is None:
            return usual
        if value < 1:
            raise RefusedError(invalid("limit"))
        return min(value, most)

    def number(self, name: str) -> Decimal | None:
        """A plain decimal number that is not negative."""
        value = self.text(name, NUMBER)
        if value is None:
            return None
        if len(value) > 1 and value[0] == "0":
            value = re.sub(r"^0+(?=[0-9])", "", value)
        try:
            return decimal_from_text(value)
        except NumberError:
            raise RefusedError(overflowed(name)) from None

    def needed_number(self, name: str) -> Decimal:
        """A number that must be sent."""
        self.needed(name, NUMBER)
        value = self.number(name)
        assert value is not None, "it was sent"
        return value

    def flag(self, name: str, usual: bool) -> bool:
        """true or false, in any case."""
        value = self.text(name)
        if value is None:
            return usual
        if value.lower() not in ("true", "false"):
            raise RefusedError(invalid(name))
        return value.lower() == "true"

    def word(self, name: str, words: tuple[_Word, ...], refusal: Refusal) -> _Word | None:
        """One of the exchange's words, or None when it was not sent."""
        value = self.values.get(name)
        for word in words:
            if value == word:
                return word
        if self.text(name) is None:
            return None
        raise RefusedError(refusal)

    def needed_word(self, name: str, words: tuple[_Word, ...], refusal: Refusal) -> _Word:
        """One of the exchange's words, which must be sent."""
        self.needed(name)
        value = self.word(name, words, refusal)
        assert value is not None, "it was sent"
        return value


def illegal(name: str, legal: str) -> Refusal:
    """A parameter has characters that it may not have."""
    text = f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    return Refusal(-1100, text)


def invalid(name: str) -> Refusal:
    """A parameter's value is none of those that it may have."""
    return Refusal(-1130, f"Data sent for parameter '{name}' is not valid.")


def overflowed(name: str) -> Refusal:
    """A number is larger than the exchange can hold."""
    return Refusal(-1108, f"Parameter '{name}' overflowed.")


def one_needed(first: str, second: str) -> Refusal:
    """One of two parameters must be sent."""
    return Refusal(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


@functools.cache
def _pattern(legal: str) -> re.Pattern[str]:
    """The exchange's legal ranges, compiled once each; there is one for each kind of parameter."""
    return re.compile(legal, re.ASCII)


def _fields(form: str) -> dict[str, str]:
    """`a=1&b=2` as a dict; broken percent escapes stay as they are."""
    values: dict[str, str] = {}
    if not form:
        return values
    pieces = form.split("&", FIELDS_MAX)
    if len(pieces) > FIELDS_MAX:
        raise RefusedError(Refusal(-1101, "Too many parameters sent for this endpoint."))
    for piece in pieces:
        if not piece:
            continue
        name, _, value = piece.partition("=")
        if "%" in piece or "+" in piece:
            name, value = unquote_plus(name), unquote_plus(value)
        if name in values:
            raise RefusedError(Refusal(-1101, "Duplicate values for a parameter detected."))
        values[name] = value
    return values
