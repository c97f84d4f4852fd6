"""Reading raw lines: packings, order, merging, and one clear error for whatever is not a line."""

from __future__ import annotations

import gzip
import lzma

import pytest

from shared.errors import NotFoundError, RecordingError
from shared.recordings.lines import (
    check_whole,
    group_by_symbol,
    merge_by_time,
    raw_lines,
    read_lines,
    symbol_in,
)

T0 = 1_723_161_253_937_085_768


def depth(symbol: str, first: int, last: int) -> str:
    return (
        f'{{"stream":"{symbol.lower()}@depth@100ms","data":{{"e":"depthUpdate","E":1,'
        f'"s":"{symbol}","U":{first},"u":{last},"b":[["1.00","2"]],"a":[]}}}}'
    )


def text(*rows: tuple[int, str]) -> bytes:
    return "".join(f"{T0 + offset} {frame}\n" for offset, frame in rows).encode()


SNAPSHOT = '{"lastUpdateId":1,"bids":[["1.00","2"]],"asks":[["1.01","3"]]}'
BTC = text((0, depth("BTCUSDT", 1, 1)), (5, SNAPSHOT), (9, depth("BTCUSDT", 2, 3)))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress], ids=["plain", "gz", "xz"])
def test_packings_are_told_apart_by_their_content(tmp_path, pack):
    path = tmp_path / "no-suffix"
    path.write_bytes(pack(BTC))
    lines = list(read_lines([path]))
    assert [line.recv_ns - T0 for line in lines] == [0, 5, 9]
    assert [line.number for line in lines] == [1, 2, 3]
    assert [line.is_snapshot for line in lines] == [False, True, False]
    assert {line.symbol for line in lines} == {"BTCUSDT"}
    assert lines[1].frame == SNAPSHOT.encode()
    assert str(path) in lines[2].place
    assert "line 3" in lines[2].place


def test_files_are_grouped_by_symbol_and_ordered_by_time(tmp_path):
    later, earlier, other = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    later.write_bytes(text((100, depth("BTCUSDT", 4, 5))))
    earlier.write_bytes(BTC)
    other.write_bytes(text((3, depth("ETHUSDT", 1, 2)), (120, depth("ETHUSDT", 3, 4))))
    groups = group_by_symbol([later, other, earlier])
    assert groups == {"BTCUSDT": [earlier, later], "ETHUSDT": [other]}
    merged = list(merge_by_time([later, other, earlier]))
    assert [line.recv_ns - T0 for line in merged] == [0, 3, 5, 9, 100, 120]
    assert [line.symbol[:3] for line in merged] == ["BTC", "ETH", "BTC", "BTC", "BTC", "ETH"]


def test_merging_keeps_a_symbols_own_order_when_its_clock_stepped_back(tmp_path):
    one, two = tmp_path / "a", tmp_path / "b"
    one.write_bytes(text((10, depth("BTCUSDT", 1, 1)), (4, depth("BTCUSDT", 2, 2)), (30, SNAPSHOT)))
    two.write_bytes(text((6, depth("ETHUSDT", 1, 1))))
    assert [line.recv_ns - T0 for line in merge_by_time([one, two])] == [6, 10, 4, 30]


def test_a_file_given_twice_is_refused(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(BTC)
    with pytest.raises(RecordingError, match=r"before .* ended"):
        list(read_lines([path, path]))


def test_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match="no such recording"):
        list(read_lines([tmp_path / "nothing"]))
    with pytest.raises(RecordingError, match="cannot be read"):
        list(raw_lines(tmp_path))


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress], ids=["gz", "xz"])
def test_a_file_that_is_cut_off_is_named(tmp_path, pack):
    path = tmp_path / "cut"
    rows = [(i, depth("BTCUSDT", i + 1, i + 1)) for i in range(5_000)]
    packed = pack(text(*rows))
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(RecordingError, match=r"cut, after line \d+: .*broken or cut off"):
        list(raw_lines(path))
    path.write_bytes(packed[:12] + b"\xff" * 40 + packed[52:])
    with pytest.raises(RecordingError, match="broken or cut off"):
        list(raw_lines(path))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b'{"t":"header","format":2}\n', r"line 1: .*not '<receive time ns> <json>'"),
        (b"1723161253937 {}\n", "line 1"),
        (BTC + b"oops\n", "line 4"),
        (BTC + f"{T0} {depth('BTCUSDT', 4, 5)[:40]}".encode(), "line 4: unreadable JSON"),
        (BTC + f"{T0} [1,2]\n".encode(), "line 4: unreadable JSON"),
        (BTC + b"\n", "line 4"),
        (b"PK\x03\x04 and so on", "packed as zip"),
        (b"\x28\xb5\x2f\xfd and so on", "packed as zstd"),
        (text((0, '{"topic":"orderbook.500","data":{"s":"BTCUSDT"}}')), "another venue"),
        (text((0, SNAPSHOT)), "no Binance spot depth"),
        (text((0, depth("BTCUSDT", 1, 2).replace('"b":', '"pu":0,"b":'))), "futures"),
        (BTC + text((20, depth("BTCUSDT", 4, 5).replace('"b":', '"pu":3,"b":'))), "line 4"),
        (BTC + text((20, depth("ETHUSDT", 4, 5))), "line 4: holds ETHUSDT"),
    ],
)
def test_what_is_not_a_recording_is_refused_with_its_place(tmp_path, content, says):
    path = tmp_path / "recording"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=says) as refused:
        list(read_lines([path]))
    assert str(path) in str(refused.value)


def test_another_symbols_file_is_refused(tmp_path):
    one, two = tmp_path / "a", tmp_path / "b"
    one.write_bytes(BTC)
    two.write_bytes(text((50, depth("ETHUSDT", 1, 2))))
    with pytest.raises(RecordingError, match="holds ETHUSDT, the files before it BTCUSDT"):
        list(read_lines([one, two]))


def test_a_ticker_without_event_name_tells_the_symbol(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(text((0, '{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}')))
    assert symbol_in(path) == "BTCUSDT"


def test_a_missing_end_is_seen_without_unpacking(tmp_path):
    packed = lzma.compress(text((1, depth("BTCUSDT", 1, 1))))
    whole, padded, cut, plain = (tmp_path / name for name in ("whole", "padded", "cut", "plain"))
    whole.write_bytes(packed)
    padded.write_bytes(packed + bytes(8))
    cut.write_bytes(packed[:-4])
    plain.write_bytes(text((1, depth("BTCUSDT", 1, 1))))
    for path in (whole, padded, plain):
        check_whole(path)
    with pytest.raises(RecordingError, match=r"cut: .*cut off"):
        check_whole(cut)
