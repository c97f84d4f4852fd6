"""HTTP answers out of bytes: wherever they are split, one whole answer or an error (L2)."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.venues.feed.http import HttpError
from shared.venues.native.http_reader import HttpReader

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-MBX-USED-WEIGHT-1M: 7\r\n"
BODY = b'{"orderId":28,"status":"NEW"}'
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

WHOLE = {
    "length": HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY),
    "chunks": HEAD
    + CHUNKED
    + b"5\r\n"
    + BODY[:5]
    + b"\r\n18;x=y\r\n"
    + BODY[5:]
    + b"\r\n0\r\n\r\n",
    "trailers": HEAD + CHUNKED + b"1D\r\n" + BODY + b"\r\n000\r\nExpires: 0\r\nA: b\r\n\r\n",
    "informed": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    + HEAD
    + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY),
    "zipped": HEAD
    + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
    % (len(gzip.compress(BODY, mtime=0)), gzip.compress(BODY, mtime=0)),
}


def read(reader: HttpReader, parts):
    """What the parts say; None when they say nothing whole."""
    told = None
    for part in parts:
        assert told is None, "an answer before its last byte"
        told = reader.feed(part)
    return told


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_is_whole_wherever_it_is_split(name):
    data = WHOLE[name]
    for cut in range(1, len(data)):
        reader = HttpReader()
        answer = read(reader, (data[:cut], data[cut:]))
        assert answer is not None, cut
        assert (answer.status, answer.body) == (200, BODY), cut
        assert answer.headers["x-mbx-used-weight-1m"] == "7"
        assert reader.keeps
        assert reader.is_idle
    reader = HttpReader()
    answer = read(reader, [data[i : i + 1] for i in range(len(data))])
    assert answer is not None
    assert answer.body == BODY


@given(
    bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=10),
    chunk=st.integers(1, 40),
)
def test_answers_follow_each_other_on_one_connection(bodies, sizes, chunk):
    reader = HttpReader()
    for number, body in enumerate(bodies):
        if number % 2:
            data = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        else:
            parts = [body[i : i + chunk] for i in range(0, len(body), chunk)]
            data = HEAD + CHUNKED
            data += b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
            data += b"0\r\n\r\n"
        split = []
        while data:
            size = sizes[len(split) % len(sizes)]
            split.append(data[:size])
            data = data[size:]
        answer = read(reader, split)
        assert answer is not None
        assert answer.body == body
        assert reader.is_idle


@given(st.binary(max_size=400), st.integers(0, 200), st.integers(0, 255))
def test_spoilt_bytes_are_an_error_or_an_answer_never_anything_else(noise, place, byte):
    for data in WHOLE.values():
        spoilt = bytearray(data)
        spoilt[place % len(spoilt)] = byte
        for tried in (bytes(spoilt), data[: place % len(data)] + noise):
            reader = HttpReader(max_body_bytes=1000)
            try:
                answer = reader.feed(tried)
            except HttpError:
                continue
            assert answer is None or len(answer.body) <= 1000
            if answer is None:
                try:
                    answer = reader.end()
                except HttpError:
                    continue
                assert answer is None or len(answer.body) <= 1000


REFUSED = {
    "other protocol": b"SSH-2.0-OpenSSH\r\n\r\n",
    "no status": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "http 2": b"HTTP/2.0 200 OK\r\n\r\n",
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nabc\r\n\r\n",
    "folded": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    "spaced name": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}",
    "negative": HEAD + b"Content-Length: -1\r\n\r\n",
    "signed": HEAD + b"Content-Length: +2\r\n\r\n{}",
    "underscored": HEAD + b"Content-Length: 1_0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
    "oversized": HEAD + b"Content-Length: 1001\r\n\r\n",
    "oversized chunks": HEAD + CHUNKED + b"3E8\r\n" + b"x" * 1000 + b"\r\n1\r\n",
    "unending": HEAD + b"\r\n" + b"x" * 1001,
    "unknown coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "unknown packing": HEAD + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
    "broken gzip": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "zip bomb": HEAD
    + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
    % (len(gzip.compress(b"x" * 5000)), gzip.compress(b"x" * 5000)),
    "chunk size": HEAD + CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "long chunk": HEAD + CHUNKED + b"2\r\n{}}\r\n0\r\n\r\n",
    "chunk line": HEAD + CHUNKED + b"2;" + b"x" * 2000,
    "head": b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000,
    "trailers": HEAD + CHUNKED + b"0\r\n" + (b"A: " + b"x" * 1000 + b"\r\n") * 70,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_plainly_one_answer_is_refused(name):
    with pytest.raises(HttpError):
        HttpReader(max_body_bytes=1000).feed(REFUSED[name])


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", False),
        (b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\n{}", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", False),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", True),
        (HEAD + b"Content-Length: 2\r\n" + CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", False),
    ],
)
def test_whether_a_connection_may_go_on(head, keeps):
    reader = HttpReader()
    assert reader.feed(head) is not None
    assert reader.keeps is keeps


def test_an_answer_without_a_length_ends_with_its_connection():
    reader = HttpReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\n{}") is None
    answer = reader.end()
    assert answer is not None
    assert answer.body == b"{}"
    assert not reader.keeps


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_cut_short_is_an_error(name):
    data = WHOLE[name]
    for cut in range(1, len(data)):
        reader = HttpReader()
        assert reader.feed(data[:cut]) is None
        if name == "informed" and cut == data.index(HEAD):
            assert reader.end() is None, "only the note ahead of an answer came"
            continue
        with pytest.raises(HttpError):
            reader.end()


def test_bytes_behind_an_answer_are_noticed():
    reader = HttpReader()
    assert reader.feed(WHOLE["length"] + b"H") is not None
    assert not reader.is_idle
