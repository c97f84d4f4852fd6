"""Five hundred symbols in one process: quick to start, small, whatever clients ask for."""

import json
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from localvenue_process import VenueProcess

MEBIBYTE = 2**20


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("profile", ["calm", "crash"])
def test_five_hundred_symbols_stay_small(tmp_path, profile):
    few = VenueProcess(tmp_path, "--profile", profile, "--symbols", "20", "--unlimited")
    few_s = sum(psutil.Process(few.process.pid).cpu_times()[:2])
    few.stop()
    venue = VenueProcess(tmp_path, "--profile", profile, "--symbols", "500", "--unlimited")
    try:
        process = psutil.Process(venue.process.pid)
        # Twice as much, usually, for twenty-five times as many.
        assert sum(process.cpu_times()[:2]) < 6 * few_s
        rest = venue.line["rest"]

        def get(path):
            with urllib.request.urlopen(rest + path, timeout=60) as answer:
                return json.loads(answer.read())

        assert len(venue.line["symbols"]) == 500
        for symbol in venue.line["symbols"]:
            assert len(get(f"/api/v3/klines?symbol={symbol}&interval=1m&limit=1000")) == 1000
            assert len(get(f"/api/v3/klines?symbol={symbol}&interval=1d&limit=1000")) > 500
        assert len(get("/api/v3/ticker/24hr")) == 500
        # Recent trades, a thousand a symbol, come to some 200 MB within ten minutes.
        assert process.memory_info().rss < 300 * MEBIBYTE
    finally:
        venue.process.terminate()
        venue.process.wait(60)
