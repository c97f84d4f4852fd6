"""The round trip benchmark: every pair of processes answers, and the rows name their peers."""

import shutil

import pytest

from bench import hop, hop_c
from procs.cli.bench import available

WITH_C = shutil.which("cc") is not None and hop_c.bundled_libzmq() is not None


def test_the_verb_offers_it():
    assert "hop" in available()


def test_without_a_compiler_the_reason_is_said(monkeypatch, tmp_path):
    said = []
    monkeypatch.setattr(hop_c.shutil, "which", lambda name: None)
    assert hop_c.compiled(tmp_path, said.append) is None
    assert said == ["no C compiler: libzmq from C is left out"]


def test_a_round_counts_at_its_median():
    taken = {"blocking": [[1000] * 9 + [9000], [3000] * 10, [2000] * 10], "zmq_asyncio": [[8000]]}
    row = hop._row("blocking", taken)
    assert (row["p50"], row["p99"], row["samples"]) == (2.0, 3.0, 30)
    assert row["ratio_to"] == {"zmq_asyncio": 4.0}
    assert row["wanted"] == {"zmq_asyncio": pytest.approx(1.67)}


@pytest.mark.slow
def test_every_pair_makes_its_round_trips(monkeypatch, capsys):
    monkeypatch.setattr(hop, "TRIPS", 20)
    monkeypatch.setattr(hop, "WARM_UP", 2)
    rows = hop.run(rounds=2)
    measured = ["blocking", "uvloop", *["libzmq_c"] * WITH_C, "unix_socket"]
    names = [f"round_trip_{name}" for name in measured]
    assert [row["name"] for row in rows] == names + [f"{name}_on_one_core" for name in names]
    peers = {"libzmq_c", "zmq_asyncio"} if WITH_C else {"zmq_asyncio"}
    for row in rows:
        assert 0 < row["p50"] <= row["p99"] <= row["p999"]
        assert row["samples"] == 40
        ours = "blocking" in row["name"] or "uvloop" in row["name"]
        assert row["ratio_to"].keys() == {peer for peer in peers if peer not in row["name"]}
        assert row["wanted"].keys() == (peers if ours else set())
    shown = capsys.readouterr().out
    assert all(row["operation"] in shown for row in rows)
