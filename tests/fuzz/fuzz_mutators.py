"""Makes wrong bytes out of right ones: by chance, but the same ones for the same seed."""

import random
import re

WORDS = (
    b"NaN", b"Infinity", b"-Infinity", b"nan", b"inf", b"1e999", b"-1e999", b"1E-400", b"1_000",
    b"0x10", b"-0", b"-1", b"0", b"1", b"00", b"+1", b".5", b"5.", b"1e1", b"1e99",
    b"9007199254740993", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809",
    b"18446744073709551616", b"4294967296", b"1" + b"0" * 40, b"9" * 400, b"9" * 5000,
    b"null", b"true", b"false", b"[]", b"{}", b'""', b'"null"', b'"NaN"', b'"1_000"', b'" 1 "',
    b'"1e99"', b'"-1"', b'"0"', b'"\\u0000"', b'"\\ud800"', b'"\\u0660"', "\u0661\u0662".encode(),
    b"\xff\xfe", b"\xed\xa0\x80", b"\x00", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\r\n", b"\n",
    b"\\", b'"', b"'", b'"""', b"#", b"=", b" ", b",", b":", b"]", b"}", b"[", b"{",
    b'"type":"heartbeat"', b'"e":[]', b'"e":{}', b'"code":-1', b'"code":1e400', b"1979-05-27",
)  # fmt: skip
"""What has broken readers elsewhere: numbers, texts and marks that look right at a glance."""

NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")
TOKEN = re.compile(rb'"[^"\\]{0,40}"|-?[0-9][0-9.]*|true|false|null|[A-Za-z_]+')
DEPTHS = (2, 60, 1100, 3000)
LONGEST = 200_000
"""A mutation that grew beyond is cut: time belongs to variety."""


class Mutator:
    """Mutates samples of one decoder. Everything comes from the generator that is given."""

    def __init__(self, chance: random.Random, samples: list[bytes]) -> None:
        self._chance = chance
        self._samples = samples
        self._tokens = sorted({hit for one in samples for hit in TOKEN.findall(one[:4000])})
        self._steps = (
            self._flip, self._flip, self._overwrite, self._insert, self._delete, self._truncate,
            self._repeat, self._change_number, self._change_number, self._change_token,
            self._change_token, self._put_word, self._nest, self._splice, self._swap,
        )  # fmt: skip

    def mutant(self) -> bytes:
        """A sample with one to a few changes."""
        chance = self._chance.random
        data = self._samples[int(chance() * len(self._samples))]
        changes = 1
        while changes < 6 and chance() < 0.35:
            changes += 1
        for _ in range(changes):
            data = self._steps[int(chance() * len(self._steps))](data)
        return data[:LONGEST]

    def _place(self, data: bytes) -> int:
        return int(self._chance.random() * (len(data) + 1))

    def _flip(self, data: bytes) -> bytes:
        if not data:
            return b"\x80"
        at = int(self._chance.random() * len(data))
        flipped = data[at] ^ (1 << int(self._chance.random() * 8))
        return data[:at] + bytes((flipped,)) + data[at + 1 :]

    def _overwrite(self, data: bytes) -> bytes:
        at = self._place(data)
        return data[:at] + self._chance.randbytes(1) + data[at + 1 :]

    def _insert(self, data: bytes) -> bytes:
        at = self._place(data)
        return data[:at] + self._chance.randbytes(1 + int(self._chance.random() * 4)) + data[at:]

    def _delete(self, data: bytes) -> bytes:
        at = self._place(data)
        return data[:at] + data[at + 1 + int(self._chance.random() * 8) :]

    def _truncate(self, data: bytes) -> bytes:
        at = self._place(data)
        return data[at:] if self._chance.random() < 0.2 else data[:at]

    def _slice(self, data: bytes) -> bytes:
        first, second = sorted((self._place(data), self._place(data)))
        return data[first : min(second, first + 400)]

    def _repeat(self, data: bytes) -> bytes:
        at = self._place(data)
        times = 1 if self._chance.random() < 0.9 else 40
        return data[:at] + self._slice(data) * times + data[at:]

    def _swap(self, data: bytes) -> bytes:
        middle, end = sorted((self._place(data), self._place(data)))
        start = int(self._chance.random() * (middle + 1))
        return data[:start] + data[middle:end] + data[start:middle] + data[end:]

    def _change_number(self, data: bytes) -> bytes:
        return self._change(data, NUMBER, WORDS)

    def _change_token(self, data: bytes) -> bytes:
        if self._chance.random() < 0.5 and self._tokens:
            return self._change(data, TOKEN, self._tokens)
        return self._change(data, TOKEN, WORDS)

    def _change(self, data: bytes, pattern: "re.Pattern[bytes]", words: "list | tuple") -> bytes:
        hit = pattern.search(data, self._place(data)) or pattern.search(data)
        if hit is None:
            return self._put_word(data)
        word = words[int(self._chance.random() * len(words))]
        return data[: hit.start()] + word + data[hit.end() :]

    def _put_word(self, data: bytes) -> bytes:
        at = self._place(data)
        return data[:at] + WORDS[int(self._chance.random() * len(WORDS))] + data[at:]

    def _nest(self, data: bytes) -> bytes:
        drawn = self._chance.random()
        # The deep ones cost the most time and say the least.
        depth = (
            DEPTHS[0] if drawn < 0.6 else DEPTHS[1] if drawn < 0.97 else DEPTHS[2 + (drawn > 0.99)]
        )
        open_, close = ((b"[", b"]"), (b'{"a":', b"}"))[int(self._chance.random() * 2)]
        hit = TOKEN.search(data, self._place(data))
        start, end = hit.span() if hit else (0, len(data))
        return data[:start] + open_ * depth + data[start:end] + close * depth + data[end:]

    def _splice(self, data: bytes) -> bytes:
        other = self._samples[int(self._chance.random() * len(self._samples))]
        if self._chance.random() < 0.5:
            return data[: self._place(data)] + other[self._place(other) :]
        at = self._place(data)
        return data[:at] + self._slice(other) + data[at:]
