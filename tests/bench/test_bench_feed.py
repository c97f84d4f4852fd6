"""The feed benchmark: every reader applies the same frames, and ours are rows beside the others."""

import orjson
import pytest

from bench import feed, feed_ends
from bench.hot import generated_frames
from core_ext.book import Book
from core_ext.scan import BinanceScanner
from procs.cli.bench import available


def test_the_verb_offers_it():
    assert "feed" in available()


def test_the_frames_go_on_where_the_last_pass_ended():
    depth = generated_frames()
    templates = feed_ends._templates(depth)
    assert len(templates) == len(depth.frames)
    book, scanner = Book("0.01"), BinanceScanner()
    scanner.load_snapshot(book, depth.snapshot)
    last = feed_ends.FIRST_ID + 2 * len(templates) - 1
    for number in range(feed_ends.FIRST_ID, last + 1):
        event = templates[(number - feed_ends.FIRST_ID) % len(templates)] % (number, number)
        scanner.feed(book, feed_ends.STREAM + event + b"}")
    assert book.last_update_id == last
    assert not book.crossed()


def test_a_message_is_framed_as_a_server_does():
    payload = orjson.dumps({"text": "x" * 300})
    framed = feed_ends._framed(payload)
    assert framed[:2] == b"\x81\x7e"
    assert int.from_bytes(framed[2:4], "big") == len(payload) == len(framed) - 4


def test_without_ccxt_its_columns_are_missing():
    spent = {"statistics": [2.0, 4.0, 3.0], "market": [5.0], "bare_picows": [1.5]}
    row = feed._row("statistics", "bursts", spent)
    assert (row["p50"], row["p99"], row["samples"]) == (3.0, 4.0, 3)
    assert row["ratio_to"] == {"bare_picows": 0.5}
    assert row["wanted"] == {}


@pytest.mark.slow
def test_every_reader_applies_every_frame(monkeypatch, capsys):
    monkeypatch.setattr(feed, "FRAMES", {"bursts": 32, "steady": 10})
    rows = feed.run(rounds=1)
    assert [row["name"] for row in rows] == [
        f"websocket_to_{name}_{manner}"
        for name in ("statistics", "market")
        for manner in ("bursts", "steady")
    ]
    for row in rows:
        assert row["p50"] > 0
        assert row["ratio_to"].keys() == {*feed_ends.PEERS, *feed_ends.CCXT}
        assert row["wanted"].keys() == {"ccxt_pro"}
    shown = capsys.readouterr().out
    assert all(row["operation"] in shown for row in rows)
