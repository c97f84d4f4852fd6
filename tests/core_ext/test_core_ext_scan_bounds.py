"""The scanner never reads past a frame: frames end where unreadable memory begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GUARDED = """
import ctypes, mmap, random, sys
sys.path.insert(0, ROOT)
sys.path.insert(0, TESTS)
from core_ext.book import Book
from core_ext.scan import BinanceScanner, BybitScanner, kind_of, symbol_of
from test_core_ext_scan_contract import DEPTH, OTHER, SNAPSHOT, TICKER, TRADE, mutated, wrapped
from test_core_ext_scan_dialects import BINANCE, BYBIT

PAGE = mmap.PAGESIZE
memory = mmap.mmap(-1, 2 * PAGE)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mprotect(ctypes.c_void_p(address + PAGE), PAGE, 0) == 0
scanner, futures, bybit, book = BinanceScanner(), BinanceScanner(1), BybitScanner(), Book("0.01")

def feed(frame):
    start = PAGE - len(frame)
    memory[start:PAGE] = frame
    view = memoryview(memory)[start:PAGE]
    symbol_of(view), kind_of(view)
    for read in (scanner.feed, futures.feed, bybit.feed, scanner.load_snapshot):
        try:
            read(book, view)
        except ValueError:
            pass

seeds = [DEPTH, TRADE, TICKER, OTHER, SNAPSHOT, *BINANCE, *BYBIT]
seeds += [wrapped(frame) for frame in seeds]
fed = 0
for frame in seeds:
    for size in range(len(frame) + 1):
        feed(frame[:size])
        fed += 1
rng = random.Random(7)
for _ in range(20_000):
    frame = mutated(rng.choice(seeds), rng)
    feed(frame[: rng.randrange(len(frame) + 1)])
    fed += 1
if CRASH:
    memory[PAGE]
print(fed)
"""


def run(crash: bool) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    head = f"ROOT = {str(root)!r}\nTESTS = {str(Path(__file__).parent)!r}\nCRASH = {crash}\n"
    return subprocess.run(
        [sys.executable, "-c", head + GUARDED], capture_output=True, text=True, timeout=60
    )


@pytest.mark.skipif(sys.platform != "linux", reason="guards memory with Linux's mprotect")
def test_no_read_beyond_the_frame():
    done = run(crash=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20_000


@pytest.mark.skipif(sys.platform != "linux", reason="guards memory with Linux's mprotect")
def test_the_guard_does_catch_a_read_beyond():
    assert run(crash=True).returncode < 0
