"""Nothing is allocated for a frame: every call of malloc, Python's own included, is counted.

A counter is preloaded and Python told to use malloc for everything; then 100,000 frames must cost
as many calls as 1,000. A count of blocks in use would miss what is taken and given back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COUNTER = """
#include <stddef.h>
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
static long calls;
long allocations(void) { return calls; }
void *malloc(size_t size) { calls++; return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { calls++; return __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { calls++; return __libc_realloc(old, size); }
"""

COUNTED = """
import ctypes, gc, sys
sys.path.insert(0, ROOT)
from core_ext.book import Book
from core_ext.scan import BinanceScanner, BybitScanner
from core_ext.table import BookTable

DEPTH = (b'{"stream":"btcusdt@depth","data":{"e":"depthUpdate","E":1723161256299,"T":1723161256298,'
         b'"s":"BTCUSDT","U":%d,"u":%d,"pu":%d,"b":[["61837.%02d","0.014"],["61836.%02d","0.000"]],'
         b'"a":[["61838.%02d","12.510"],["61839.00","1"]]}}')
BYBIT = (b'{"topic":"orderbook.50.BTCUSDT","type":"%s","ts":1687940967466,"data":{"s":"BTCUSDT",'
         b'"b":[["61837.%02d","0.014"],["61836.%02d","0"]],"a":[["61838.%02d","12.510"]],'
         b'"u":%d,"seq":%d},"cts":1687940967464}')
TRADE = (b'{"e":"%s","E":1723161256322,"T":1723161256321,"s":"BTCUSDT","t":%d,"a":%d,"f":1,"l":2,'
         b'"p":"61800.30","q":"0.006","X":"MARKET","m":false}')
TICKER = b'{"u":%d,"s":"BTCUSDT","b":"61837.63","B":"3.78826","a":"61837.64","A":"1.54698"}'
DONE = (b'{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick",'
        b'"i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"seq":%d}')
DONE_TWICE = (b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":['
              + DONE + b"," + DONE + b"]}")

MAKERS = {
    "depth": lambda i: DEPTH % (i, i, i - 1, i % 100, i % 97, i % 89),
    "trade": lambda i: TRADE % (b"trade", i, i),
    "aggTrade": lambda i: TRADE % (b"aggTrade", i, i),
    "ticker": lambda i: TICKER % i,
    "bybit": lambda i: BYBIT % (b"snapshot" if i == 1 else b"delta", i % 100, i % 97, i % 89, i, i),
    "bybit snapshots": lambda i: BYBIT % (b"snapshot", i % 100, i % 97, i % 89, i, i),
    "publicTrade": lambda i: DONE_TWICE % (i, i),
}
counter = ctypes.CDLL(None).allocations
counter.restype = ctypes.c_long

def calls_of(feed, book, frames):
    before = counter()
    for frame in frames:
        feed(book, frame)
    return counter() - before

def planted(book, frame):
    return feed(book, frame).event_ms

for name, dialect, what, kind, view in CASES:
    make = MAKERS[what]
    scanner = BybitScanner() if dialect == 2 else BinanceScanner(dialect)
    feed = getattr(scanner, name)
    book = Book("0.01", kind=kind)
    frames = [make(i) for i in range(1, 102_001)]
    if view:
        frames = [memoryview(frame) for frame in frames]
    assert feed(book, frames[0]).kind
    calls_of(feed, book, frames[1:1_000])
    gc.collect()
    gc.disable()
    few = calls_of(feed, book, frames[1_000:2_000])
    many = calls_of(feed, book, frames[2_000:])
    gc.enable()
    if what in ("depth", "bybit", "bybit snapshots"):
        assert book.last_update_id == 102_000, book.last_update_id
    print(name, dialect, what, kind, view, few, many, flush=True)
def calls_of_batch(feed, frames, rows):
    before = counter()
    feed(frames, rows)
    return counter() - before

for dialect in (0, 1, 2):
    make = MAKERS["bybit" if dialect == 2 else "depth"]
    book, table = Book("0.01", kind="window"), BookTable()
    scanner = BybitScanner() if dialect == 2 else BinanceScanner(dialect)
    table.add("BTCUSDT", scanner, book)
    one_book = lambda frames, rows: scanner.feed_many(book, frames, rows)
    frames = tuple(make(i) for i in range(1, 42_001))
    rows = bytearray(152 * 20_000)
    one_book(frames[:1_000], rows)
    for name, feed, start in (("feed_many", one_book, 1_000), ("table", table.feed_many, 21_500)):
        feed(frames[start : start + 500], rows)
        few, many = frames[start + 500 : start + 600], frames[start + 600 : start + 20_500]
        gc.collect()
        gc.disable()
        spent = calls_of_batch(feed, few, rows), calls_of_batch(feed, many, rows)
        gc.enable()
        assert book.last_update_id == start + 20_500, book.last_update_id
        print(name, dialect, *spent, flush=True)
frames = [MAKERS["depth"](i) for i in range(1, 1_001)]
book, feed = Book("0.01"), BinanceScanner().feed
print("planted", calls_of(planted, book, frames), flush=True)
"""

CASES = [
    ("feed", 0, "depth", "compact", False),
    ("feed_stats", 0, "depth", "compact", False),
    ("feed_stats", 0, "depth", "window", True),
    ("feed_stats", 0, "trade", "compact", False),
    ("feed_stats", 0, "aggTrade", "compact", False),
    ("feed_stats", 0, "ticker", "compact", False),
    ("feed_stats", 1, "depth", "compact", False),
    ("feed_stats", 1, "depth", "window", False),
    ("feed_stats", 1, "aggTrade", "window", False),
    ("feed", 2, "bybit", "compact", False),
    ("feed_stats", 2, "bybit", "window", False),
    ("feed_stats", 2, "bybit snapshots", "compact", False),
    ("feed_stats", 2, "publicTrade", "compact", False),
]


BATCHES = 6
"""One book and a table, of each dialect."""


@pytest.mark.timeout(600)
@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None,
    reason="preloads a counter, compiled with cc, before Linux's malloc",
)
def test_no_frame_allocates(tmp_path):
    source, counter = tmp_path / "counter.c", tmp_path / "counter.so"
    source.write_text(COUNTER)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", counter, source], check=True)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", f"ROOT = {str(root)!r}\nCASES = {CASES!r}\n{COUNTED}"],
        env=os.environ | {"LD_PRELOAD": str(counter), "PYTHONMALLOC": "malloc"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *lines, planted = done.stdout.splitlines()
    assert len(lines) == len(CASES) + BATCHES
    for line in lines[len(CASES) :]:
        # A tuple of the frames and five numbers, for a hundred frames and for twenty thousand.
        assert max(map(int, line.split()[-2:])) < 10, line
    for line in lines[: len(CASES)]:
        few, many = map(int, line.split()[-2:])
        # What the counting itself costs is the same for a thousand frames and a hundred thousand.
        assert few == many, line
        assert many < 20, line
    assert int(planted.split()[1]) >= 1_000, "a planted allocation for each frame is not counted"
