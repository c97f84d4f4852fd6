"""TOML text as tables, with one error for whatever is wrong with it.

The library's parser lets more out than its own error: a number of 5,000 digits, brackets that nest
deeper than the stack, an exponent that no decimal holds. And it holds integers of any length, which
the language does not have.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

from shared.errors import SeawallError


class TomlError(SeawallError, ValueError):
    """Text that is not TOML, or says what cannot be held; its message may quote the text."""


def parse_toml(text: str, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """The tables of a text. Raises TomlError."""
    try:
        tables = tomllib.loads(text, parse_float=parse_float)
    except RecursionError:
        raise TomlError("nested too deeply") from None
    except (ValueError, ArithmeticError) as error:
        raise TomlError(str(error) or type(error).__name__) from error
    unseen: list[Any] = [tables]
    while unseen:
        value = unseen.pop()
        if isinstance(value, dict):
            unseen.extend(value.values())
        elif isinstance(value, list):
            unseen.extend(value)
        elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            raise TomlError(f"an integer of {value.bit_length()} bits, allowed are 63 and a sign")
    return tables
