"""Goals beside results: what is reached is decided by the kind of the row."""

from bench.goals import Goal, goals, table


def rows_of(row, bench="hop"):
    return list(goals({bench: [row], "machine": "m", "demo": {}}, {"rows": []}))


def test_a_ratio_is_wanted_to_be_at_least_so_much_of_each_peer():
    row = {"name": "round_trip", "ratio_to": {"a_b": 2.0, "c": 0.5}, "wanted": {"a_b": 2, "c": 1}}
    assert rows_of(row) == [
        Goal("seawall bench hop", "round trip", "a b 2×", "2×", True),
        Goal("seawall bench hop", "round trip", "c 1×", "0.5×", False),
    ]


def test_a_peer_that_is_not_there_proves_nothing():
    assert rows_of({"name": "hop", "ratio_to": {}, "wanted": {"libzmq_c": 0.87}}) == []


def test_a_size_is_judged_by_its_tail_and_a_rate_by_its_median():
    size = {"name": "memory", "unit": "MB", "p50": 39, "p99": 41, "wanted": 40}
    assert rows_of(size, "memory") == [
        Goal("seawall bench memory", "memory", "at most 40 MB", "41 MB", False)
    ]
    rate = {"name": "orders", "unit": "orders/s", "p50": 3100, "p99": 2000, "wanted": 3000}
    assert rows_of(rate, "venue") == [
        Goal("seawall bench venue", "orders", "at least 3,000 orders/s", "3,100 orders/s", True)
    ]


def test_a_row_without_a_goal_is_none():
    assert rows_of({"name": "plain", "unit": "us", "p50": 1, "p99": 2, "ratio_to": {"x": 3}}) == []


def test_peers_come_first_and_what_was_missed_stands_out():
    peers = {
        "rows": [{"name": "L2", "ratio_to": {"SortedDict": 50.0}, "wanted": {"SortedDict": 40}}]
    }
    missed = {"name": "hop", "ratio_to": {"x": 1.0}, "wanted": {"x": 2}}
    shown = table(goals({"hop": [missed]}, peers)).splitlines()[2:]
    assert shown == [
        "| `make peers` | L2 | SortedDict 40× | 50× | yes |",
        "| `seawall bench hop` | hop | x 2× | 1× | **no** |",
    ]
