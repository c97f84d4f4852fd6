"""Request parameters read as strictly as the exchange reads them, with its refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeVar
from urllib.parse import parse_qsl

from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.refusals import missing
from shared.errors import NumberError
from shared.units import decimal_from_text

NUMBER: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
INTEGER: Final = r"^[0-9]{1,20}$"
CLIENT_ID: Final = r"^[a-zA-Z0-9-_]{1,36}$"
SYMBOL: Final = r"^[A-Z0-9-_.]{1,20}$"

_Word = TypeVar("_Word", bound=str)


class RefusedError(Exception):
    """Carries a refusal up to the answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Params:
    """The parameters of one request, by name."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)

    @classmethod
    def from_form(cls, query: str, body: str) -> Params:
        """Query string and form body together; a name given twice is refused."""
        pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
        values = dict(pairs)
        if len(values) != len(pairs):
            raise RefusedError(Refusal(-1101, "Duplicate values for a parameter detected."))
        return cls(values)

    def text(self, name: str, legal: str = r"^.{1,200}$") -> str | None:
        """A text parameter, or None when it was not sent."""
        value = self.values.get(name)
        if value is None:
            return None
        if value == "":
            raise RefusedError(Refusal(-1105, f"Parameter '{name}' was empty."))
        if re.fullmatch(legal, value, re.ASCII) is None:
            raise RefusedError(
                Refusal(
                    -1100,
                    f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.",
                )
            )
        return value

    def needed(self, name: str, legal: str = r"^.{1,200}$") -> str:
        """A text parameter that must be sent."""
        value = self.values.get(name)
        if not value:
            raise RefusedError(missing(name))
        found = self.text(name, legal)
        assert found is not None, "it was sent"
        return found

    def integer(self, name: str) -> int | None:
        """A whole number that is not negative."""
        value = self.text(name, INTEGER)
        return None if value is None else int(value)

    def limit(self, usual: int, most: int) -> int:
        """How many rows are wanted."""
        value = self.integer("limit")
        if value is None:
            return usual
        if value < 1:
            raise RefusedError(Refusal(-1130, "Data sent for parameter 'limit' is not valid."))
        return min(value, most)

    def number(self, name: str) -> Decimal | None:
        """A plain decimal number that is not negative."""
        value = self.text(name, NUMBER)
        if value is None:
            return None
        try:
            return decimal_from_text(re.sub(r"^0+(?=[0-9])", "", value))
        except NumberError:
            raise RefusedError(Refusal(-1108, f"Parameter '{name}' overflowed.")) from None

    def needed_number(self, name: str) -> Decimal:
        """A number that must be sent."""
        self.needed(name, NUMBER)
        value = self.number(name)
        assert value is not None, "it was sent"
        return value

    def word(self, name: str, words: tuple[_Word, ...], refusal: Refusal) -> _Word | None:
        """One of the exchange's words, or None when it was not sent."""
        value = self.text(name)
        if value is None:
            return None
        for word in words:
            if value == word:
                return word
        raise RefusedError(refusal)

    def needed_word(self, name: str, words: tuple[_Word, ...], refusal: Refusal) -> _Word:
        """One of the exchange's words, which must be sent."""
        self.needed(name)
        value = self.word(name, words, refusal)
        assert value is not None, "it was sent"
        return value
