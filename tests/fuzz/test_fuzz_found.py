"""What mutations found, each as the smallest sample that showed it."""

import asyncio
import gzip
import http.server
import io
import os
import sqlite3
import struct
import tarfile
import threading

import pytest

from core_ext.errors import RecordRefused
from core_ext.histogram import Histogram
from procs.cli.logs import line_of
from procs.observe.shell import ObserveShell
from procs.runtime.launch import Launch
from procs.supervise import venue_child
from procs.supervise.rundir import (
    RUN_START_MAX_S,
    UserPaths,
    next_start_s,
    read_last_run,
    read_run_file,
)
from procs.supervise.venue_child import read_ready
from shared.clock import EngineClock
from shared.config.schema import Settings
from shared.domain.account import Account, account_bytes, epoch_order
from shared.domain.effects import Journal as Entry
from shared.domain.effects import Note
from shared.domain.replica import Replica, raw
from shared.errors import JournalError, MessageError, RecordingError
from shared.journal.archive import unpack_archive
from shared.journal.emergency import read_emergency
from shared.journal.journal import Journal
from shared.messages.account import AccountEvent, RunBegan, Welcomed
from shared.recordings.fill_audit import check
from shared.recordings.stylised import measure
from shared.telemetry.reading import record_in
from shared.venues import binance_answers as answers
from shared.venues.feed.budget import WeightBudget
from shared.venues.feed.port import RestError
from shared.venues.feed.questions import DEFAULT_PAUSE_S, retry_after_s
from shared.venues.feed.rest import BinancePublic

NOT_UTF8 = b'{"at_ns":1,"run_id":"\xff","rest":"\xff"}'
DEEP = b'{"run_id":' + b'{"a":' * 3000
UNREADABLE = [NOT_UTF8, DEEP]


@pytest.mark.parametrize("data", [b"\xdb", b'"orderReports"\xff', b'{"a":' * 3000])
def test_a_cancels_answer_that_is_no_text_is_refused(data):
    with pytest.raises(MessageError):
        answers.CANCELED.read(data)


@pytest.mark.parametrize("kind", [[], {}, None, 3])
def test_a_push_whose_kind_is_no_text_says_nothing(kind):
    assert answers.pushed({"e": kind}) is None


class _Told(BinancePublic):
    async def _get(self, *_):
        return self.body


@pytest.mark.parametrize(
    "body", [b'[{"symbol":"\xff"}]', b'[["\xff"]]', b"[" * 3000, b'[{"a":' * 3000]
)
def test_public_answers_that_cannot_be_read_may_be_asked_again(body):
    public = _Told("http://127.0.0.1:1", WeightBudget(EngineClock()))
    public.body = body
    for question in (
        public.quote_volumes(),
        public.candles("BTCUSDT", 3),
        public.best_prices(("BTCUSDT",)),
    ):
        with pytest.raises(RestError):
            asyncio.run(question)


@pytest.mark.parametrize("text", ["9" * 400, "54775808", "\u0663", "-1", "1e9", ""])
def test_a_retry_after_that_no_ban_lasts_is_the_ordinary_pause(text):
    assert retry_after_s(text) == DEFAULT_PAUSE_S


def test_a_retry_after_of_a_ban_is_kept():
    assert retry_after_s("259200") == 3 * 86_400


@pytest.mark.parametrize("data", UNREADABLE)
def test_files_that_cannot_be_read_are_none(data, tmp_path):
    path = tmp_path / "engine.json"
    path.write_bytes(data)
    assert read_run_file(path) is None
    assert read_ready(data) is None
    assert record_in(data) is None


def test_a_log_record_with_a_list_for_its_role_is_shown():
    assert "['route']" in line_of({"at_ns": 1, "role": ["route"], "stream": {"a": 1}})


@pytest.mark.parametrize("text", ["9" * 1000, str(RUN_START_MAX_S), "1750000000000", "-5", "x"])
def test_a_last_run_that_cannot_be_does_not_become_part_of_ids(text, tmp_path):
    paths = UserPaths(tmp_path)
    paths.make()
    paths.last_run.write_text(text)
    assert read_last_run(paths.last_run) == 0
    assert next_start_s(paths, 1_750_000_000) == 1_750_000_000
    assert next_start_s(paths, 1_750_000_000) == 1_750_000_001


LINE = b'{"seq":1,"type":"a","at_ns":1,"crc":1,"body":{}}\n'


@pytest.mark.parametrize(
    "second",
    [
        b'{"seq":2,"type":"\xe5","at_ns":1,"crc":1,"body":{}}\n',
        b'{"seq":9223372036854775808,"type":"a","at_ns":1,"crc":1,"body":{}}\n',
        b'{"seq":2,"type":"a","at_ns":-9223372036854775809,"crc":1,"body":{}}\n',
        b'{"seq":2,"type":"a","at_ns":1,"crc":1,"body":' + b"[" * 3000 + b"\n",
    ],
)
def test_emergency_rows_end_where_they_cannot_be_read(second, tmp_path):
    path = tmp_path / "decide.emergency"
    path.write_bytes(LINE + second)
    left = read_emergency(path)
    assert [row.seq for row in left.rows] == [1]
    assert (left.end, left.damaged) == (len(LINE), False)
    path.write_bytes(LINE + second + LINE)
    assert read_emergency(path) == left._replace(damaged=True)


@pytest.mark.parametrize("body", ["{}", '{"type":"fill_booked","price":"NaN"}', "5"])
def test_past_fills_that_cannot_be_read_are_counted_and_left_out(body, tmp_path):
    path = tmp_path / "data" / "route.db"
    journal = Journal.open(path, "route", AccountEvent)
    journal.append([Entry(1, RunBegan(at_ns=1, run_id="tk"), True)], 0)
    journal.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE events SET type = 'fill_booked', body = ?", (body,))
    launch = Launch(
        role="observe", run_id="tk", incarnation=1, clock_offset_ns=0, userdir=str(tmp_path),
        run_dir=str(tmp_path), data_dir=str(path.parent), config_hash="", settings=Settings(),
    )  # fmt: skip
    shell = ObserveShell(launch)
    actor = shell.build()
    actor.welcomes = 1
    shell.after_turn(actor, 1)
    assert shell.figures() == {"journal_unreadable": 1}


@pytest.mark.parametrize("incarnation", ["9" * 5000, "\u0663", "x", ""])
def test_an_epoch_whose_number_is_none_is_older_than_any(incarnation):
    assert epoch_order(f"tk.{incarnation}") == ("tk", 0) < epoch_order("tk.1")


def test_counts_that_add_up_beyond_64_bits_are_no_histogram():
    histogram = Histogram()
    for value in (1, 2, 2):
        histogram.record(value)
    entries = struct.pack("<HQHQ", 1, (1 << 64) - 1, 2, 2)
    data = histogram.to_bytes()
    assert len(data[:-20] + entries) == len(data)
    for count in (1, 3):
        head = bytearray(data[:-20])
        head[8:16] = count.to_bytes(8, "little")
        with pytest.raises(RecordRefused):
            Histogram.from_bytes(bytes(head) + entries)


class _Garbling(http.server.BaseHTTPRequestHandler):
    bodies = [b"\xff", b"[" * 3000, b"", b'{"ended":true}']

    def do_GET(self):
        body = self.bodies.pop(0)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """The test's output is not a log."""


def test_the_watch_over_a_replay_lives_on_after_answers_that_cannot_be_read(monkeypatch):
    monkeypatch.setattr(venue_child, "ENDED_EVERY_S", 0.01)
    server = http.server.HTTPServer(("127.0.0.1", 0), _Garbling)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    reading, writing = os.pipe()
    watch = venue_child.ReplayWatch(f"http://127.0.0.1:{server.server_port}", writing)
    try:
        assert watch.ended.wait(10)
        assert os.read(reading, 1) == b"\0"
    finally:
        watch.close()
        server.shutdown()
        thread.join()
        server.server_close()
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("size", [1 << 62, 1 << 63, 1 << 66])
def test_an_archive_whose_member_has_an_absurd_size_is_damaged(size, tmp_path):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:", format=tarfile.GNU_FORMAT) as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    block = bytearray(made.getvalue())
    block[124:136] = b"\x80" + size.to_bytes(11, "big")
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 8 * 32 + sum(block[156:512]))
    source = tmp_path / "backup.tar.gz"
    source.write_bytes(gzip.compress(bytes(block)))
    with pytest.raises(JournalError):
        unpack_archive(source, tmp_path)


@pytest.mark.parametrize(
    "welcome",
    [
        {"account": b'{"seq":"7"}'},
        {"account": account_bytes(Account(seq=6))},
        {"instruments": b"[{}]"},
        {"instruments": b"[NaN]"},
    ],
)
def test_a_welcome_that_cannot_be_read_changes_nothing(welcome):
    fields = {"account": account_bytes(Account(seq=7)), "instruments": b"[]"} | welcome
    replica = Replica("decide", 1, "hash")
    replica.on(Welcomed(epoch="a.1", seq=0, account=raw(account_bytes(Account())),
                        instruments=raw(b"[]"), reconciled=True, at_ns=1), 1)  # fmt: skip
    message = Welcomed(
        epoch="a.2",
        seq=7,
        account=raw(fields["account"]),
        instruments=raw(fields["instruments"]),
        reconciled=True,
        at_ns=2,
    )
    events, (note,) = replica.on(message, 2)
    assert events == []
    assert isinstance(note, Note)
    assert note.event_type == "welcome_unreadable"
    assert (replica.account.seq, replica.epoch, replica.mark) == (0, "a.1", 0)


@pytest.mark.parametrize(
    "first",
    [
        '"market":"generated"',
        '"files":[]',
        '"market":"else","files":[]',
        '"market":"recorded","files":[{"file":1,"sha256":"a"}]',
        '"market":"recorded","files":[{"file":"a"}]',
        '"market":"recorded","files":{}',
    ],
)
def test_an_audit_that_does_not_name_its_market_is_refused(first, tmp_path):
    path = tmp_path / "fills.jsonl"
    path.write_text('{"record":"start","version":1,' + first + "}\n")
    with pytest.raises(RecordingError, match="does not name the market"):
        check(path, [])


@pytest.mark.parametrize(
    "frame",
    [
        b'{"e":"trade","T":"\\u0000","m":true}',
        b'{"e":"trade","T":{},"m":true}',
        b'{"e":"bookTicker","b":"NaN","B":"1","a":"2","A":"1"}',
        b'{"e":"bookTicker","b":"1","B":"inf","a":"2","A":"1"}',
    ],
)
def test_facts_of_frames_that_are_no_messages_are_refused(frame):
    with pytest.raises(RecordingError):
        measure([(1, frame), (2, frame)], 0.01)
