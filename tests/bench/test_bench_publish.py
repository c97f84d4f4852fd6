"""README's tables from a result file: every benchmark's rows are in it, with what is wanted."""

import pytest

from bench import publish
from procs.cli.bench import BENCHES


def row(name, **more):
    return {"name": name, "unit": "us", "p50": 2.5, "p99": 4.0, "ratio_to": {}, **more}


def results(**benches):
    simulated = {
        "events": 1,
        "events_per_s": 1.0,
        "faults": {},
        "opened_share": 1.0,
        "violations": [],
    }
    ran = {
        "clean_shutdown": True,
        "positions": {"opened": 1, "closed": 1},
        "unprotected_s": {"max": 0.0},
        "ledger": {},
        "latency_us": {"tick_to_order": {"p50": None}, "order_ack": {"p50": 2000.0}},
        "processes": {"ingest": {"pss_mb": 25.0, "cpu_s": 1.0}},
        "duration_s": 10.0,
    }
    return {
        "machine": "a machine",
        "commit": "1234567",
        "versions": {"ccxt": "4"},
        "demo": ran,
        "calm": ran,
        "simulate": simulated,
        **benches,
    }


def test_every_benchmark_is_measured_for_the_readme_or_left_out_by_name():
    assert {*publish.BENCHES, *publish.LEFT_OUT} == set(BENCHES)


def test_what_is_measured_again_says_at_which_commit(monkeypatch):
    monkeypatch.setattr(publish, "_commit", lambda: "89abcde")
    monkeypatch.setattr(publish, "_seawall", lambda *words: [row(f"{words[1]}_new")])
    older = results(hop=[row("hop_old")], hot=[row("hot_old")], later={"hot": "7654321"})
    newer = publish.measure_again(older, ["hop"])
    assert newer["later"] == {"hot": "7654321", "hop": "89abcde"}
    shown = publish.tables(newer)
    assert "at commit 1234567, `hot` at 7654321, `hop` at 89abcde on a machine" in shown
    assert "| hop new |" in shown
    assert "| hot old |" in shown


def test_a_benchmark_that_is_none_is_refused_before_anything_is_measured(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["publish", "hop", "tea"])
    with pytest.raises(SystemExit):
        publish.main()
    assert "no benchmark tea, allowed: hot, feed" in capsys.readouterr().err


def test_what_is_wanted_stands_beside_what_was_measured():
    shown = publish.tables(
        results(
            hop=[row("round_trip", ratio_to={"zmq_asyncio": 3.25}, wanted={"zmq_asyncio": 1.67})],
            memory=[row("memory_ingest", unit="MB", wanted=40, operation="the process ingest")],
        )
    )
    assert "| round trip | 2.5 us | 4 us | zmq asyncio 3.25× (wanted 1.67×) |" in shown
    assert "| memory ingest | 2.5 MB | 4 MB | 40 MB | the process ingest |" in shown


def test_an_older_result_file_shows_what_it_has():
    shown = publish.tables(results(hot=[row("frame_to_stats", ratio_to={"ccxt_pro": 30.0})]))
    assert "| frame to stats | 2.5 us | 4 us | ccxt pro 30× |" in shown
    assert "wanted at most" not in shown
