"""Genuine samples: instances of any struct of ours, written by our own encoder."""

import enum
import random
import types
import typing
from decimal import Decimal

import msgspec

from shared.messages.base import Amount, encode

TEXTS = ("", "BTCUSDT", "ETHUSDT", "BTC", "USDT", "route", "decide", "sw-1-2-3", "a reason: 5 < 6",
         "§ñ漢", "latched\nby hand", "1234", "LIMIT", "NEW", "FILLED", "BUY", "SELL",
         "STOP_LOSS_LIMIT", "TRADE", "20260101T000000.3")  # fmt: skip
NUMBERS = ("0", "1", "0.00012", "65000.01", "-3.5", "1E+3", "0.00000001", "123456789.123456789")
INTEGERS = (-1, 0, 1, 7, 250, 65_000, 1_750_000_000_000, 1_750_000_000_000_000_000)
FLOATS = (0.0, 1.5, -2.25, 1e-9, 65000.01, 0.1)


def instance(kind: typing.Any, chance: random.Random, depth: int = 0) -> typing.Any:
    """A value of a type as annotations write it; fields with defaults are there half the time."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return instance(typing.get_args(kind)[0], chance, depth)
    if origin in (typing.Union, types.UnionType):
        return instance(chance.choice(typing.get_args(kind)), chance, depth)
    if origin in (tuple, list, set, frozenset):
        item, *rest = typing.get_args(kind)
        if rest and rest[0] is not Ellipsis:
            return tuple(instance(one, chance, depth + 1) for one in (item, *rest))
        found = [instance(item, chance, depth + 1) for _ in range(chance.randrange(3))]
        return origin(found)
    if origin in (dict, types.MappingProxyType):
        key, value = typing.get_args(kind)
        return {
            instance(key, chance): instance(value, chance, depth + 1)
            for _ in range(chance.randrange(3))
        }
    if origin is typing.Literal:
        return chance.choice(typing.get_args(kind))
    return _simple(kind, chance, depth)


def _simple(kind: typing.Any, chance: random.Random, depth: int) -> typing.Any:
    if kind is Amount or kind is Decimal:
        return Amount(chance.choice(NUMBERS))
    if kind is bool:
        return chance.random() < 0.5
    if kind is types.NoneType:
        return None
    if kind is typing.Any:
        return chance.choice(({"a": [1, "x"]}, [], "text", 3, None))
    if kind is msgspec.Raw:
        return msgspec.Raw(b'{"seq":3}')
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return chance.choice(list(kind))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind, include_extras=True)
        return kind(
            **{
                field.name: instance(hints[field.name], chance, depth + 1)
                for field in msgspec.structs.fields(kind)
                if field.required or chance.random() < 0.5
            }
        )
    simple = {str: TEXTS, int: INTEGERS, float: FLOATS, bytes: (b"", b"bytes")}
    return chance.choice(simple[kind])


def samples_of(kind: typing.Any, count: int = 24, seed: int = 1) -> list[bytes]:
    """JSON of instances; of a union, of each member."""
    chance = random.Random(seed)
    members = typing.get_args(kind)
    is_union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    kinds = members if is_union else (kind,)
    each = max(3, count // len(kinds))
    return [encode(instance(one, chance)) for one in kinds for _ in range(each)]
