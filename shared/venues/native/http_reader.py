"""HTTP answers out of bytes as they come, split wherever the network split them.

A request's answer decides over money, so whatever is not plainly one whole answer is an error: two
lengths, a size that is no number, an encoding nobody asked for, more bytes than allowed.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

from shared.venues.feed.http import MAX_BODY_BYTES, MAX_HEADER_BYTES, Answer, HttpError

_STATUS_LINE: Final = re.compile(r"http/1\.([01]) ([1-5][0-9]{2})(?= |\r\n|$)", re.ASCII)
_HEADER: Final = re.compile(r"\r\n([!#$%&'*+.^_`|~0-9a-z-]+):[ \t]*([^\r\n]*)", re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,12}[ \t]*", re.ASCII)
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?", re.ASCII)

_OF_LENGTH: Final = ("content-length", "transfer-encoding")

LONGEST_CHUNK_LINE: Final = 1024
_HEAD, _LENGTH_BODY, _CHUNK_LINE, _CHUNK_DATA, _TRAILERS, _TO_END = range(6)
_NO_BODY: Final = (204, 304)


class HttpReader:
    """Reads the answers of one connection, one request at a time."""

    __slots__ = (
        "_body",
        "_buffer",
        "_closes",
        "_headers",
        "_max_body_bytes",
        "_state",
        "_status",
        "_wanted",
        "keeps",
    )

    def __init__(self, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._max_body_bytes = max_body_bytes
        self._buffer = bytearray()
        self._body = bytearray()
        self._state = _HEAD
        self._status = 0
        self._headers: dict[str, str] = {}
        self._wanted = 0
        self._closes = False
        self.keeps = False
        """Whether the connection may carry another request after the answer just read."""

    @property
    def is_idle(self) -> bool:
        """Nothing of another answer has come."""
        return self._state == _HEAD and not self._buffer

    def feed(self, data: bytes) -> Answer | None:
        """The answer when data completes it. Raises HttpError; the connection is then of no use.

        Bytes behind the answer stay, and `is_idle` tells of them."""
        if not self._buffer and self._state == _HEAD:
            # The usual case, an answer in one piece, is not copied into the buffer first.
            end = data.find(b"\r\n\r\n")
            if 0 <= end <= MAX_HEADER_BYTES:
                self._read_head(data[:end])
                data = data[end + 4 :]
                if self._state == _LENGTH_BODY and len(data) == self._wanted:
                    return self._finish(data)
        self._buffer += data
        return self._advance()

    def _advance(self) -> Answer | None:
        """As far as the buffer reaches."""
        while True:
            if self._state == _HEAD:
                end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES + 4)
                if end < 0:
                    self._look_at_beginning()
                    return None
                self._read_head(self._take(end + 4)[:-4])
            elif self._state == _LENGTH_BODY:
                if len(self._buffer) < self._wanted:
                    return None
                return self._finish(self._take(self._wanted))
            elif self._state == _TO_END:
                self._body += self._take(len(self._buffer))
                self._bound(len(self._body))
                return None
            elif self._state == _TRAILERS:
                line = self._line(MAX_HEADER_BYTES)
                if line is None:
                    return None
                if not line:
                    return self._finish(bytes(self._body))
                self._wanted += len(line)
                if self._wanted > MAX_HEADER_BYTES:
                    raise HttpError(f"more than {MAX_HEADER_BYTES} bytes behind a body")
            elif not self._read_chunk():
                return None

    def end(self) -> Answer | None:
        """The peer closed: the answer whose length that tells, or None between two answers.

        Raises HttpError for an answer that is cut short."""
        if self._state == _TO_END:
            return self._finish(bytes(self._body))
        if self.is_idle:
            return None
        raise HttpError("the connection ended in the middle of an answer")

    def _look_at_beginning(self) -> None:
        """Something that is no HTTP need not be waited for."""
        if len(self._buffer) > MAX_HEADER_BYTES:
            raise HttpError(f"a head of more than {MAX_HEADER_BYTES} bytes")
        if not b"HTTP/1.".startswith(self._buffer[:7]):
            raise HttpError(f"not an HTTP status line: {bytes(self._buffer[:80])!r}")

    def _read_head(self, head: bytes) -> None:
        # Names in lower case are needed; of values none lose by it.
        text = head.decode("latin-1").lower()
        match = _STATUS_LINE.match(text)
        if match is None:
            raise HttpError(f"not an HTTP status line: {text[:80]!r}")
        status = int(match[2])
        if status == 101:
            raise HttpError("the venue changed the protocol")
        if status < 200:
            # A note ahead of the answer.
            return
        self._status = status
        self._headers = headers = _headers(text)
        self._closes = match[1] == "0"
        if "connection" in headers:
            tokens = headers["connection"].split(",")
            self._closes = self._closes or "close" in [token.strip() for token in tokens]
        self._choose_body()

    def _choose_body(self) -> None:
        headers = self._headers
        if self._status in _NO_BODY:
            self._wanted = 0
            self._state = _LENGTH_BODY
        elif "transfer-encoding" in headers:
            coding = headers["transfer-encoding"].strip()
            if coding != "chunked":
                raise HttpError(f"a body in the transfer encoding {coding[:40]!r}")
            # Both ways to say the end: the rest of such a connection is not trusted.
            self._closes = self._closes or "content-length" in headers
            self._state = _CHUNK_LINE
        elif "content-length" in headers:
            text = headers["content-length"]
            if _LENGTH.fullmatch(text) is None:
                raise HttpError(f"a body of {text[:40]!r} bytes")
            self._wanted = int(text)
            self._bound(self._wanted)
            self._state = _LENGTH_BODY
        else:
            self._closes = True
            self._state = _TO_END

    def _read_chunk(self) -> bool:
        if self._state == _CHUNK_LINE:
            line = self._line(LONGEST_CHUNK_LINE)
            if line is None:
                return False
            match = _CHUNK_SIZE.fullmatch(line)
            if match is None:
                raise HttpError(f"not a chunk's size: {line[:40]!r}")
            self._wanted = int(match[1], 16)
            self._bound(len(self._body) + self._wanted)
            self._state = _CHUNK_DATA if self._wanted else _TRAILERS
            return True
        if len(self._buffer) < self._wanted + 2:
            return False
        self._body += self._take(self._wanted)
        if self._take(2) != b"\r\n":
            raise HttpError("a chunk that is longer than it says")
        self._state = _CHUNK_LINE
        return True

    def _finish(self, body: bytes) -> Answer:
        self._body.clear()
        self.keeps = not self._closes
        self._state = _HEAD
        if "content-encoding" in self._headers:
            coding = self._headers["content-encoding"].strip()
            if coding == "gzip":
                body = _gunzip(body, self._max_body_bytes)
            elif coding != "identity":
                raise HttpError(f"a body in the content encoding {coding[:40]!r}")
        return Answer(self._status, self._headers, body)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _line(self, longest: int) -> bytes | None:
        end = self._buffer.find(b"\r\n", 0, longest + 2)
        if end >= 0:
            return self._take(end + 2)[:-2]
        if len(self._buffer) >= longest + 2:
            raise HttpError(f"a line of more than {longest} bytes in a body")
        return None

    def _bound(self, size: int) -> None:
        if size > self._max_body_bytes:
            raise HttpError(f"a body of {size} bytes, allowed up to {self._max_body_bytes}")


def _headers(head: str) -> dict[str, str]:
    """Values by names, behind the status line. Raises HttpError for lines that are no header."""
    pairs = _HEADER.findall(head)
    if not len(pairs) == head.count("\n") == head.count("\r"):
        raise HttpError(f"a line that is no header in {head[:300]!r}")
    headers: dict[str, str] = dict(pairs)
    if len(headers) < len(pairs):
        for name, value in pairs:
            if name in _OF_LENGTH and headers[name] != value:
                raise HttpError(f"two different headers {name}")
    return headers


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, max_bytes)
    except zlib.error as error:
        raise HttpError(f"not gzip: {error}") from error
    if inflater.unconsumed_tail or not inflater.eof:
        raise HttpError("a gzip body that is cut short or too long")
    return plain
