"""The histogram over a Counter of buckets."""

from __future__ import annotations

import struct
from collections import Counter

from core_ext.errors import NumberRefused, RecordRefused

_HEADER = struct.Struct("<4sIQQQ")
_ENTRY = struct.Struct("<HQ")
_MAGIC = b"SWH1"
_BITS = 6
_STEPS = 64
_BUCKETS = 3776
_LARGEST = 2**53 - 1


def _bucket(value: int) -> int:
    if value < _STEPS:
        return value
    shift = value.bit_length() - 1 - _BITS
    return (shift + 1) * _STEPS + ((value >> shift) & (_STEPS - 1))


def _highest(bucket: int) -> int:
    if bucket < _STEPS:
        return bucket
    return ((_STEPS + bucket % _STEPS + 1) << (bucket // _STEPS - 1)) - 1


class Histogram:
    """See core_ext.histogram.Histogram."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forgets everything."""
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.total = 0
        self._largest = 0

    def record(self, value_ns: int, times: int = 1) -> None:
        """Adds one duration, or the same one several times."""
        value = min(max(0, value_ns), _LARGEST)
        if times:
            self._buckets[_bucket(value)] += times
            self.count += times
            self.total += value * times
            self._largest = max(self._largest, value)

    def percentile(self, percent: float) -> int:
        """The duration that `percent` of all do not exceed, within 1.6 %; 0 when empty."""
        if not 0 <= percent <= 100:
            raise NumberRefused("percent", percent, "0 to 100")
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if float(seen) >= percent * float(self.count) / 100.0:
                return min(_highest(bucket), self._largest)
        return self._largest

    def max(self) -> int:
        """The longest duration."""
        return self._largest

    def mean(self) -> float:
        """The average duration; 0.0 when empty."""
        return float(self.total) / float(self.count) if self.count else 0.0

    def merge(self, other: Histogram) -> None:
        """Adds all counts of another histogram."""
        self._buckets.update(other._buckets)
        self.count += other.count
        self.total += other.total
        self._largest = max(self._largest, other._largest)

    def to_bytes(self) -> bytes:
        """The non-empty buckets behind a header."""
        header = _HEADER.pack(_MAGIC, len(self._buckets), self.count, self.total, self._largest)
        return header + b"".join(_ENTRY.pack(b, self._buckets[b]) for b in sorted(self._buckets))

    @staticmethod
    def from_bytes(data: bytes) -> Histogram:
        """The histogram of `to_bytes`; RecordRefused when the bytes are not one."""
        made = Histogram()
        if len(data) < _HEADER.size:
            raise RecordRefused(f"histogram refused: {len(data)} bytes are no header")
        magic, entries, count, total, largest = _HEADER.unpack_from(data)
        if magic != _MAGIC or len(data) != _HEADER.size + entries * _ENTRY.size:
            raise RecordRefused("histogram refused: wrong mark or length")
        last = -1
        for bucket, times in _ENTRY.iter_unpack(data[_HEADER.size :]):
            if bucket <= last or bucket >= _BUCKETS or times == 0:
                raise RecordRefused(f"histogram refused: bucket {bucket}")
            made._buckets[bucket] = times
            last = bucket
        matches = _bucket(largest) == last if count else not (largest or total)
        if made._buckets.total() != count or not matches:
            raise RecordRefused("histogram refused: the counts do not add up")
        made.count, made.total, made._largest = count, total, largest
        return made
