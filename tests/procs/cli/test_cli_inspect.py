"""`seawall inspect`: its lines on a small recording, exact answers on the recorded books."""

from __future__ import annotations

import csv
import io
import json
import lzma
from decimal import Decimal
from pathlib import Path

import pytest

from core_ext import reference
from core_ext.book import Book
from core_ext.codes import Kind
from core_ext.errors import FrameRefused
from core_ext.scan import BinanceScanner
from procs.cli.main import main
from shared.recordings.lines import read_lines

DATA = Path(__file__).parents[3].parent / "shared" / "data"
T0 = 1_723_161_253_937_085_768
needs_data = pytest.mark.skipif(
    not (DATA / "reference").is_dir(), reason=f"the recorded market data is not at {DATA}"
)


def depth(symbol: str, first: int, last: int, bids: str, asks: str) -> str:
    return (
        f'{{"stream":"{symbol.lower()}@depth","data":{{"e":"depthUpdate","E":1,"s":"{symbol}",'
        f'"U":{first},"u":{last},"b":{bids},"a":{asks}}}}}'
    )


def recording(path: Path, symbol: str, *frames: str) -> Path:
    path.write_text("".join(f"{T0 + i} {frame}\n" for i, frame in enumerate(frames)))
    return path


def small(path: Path, symbol: str = "BTCUSDT") -> Path:
    snapshot = '{"lastUpdateId":10,"bids":[["100.00","300"]],"asks":[["100.02","300"]]}'
    return recording(
        path,
        symbol,
        depth(symbol, 8, 9, '[["50.00","1"]]', "[]"),
        depth(symbol, 10, 12, '[["100.01","0.5"]]', "[]"),
        snapshot,
        depth(symbol, 13, 14, "[]", '[["100.01","1"]]'),
        depth(symbol, 15, 15, '[["100.01","0"]]', "[]"),
    )


def objects(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_checkpoints_and_last_line(tmp_path, capsys):
    assert main(["inspect", str(small(tmp_path / "a")), "--every", "1", "--json"]) == 0
    first, second, third, last = objects(capsys)
    assert (first["symbol"], first["n"], first["t"]) == ("BTCUSDT", 1, T0 + 1)
    assert first["best_bid"] == "100.01000000"
    assert first["bid_qty"] == "0.50000000"
    assert first["mid"] == "100.01500000"
    assert first["spread"] == "0.01000000"
    assert (first["bid_levels"], first["ask_levels"]) == (2, 1)
    assert first["bid_ntl_10bp"] == pytest.approx(30_000 + 50.005)
    assert first["buy_vwap_10k"] == pytest.approx(100.02)
    assert Decimal(second["spread"]) == 0
    assert (third["n"], third["best_bid"]) == (3, "100.00000000")
    assert last == {"symbol": "BTCUSDT", "applied": 3, "stale": 1, "gaps": 0, "crossed": 1}


def test_text_has_the_same_fields(tmp_path, capsys):
    assert main(["inspect", str(small(tmp_path / "a")), "--every", "3"]) == 0
    row, last = capsys.readouterr().out.splitlines()
    assert row.startswith("BTCUSDT n=3 t=")
    assert "best_bid=100.00000000" in row
    assert last == "BTCUSDT applied=3 stale=1 gaps=0 crossed=1"


def test_several_symbols_and_one_of_them(tmp_path, capsys):
    paths = [str(small(tmp_path / "a")), str(small(tmp_path / "b", "ETHUSDT"))]
    assert main(["inspect", *paths, "--json"]) == 0
    assert {row["symbol"] for row in objects(capsys)} == {"BTCUSDT", "ETHUSDT"}
    assert main(["inspect", *paths, "--symbol", "ETHUSDT", "--json"]) == 0
    assert [row["symbol"] for row in objects(capsys)] == ["ETHUSDT"]
    assert main(["inspect", *paths, "--symbol", "XRPUSDT"]) == 2
    assert "BTCUSDT, ETHUSDT" in capsys.readouterr().err


def test_a_gap_is_counted_and_the_next_snapshot_joins_again(tmp_path, capsys):
    path = recording(
        tmp_path / "a",
        "BTCUSDT",
        '{"lastUpdateId":10,"bids":[["1.00","1"]],"asks":[["1.01","1"]]}',
        depth("BTCUSDT", 11, 12, "[]", "[]"),
        depth("BTCUSDT", 14, 15, "[]", "[]"),
        depth("BTCUSDT", 16, 17, "[]", "[]"),
        '{"lastUpdateId":15,"bids":[["2.00","1"]],"asks":[["2.01","1"]]}',
        depth("BTCUSDT", 18, 18, "[]", "[]"),
    )
    assert main(["inspect", str(path), "--json", "--every", "3"]) == 0
    row, last = objects(capsys)
    assert row["best_bid"] == "2.00000000"
    assert last == {"symbol": "BTCUSDT", "applied": 3, "stale": 1, "gaps": 1, "crossed": 0}


def test_what_cannot_be_replayed_is_one_line_and_an_exit_code(tmp_path, capsys):
    no_snapshot = recording(tmp_path / "a", "X", depth("BTCUSDT", 1, 2, "[]", "[]"))
    assert main(["inspect", str(no_snapshot)]) == 1
    assert "no order book snapshot" in capsys.readouterr().err
    broken = recording(
        tmp_path / "b",
        "X",
        '{"lastUpdateId":1,"bids":[],"asks":[]}',
        depth("BTCUSDT", 2, 3, '[["1.001","1"]]', "[]"),
    )
    assert main(["inspect", str(broken)]) == 1
    assert "line 2: unreadable: frame refused at byte" in capsys.readouterr().err
    late = recording(
        tmp_path / "c",
        "X",
        '{"lastUpdateId":1,"bids":[],"asks":[]}',
        *(depth("BTCUSDT", at, at, '[["1.00","1"]]', "[]") for at in range(2, 700)),
        depth("BTCUSDT", 700, 700, '[["1.001","1"]]', "[]"),
    )
    assert main(["inspect", str(late)]) == 1
    said = capsys.readouterr()
    assert "line 700: unreadable: frame refused at byte" in said.err
    assert said.out.count("BTCUSDT n=") == 6
    assert main(["inspect", str(tmp_path / "none")]) == 2
    assert main(["inspect", str(broken), "--every", "0"]) == 1


def test_a_derived_tick_is_said_and_can_be_named(tmp_path, capsys):
    path = small(tmp_path / "a", "NKNUSDT")
    assert main(["inspect", str(path)]) == 0
    assert "NKNUSDT: tick 0.01 derived from the data" in capsys.readouterr().err
    named = tmp_path / "i.json"
    named.write_text('{"NKNUSDT": {"tick_size": "0.01", "step_size": "1", "min_notional": "5"}}')
    assert main(["inspect", str(path), "--instruments", str(named)]) == 0
    assert capsys.readouterr().err == ""


EXACT = (
    "n",
    "t",
    "best_bid",
    "bid_qty",
    "best_ask",
    "ask_qty",
    "spread",
    "mid",
    "bid_levels",
    "ask_levels",
)
CLOSE = (
    *(f"{side}_ntl_{band}bp" for band in (10, 50, 100) for side in ("bid", "ask")),
    "buy_vwap_10k",
    "sell_vwap_10k",
)


def recorded(symbol: str) -> list[str]:
    return [
        str(DATA / "book" / f"binance_spot-{symbol.lower()}_{day}.jsonl.xz")
        for day in ("20240808", "20240809")
    ]


@needs_data
@pytest.mark.parametrize(("symbol", "applied"), [("BTCUSDT", 6493), ("ETHUSDT", 6468)])
def test_recorded_books_equal_the_reference_answers(capsys, symbol, applied):
    with lzma.open(DATA / "reference" / "book_checkpoints.csv.xz", "rt") as file:
        rows = csv.DictReader(io.StringIO(file.read()))
        expected = [
            row
            for row in rows
            if row["symbol"] == symbol and row["file"].startswith("book/binance_spot")
        ]
    assert main(["inspect", *recorded(symbol), "--json"]) == 0
    *found, last = objects(capsys)
    assert last == {"symbol": symbol, "applied": applied, "stale": 2, "gaps": 0, "crossed": 0}
    assert len(found) == len(expected) == applied // 100
    for ours, theirs in zip(found, expected, strict=True):
        for key in EXACT:
            assert Decimal(ours[key]) == Decimal(theirs[key]), (theirs["n"], key)
        for key in CLOSE:
            assert ours[key] == pytest.approx(float(theirs[key]), rel=1e-9), (theirs["n"], key)


@needs_data
def test_files_of_several_symbols_in_any_order(capsys):
    btc, eth = recorded("BTCUSDT"), recorded("ETHUSDT")
    assert main(["inspect", eth[1], btc[1], btc[0], eth[0], "--json", "--every", "5000"]) == 0
    counted = {row["symbol"]: row["applied"] for row in objects(capsys) if "applied" in row}
    assert counted == {"BTCUSDT": 6493, "ETHUSDT": 6468}


@needs_data
@pytest.mark.parametrize(
    "name",
    [
        "book/binance_usdm-btcusdt_20240808.jsonl.xz",
        "book/bybit_linear-xrpusdt_ob500_20241201.zip",
        "capture/OKX.jsonl.xz",
        "capture/BINANCE.jsonl.xz",
    ],
)
def test_other_venues_files_are_refused(capsys, name):
    assert main(["inspect", str(DATA / name)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert name.rsplit("/", 1)[1] in error


@needs_data
@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_native_and_reference_agree_on_the_recorded_books(symbol):
    fast, plain = (
        (BinanceScanner(), Book("0.01")),
        (reference.BinanceScanner(), reference.Book("0.01")),
    )
    compared = 0
    for line in read_lines(recorded(symbol)[:1]):
        for scanner, book in (fast, plain):
            if line.is_snapshot:
                scanner.load_snapshot(book, line.frame)
        if line.is_snapshot:
            continue
        results = [scanner.feed(book, line.frame) for scanner, book in (fast, plain)]
        assert results[0].kind == results[1].kind
        assert results[0].outcome == results[1].outcome
        if results[0].kind == Kind.DEPTH:
            compared += 1
            assert fast[1].stats() == plain[1].stats()
            if compared % 50 == 0:
                assert fast[1].state_hash() == plain[1].state_hash()
                assert fast[1].depth_bps(10) == plain[1].depth_bps(10)
                assert fast[1].sweep("buy", 1e6) == plain[1].sweep("buy", 1e6)
                fast[1].validate()
            if compared == 1_500:
                break
    assert compared == 1_500


@needs_data
def test_recorded_frames_cut_short_are_refused_and_change_nothing():
    scanner, book = BinanceScanner(), Book("0.01")
    tried = 0
    for line in read_lines(recorded("ETHUSDT")[:1]):
        if line.is_snapshot:
            continue
        before = book.state_hash() if tried % 100 == 0 else None
        with pytest.raises(FrameRefused):
            scanner.feed(book, line.frame[: line.recv_ns % len(line.frame)])
        if before is not None:
            assert book.state_hash() == before
        scanner.feed(book, line.frame)
        tried += 1
        if tried == 3_000:
            break
    assert tried == 3_000


def test_facts_of_a_recording(tmp_path, capsys):
    path = small(tmp_path / "one")
    assert main(["inspect", "--facts", "--json", str(path)]) == 0
    (facts,) = objects(capsys)
    assert facts["symbol"] == "BTCUSDT"
    assert facts["depth_messages"] > 0
    assert facts["trades"] == 0
    assert facts["fano"] is None
