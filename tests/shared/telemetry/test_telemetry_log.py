"""The log: nothing lost on a clean stop, nothing unencodable, bounded on disk and in memory."""

import enum
import json
import os
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import shared.telemetry
from shared.errors import ConfigError
from shared.telemetry import log as log_module
from shared.telemetry.log import open_log
from shared.telemetry.reading import Follower, Selection, read_merged, run_folder
from shared.telemetry.record import HEADER, STREAMS, Level, encode_record, record_of
from shared.telemetry.rotation import RotatingFile

ROOT = Path(shared.telemetry.__file__).parents[2]
T0 = 1_700_000_000_000_000_000


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_clean_stop_loses_nothing_and_keeps_order(tmp_path):
    log = open_log(tmp_path, "route", "r1", 100, 10)
    for number in range(5000):
        log.write("orders", "order_sent", {"number": number}, T0 + number)
    log.close()
    log.close()
    records = lines(tmp_path / "latest" / "route.orders.jsonl")
    assert [record["number"] for record in records] == list(range(5000))
    first = records[0]
    assert set(first) >= HEADER
    assert first["at"] == "2023-11-14T22:13:20.000Z"
    assert (first["role"], first["run_id"], first["event_type"]) == ("route", "r1", "order_sent")


def test_flush_makes_it_readable_before_the_stop(tmp_path):
    log = open_log(tmp_path, "route", "r1", 100, 10)
    log.write("events", "one", {}, T0)
    log.flush()
    assert len(lines(tmp_path / "r1" / "route.events.jsonl")) == 1
    log.close()


class Colour(enum.StrEnum):
    RED = "red"


class Thing(msgspec.Struct):
    price: Decimal


def test_values_are_written_exactly_or_shown(tmp_path):
    log = open_log(tmp_path, "route", "r1", 100, 10)
    cycle = []
    cycle.append(cycle)
    fields = {
        "price": Decimal("0.10"),
        "thing": Thing(Decimal("1E-8")),
        "colour": Colour.RED,
        "path": Path("x"),
        "nan": float("nan"),
        "big": 10**40,
        "at": "taken",
    }
    log.write("events", "values", fields, T0)
    log.write("events", "cycle", {"cycle": cycle}, T0)
    log.write("events", "keys", {"map": {(1, 2): 3}}, T0)
    log.close()
    values, cycled, keyed = lines(tmp_path / "r1" / "route.events.jsonl")
    assert values["price"] == "0.10"
    assert values["thing"] == {"price": "1E-8"}
    assert values["colour"] == "red"
    assert values["big"] == 10**40
    assert values["field_at"] == "taken"
    assert values["at"].startswith("2023")
    assert "encoding_error" in cycled
    assert cycled["event_type"] == "cycle"
    assert "(1, 2)" in keyed["map"]


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
        max_size=5,
    )
)
def test_every_plain_record_is_one_json_line(fields):
    line = encode_record(record_of("events", "any", fields, T0, "route", "r1", Level.INFO))
    assert b"\n" not in line
    decoded = json.loads(line)
    assert decoded["event_type"] == "any"
    assert len(decoded) == len(fields) + len(HEADER)


def test_streams_and_levels(tmp_path):
    log = open_log(tmp_path, "route", "r1", 100, 10, level="warning")
    log.write("events", "quiet", {}, T0)
    log.write("events", "loud", {}, T0, level=Level.WARNING)
    log.write("errors", "always", {}, T0)
    with pytest.raises(ValueError, match="no log stream"):
        log.write("gossip", "x", {}, T0)
    log.close()
    assert [r["event_type"] for r in lines(tmp_path / "r1" / "route.events.jsonl")] == ["loud"]
    assert lines(tmp_path / "r1" / "route.errors.jsonl")[0]["level"] == "error"
    with pytest.raises(RuntimeError, match="closed"):
        log.write("events", "late", {}, T0)


def test_a_log_that_cannot_be_written_fails_the_start(tmp_path):
    (tmp_path / "logs").write_text("a file where a folder should be")
    with pytest.raises(ConfigError, match="cannot be written"):
        open_log(tmp_path / "logs", "route", "r1", 1, 1)


def test_a_full_queue_drops_counts_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(log_module, "MAX_QUEUED", 10)
    hold = threading.Event()
    append = RotatingFile.append

    def slow(self, data):
        hold.wait(5)
        append(self, data)

    monkeypatch.setattr(RotatingFile, "append", slow)
    log = open_log(tmp_path, "route", "r1", 100, 10)
    for number in range(100):
        log.write("events", "flood", {"number": number}, T0 + number)
    dropped = int(log.figures()["log_dropped"])
    assert dropped >= 70
    hold.set()
    log.close()
    kept = lines(tmp_path / "r1" / "route.events.jsonl")
    assert len(kept) + dropped == 100
    said = lines(tmp_path / "r1" / "route.errors.jsonl")
    assert sum(record["dropped"] for record in said) == dropped


def test_a_disk_that_refuses_is_counted_and_tried_again(tmp_path, monkeypatch):
    log = open_log(tmp_path, "route", "r1", 100, 10)
    with monkeypatch.context() as broken:

        def refuse(self, data):
            raise OSError(28, "No space left on device")

        broken.setattr(RotatingFile, "append", refuse)
        log.write("events", "lost", {}, T0)
        log.flush()
    assert log.figures()["log_failed"] == 1
    assert "No space" in log.last_failure
    log.write("events", "kept", {}, T0)
    log.close()
    assert [r["event_type"] for r in lines(tmp_path / "r1" / "route.events.jsonl")] == ["kept"]


def test_rotation_keeps_whole_lines_and_few_files(tmp_path):
    file = RotatingFile(tmp_path / "a.jsonl", 100, 3)
    for number in range(60):
        file.append(b'{"number":%d}\n' % number)
    file.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a.jsonl", "a.jsonl.1", "a.jsonl.2"]
    story = [tmp_path / "a.jsonl.2", tmp_path / "a.jsonl.1", tmp_path / "a.jsonl"]
    numbers = [record["number"] for path in story for record in lines(path)]
    assert numbers == list(range(numbers[0], 60))
    assert all(path.stat().st_size <= 100 for path in story)


def test_one_file_is_started_anew_when_only_one_is_kept(tmp_path):
    file = RotatingFile(tmp_path / "a.jsonl", 20, 1)
    for _ in range(5):
        file.append(b'{"number":1}\n')
    file.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    assert (tmp_path / "a.jsonl").stat().st_size == 13


def test_a_torn_line_of_a_killed_writer_does_not_spoil_the_next(tmp_path):
    folder = tmp_path / "r1"
    folder.mkdir()
    (folder / "route.events.jsonl").write_bytes(b'{"at_ns":1,"event_type":"whole"}\n{"at_ns":2,"ev')
    log = open_log(tmp_path, "route", "r1", 100, 10)
    log.write("events", "next", {}, T0)
    log.close()
    records = list(read_merged(folder, Selection()))
    assert [record["event_type"] for record in records] == ["whole", "next"]


def test_latest_names_the_newest_run_and_old_runs_are_forgotten(tmp_path):
    for number in range(4):
        log = open_log(tmp_path, "route", f"r{number}", 1, 1)
        for _ in range(40):
            log.write("events", "fat", {"text": "x" * 10_000}, T0)
        log.close()
    assert run_folder(tmp_path).name == "r3"
    assert (tmp_path / "latest").is_symlink()
    runs = {entry.name for entry in tmp_path.iterdir() if not entry.is_symlink()}
    assert runs == {"r1", "r2", "r3"}, "1 MB of past runs is kept, a run here has 0.4 MB"


WRITER = """
import sys
from pathlib import Path
from shared.telemetry.log import open_log
log = open_log(Path(sys.argv[1]), sys.argv[2], "r1", 1, 50)
for number in range(3000):
    log.write("events", "burst", {"number": number, "text": "x" * 300}, 10**18 + number)
log.close()
"""


def test_processes_write_at_the_same_time(tmp_path):
    roles = ("route", "decide", "protect")
    children = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", WRITER, str(tmp_path), role],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for role in roles
    ]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    records = list(read_merged(run_folder(tmp_path), Selection()))
    assert len(records) == 9000
    times = [record["at_ns"] for record in records]
    assert times == sorted(times)
    for role in roles:
        numbers = [record["number"] for record in records if record["role"] == role]
        assert numbers == list(range(3000))


def test_reading_selects_streams_and_roles(tmp_path):
    for role in ("route", "decide"):
        log = open_log(tmp_path, role, "r1", 1, 1)
        for stream in STREAMS:
            log.write(stream, "said", {}, T0)
        log.close()
    folder = run_folder(tmp_path)
    chosen = list(read_merged(folder, Selection(frozenset({"orders"}), frozenset({"route"}))))
    assert [(record["role"], record["stream"]) for record in chosen] == [("route", "orders")]
    assert len(list(read_merged(folder, Selection()))) == 10


def test_following_a_writer_that_rotates_loses_and_repeats_nothing(tmp_path):
    folder = tmp_path / "r1"
    folder.mkdir()
    file = RotatingFile(folder / "route.events.jsonl", 20_000, 50)
    follower = Follower(folder, Selection())
    seen = []
    done = threading.Event()

    def write():
        for number in range(3000):
            file.append(b'{"at_ns":%d,"text":"xxxxxxxxxxxxxxxxxxxx"}\n' % number)
            if number % 20 == 0:
                # Slower than one file per poll: a follower is asked five times a second.
                threading.Event().wait(0.005)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        seen += follower.poll()
    writer.join()
    seen += follower.poll()
    follower.close()
    file.close()
    numbers = [record["at_ns"] for record in seen]
    assert numbers == list(range(3000))


def test_following_sees_what_is_added_new_files_and_rotations(tmp_path):
    folder = tmp_path / "r1"
    folder.mkdir()
    file = RotatingFile(folder / "route.events.jsonl", 200, 5)
    file.append(b'{"at_ns":1}\n')
    follower = Follower(folder, Selection())
    assert follower.poll() == []
    file.append(b'{"at_ns":3}\n{"at_n')
    other = RotatingFile(folder / "decide.events.jsonl", 200, 5)
    other.append(b'{"at_ns":2}\n')
    assert [record["at_ns"] for record in follower.poll()] == [2, 3]
    file.append(b's":4}\n')
    assert [record["at_ns"] for record in follower.poll()] == [4]
    file.append(b'{"at_ns":5}\n')
    file.append(b'{"at_ns":6,"text":"' + b"x" * 190 + b'"}\n')
    assert [record["at_ns"] for record in follower.poll()] == [5, 6]
    follower.close()
    file.close()
    other.close()
