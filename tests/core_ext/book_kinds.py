"""The kinds of book that share one contract, and what the tests of all of them need."""

from __future__ import annotations

import struct
from array import array
from functools import partial

import pytest

from core_ext import book as native
from core_ext import reference
from core_ext.codes import STATS_FORMAT, BookStats

NATIVE = {
    "compact": native.Book,
    "window": partial(native.Book, kind="window"),
}
KINDS = {**NATIVE, "reference": reference.Book}
SPAN = 262_144
"""Ticks that a window covers."""

each_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
each_native_kind = pytest.mark.parametrize("make", NATIVE.values(), ids=NATIVE)


def flat(changes):
    """Changes as the batch calls take them."""
    return array("q", [word for change in changes for word in change])


def stats_written(buffer):
    """What apply_many_stats wrote."""
    return [BookStats(*fields) for fields in struct.iter_unpack(STATS_FORMAT, buffer)]
