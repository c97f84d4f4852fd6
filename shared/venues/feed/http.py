"""One HTTP GET over a stream of the running event loop.

Ingest asks a venue a few hundred plain questions in its life. A client library would add to the
memory of every data process for keep-alive, cookies and forms that are not needed here; this speaks
just enough of HTTP/1.1, bounded in time and size.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from functools import cache
from typing import Final
from urllib.parse import urlsplit

import msgspec

MAX_HEADER_BYTES: Final = 65_536
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""Larger than any answer of the public API; a longer one is refused, not swallowed."""


class HttpError(OSError):
    """An answer that is not HTTP, is cut short, or is longer than allowed."""


class Answer(msgspec.Struct, frozen=True):
    """Status, headers with lower-case names, and the decoded body."""

    status: int
    headers: dict[str, str]
    body: bytes


@cache
def tls_context() -> ssl.SSLContext:
    """The system's trust store, loaded once and only when a venue is reached over TLS."""
    return ssl.create_default_context()


async def get(url: str, timeout_s: float) -> Answer:
    """GET url (http or https). Raises TimeoutError, or OSError for all that fails on the way."""
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or host is None:
        raise HttpError(f"not an http address: {url!r}")
    secure = parts.scheme == "https"
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    request = (
        f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: seawall\r\n"
        "Accept: application/json\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    ).encode("ascii")
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(
            host,
            parts.port or (443 if secure else 80),
            ssl=tls_context() if secure else None,
            limit=MAX_HEADER_BYTES,
        )
        try:
            writer.write(request)
            return await read_answer(reader)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise HttpError(f"no HTTP answer from {parts.netloc}: {error}") from error
        finally:
            writer.close()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """One answer from a connection. Raises HttpError for what is not HTTP, and what the reader
    raises: IncompleteReadError, LimitOverrunError, ValueError for numbers that are none."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    words = head[0].split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1."):
        raise HttpError(f"not an HTTP status line: {head[0][:80]!r}")
    headers = {}
    for line in head[1:-2]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = await _read_chunks(reader)
    elif "content-length" in headers:
        body = await reader.readexactly(_bounded(int(headers["content-length"])))
    else:
        body = await _read_to_end(reader)
    if headers.get("content-encoding", "").lower() == "gzip":
        body = _gunzip(body)
    return Answer(int(words[1]), headers, body)


def _bounded(size: int) -> int:
    if not 0 <= size <= MAX_BODY_BYTES:
        raise HttpError(f"a body of {size} bytes, allowed up to {MAX_BODY_BYTES}")
    return size


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        size_line = await reader.readuntil(b"\r\n")
        size = int(size_line.split(b";", 1)[0], 16)
        if size == 0:
            return bytes(body)
        _bounded(len(body) + size)
        body += await reader.readexactly(size)
        await reader.readexactly(2)


async def _read_to_end(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while block := await reader.read(65_536):
        body += block
        _bounded(len(body))
    return bytes(body)


def _gunzip(body: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise HttpError(f"not gzip: {error}") from error
    if inflater.unconsumed_tail or not inflater.eof:
        raise HttpError("a gzip body that is cut short or too long")
    return plain
