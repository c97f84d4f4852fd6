"""The venue's benchmarks: what is flat, requests that are really signed, rows of the contract."""

import hashlib
import hmac
import itertools
from urllib.parse import parse_qsl

import pytest

from bench import publish, venue, venue_hour, venue_memory, venue_orders, venue_slow
from core_ext.histogram import Histogram
from procs.cli.bench import available
from shared.errors import SeawallError

LINE = {"api_key": "key", "api_secret": "secret"}


def samples(memory, fds=None):
    return [(at * 10.0, float(mb), 20 if fds is None else fds[at]) for at, mb in enumerate(memory)]


def test_memory_that_settles_is_flat():
    found = venue_hour.summary(samples([40, 60, 80, 90, 92, 92, 93, 92, 92, 93, 93, 92]))
    assert found["flat"]
    assert found["rss_mb"]["start"] == 40
    assert found["rss_mb"]["end"] == 92
    assert abs(found["rss_mb"]["slope_mb_per_h"]) < 100


def test_memory_that_grows_is_not_flat():
    found = venue_hour.summary(samples(range(100, 340, 6)))
    assert not found["flat"]
    assert found["rss_mb"]["slope_mb_per_h"] == pytest.approx(6 * 360)


def test_descriptors_that_leak_are_not_flat():
    assert not venue_hour.summary(samples([90] * 12, fds=range(20, 32)))["flat"]
    with pytest.raises(SeawallError, match="3 samples"):
        venue_hour.summary(samples([1, 2, 3]))


def test_the_orders_are_signed_and_different():
    prepared = list(itertools.islice(venue_orders.requests(LINE, 60_000.0, "localhost", 1), 40))
    bodies = [one.partition(b"\r\n\r\n")[2].decode() for one in prepared]
    assert len({dict(parse_qsl(body))["newClientOrderId"] for body in bodies}) == 40
    for request, body in zip(prepared, bodies, strict=True):
        payload, _, signature = body.rpartition("&signature=")
        assert signature == hmac.new(b"secret", payload.encode(), hashlib.sha256).hexdigest()
        assert f"Content-Length: {len(body)}\r\n".encode() in request


def test_a_longer_delay_is_a_worse_ratio():
    quick, late = Histogram(), Histogram()
    quick.record(1_000_000, 100)
    late.record(2_000_000, 100)
    assert venue_slow._ratio(quick, late) == pytest.approx(0.5, rel=0.1)


def test_the_verb_offers_it_and_the_readme_can_show_it():
    assert "venue" in available()
    row = {"name": "a_b", "unit": "MB", "p50": 1.5, "p99": 2, "ratio_to": {"one_c": 0.5}}
    assert publish._venue_row(row) == "| a b | 1.5 MB | 2 MB | - | one c 0.5× |"
    row |= {"wanted": 3000, "cpu": 4000}
    assert "(4,000 in its own time)" in publish._venue_row(row)


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_every_part_gives_rows_of_the_contract(monkeypatch, capsys):
    monkeypatch.setattr(venue_orders, "ROUNDS", 1)
    monkeypatch.setattr(venue_slow, "ROUNDS", 1)
    monkeypatch.setattr(venue_memory, "SETTLE_S", 2)
    rows = venue.run()
    names = {row["name"] for row in rows}
    assert {"signed_orders_in", "memory_500_symbols", "delay_beside_stuck_client"} <= names
    for row in rows:
        assert row["unit"]
        assert row["operation"]
        # A busy machine may give a whole slice to others; something was measured all the same.
        assert row["p50"] > 0 or row["samples"] > 0
        assert row["p99"] >= 0
        assert row["p999"] >= 0
        assert all(ratio > 0 for ratio in row["ratio_to"].values())
    memory = next(row for row in rows if row["name"] == "memory_500_symbols")
    assert memory["p99"] < memory["wanted"]
    assert "signed_orders_in" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.e2e
def test_the_hour_in_ten_seconds():
    found = venue_hour.measure("flood", 10 / 60, sample_s=1.0)
    assert found["errors"] == []
    assert found["orders"] > 3
    assert found["messages"] > 1_000
    assert found["rss_mb"]["p50"] > 20
    assert found["lag_ms"]["p50"] >= 0
    assert found["answer_ms"]["p99"] >= found["answer_ms"]["p50"] > 0
