"""The path benchmark: every tick makes an order in both designs, and the decision is one."""

import pytest

from bench import hot, path
from bench.path_common import HOPS, decide
from core_ext.histogram import Histogram
from procs.cli.bench import available, cores
from shared.errors import ConfigError, SeawallError


def test_the_decision_guards_and_sizes():
    assert decide(99.9, 100.0, 1e6, 10.0) == (0.001, 100.0)
    assert decide(0, 100.0, 1e6, 10.0) is None
    assert decide(100.0, 99.0, 1e6, 10.0) is None
    assert decide(99.9, 100.0, 0.1, 10.0) is None
    assert decide(50.0, 100.0, 1e6, 6666.0) is None


def counted(*durations_ns):
    found = Histogram()
    for duration_ns in durations_ns:
        found.record(duration_ns)
    return found


def test_a_tail_is_judged_in_the_best_round_beside_the_median_of_the_other_design():
    ours, naive = path.Rounds(), path.Rounds()
    for one in (counted(*[1_000] * 9, 900_000), counted(*[1_000] * 9, 4_000)):
        ours.add(one)
        naive.add(counted(*[8_000] * 10))
    row = path._row("tick_to_order", ours, naive, "on_one_core")
    assert row["name"] == "tick_to_order_on_one_core"
    assert row["p99"] > 800
    assert row["ratio_to"]["naive"] == pytest.approx(8, rel=0.05)
    assert row["ratio_to"][path.TAIL] == pytest.approx(2, rel=0.05)
    assert row["wanted"].keys() == row["ratio_to"].keys()


def test_missing_orders_are_an_error_not_a_flattering_row():
    full, empty = path.Rounds(), path.Rounds()
    full.add(counted(1000))
    found = {"seawall": dict.fromkeys(HOPS, full), "naive": dict.fromkeys(HOPS, empty)}
    with pytest.raises(SeawallError, match="naive counted 0 of 1"):
        path._require_all("path", found, 1)


def test_no_frame_comes_twice():
    ticks = path.WARM_UP_TICKS + path.ROUNDS * path.TICKS_PER_BATCH
    assert ticks <= len(hot.depth_frames(None).frames)
    with pytest.raises(SeawallError, match=r"bench path: \d+ ticks of \d+ frames"):
        path.measure("path", {}, 100, path.ROUNDS + 1, ())


def test_cores_are_numbers():
    assert cores("0,1,1") == (0, 1, 1)
    assert cores("") == ()
    with pytest.raises(ConfigError):
        cores("0-1")


def test_the_verb_offers_what_is_there():
    assert {"hot", "path"} <= set(available())


@pytest.mark.slow
def test_both_designs_make_an_order_of_every_tick(monkeypatch):
    monkeypatch.setattr(path, "TICKS_PER_BATCH", 30)
    monkeypatch.setattr(path, "WARM_UP_TICKS", 10)
    rows = path.run(json_output=True, rate_hz=50, rounds=1)
    by_lane = [f"{hop}_by_fast_lane" for hop in path.LANE_HOPS]
    woken = [f"{name}_on_one_core" for name in (*path.WOKEN_HOPS, *by_lane)]
    assert [row["name"] for row in rows] == [*HOPS, *by_lane, *woken]
    for row in rows:
        assert row["samples"] == row["naive_samples"] == 30
        assert 0 < row["p50"] <= row["p99"] <= row["p999"]
        assert row["ratio_to"]["naive"] > 0
