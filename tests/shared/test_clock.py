"""Engine time: the same in every process of a run, and deaf to a wall clock that is set."""

import time

from shared.clock import EngineClock, boot_offset_ns, cpu_ns, iso, wall_ms


def test_engine_time_goes_on():
    clock = EngineClock()
    seen = [clock.now_ns() for _ in range(1000)]
    assert seen == sorted(seen)


def test_two_clocks_of_one_run_agree():
    offset = boot_offset_ns()
    one, other = EngineClock(offset), EngineClock(offset)
    before, between, after = one.now_ns(), other.now_ns(), one.now_ns()
    assert before <= between <= after


def test_engine_time_begins_at_the_wall_clock():
    before_ns = time.time_ns()
    clock = EngineClock()
    now_ns = clock.now_ns()
    error_ns = clock.error_ns()
    took_ns = time.time_ns() - before_ns
    assert abs(now_ns - before_ns) < took_ns + 50_000_000
    assert abs(error_ns) < took_ns + 50_000_000


def test_a_wall_clock_that_is_set_is_an_error_and_not_a_jump(monkeypatch):
    """Row 12 of the reliability list: durations are differences of engine times."""
    clock = EngineClock()
    before = clock.now_ns()
    right = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: right() + 3_600_000_000_000)
    assert clock.now_ns() - before < 600_000_000_000
    assert clock.error_ns() > 3_599_000_000_000
    assert wall_ms() > before // 1_000_000 + 3_599_000


def test_an_offset_of_the_supervisor_is_kept():
    assert EngineClock(0).offset_ns == 0
    assert EngineClock(5).now_ns() - EngineClock(0).now_ns() < 1_000_000_000


def test_cpu_time_grows_with_work():
    began = cpu_ns()
    sum(range(100_000))
    assert cpu_ns() > began


def test_times_for_people():
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123Z"
