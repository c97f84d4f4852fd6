"""Readers of files: configuration, keys, what a start finds in the user folder, recordings."""

import contextlib
import gzip
import io
import lzma
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fuzz_engine import Target
from fuzz_samples import samples_of

from procs.cli.logs import line_of
from procs.localvenue.candle_files import open_candles
from procs.localvenue.faults.plan import read_plan
from procs.runtime.latch import Latch
from procs.runtime.launch import Launch, read_launch
from procs.supervise.rundir import (
    RunFile,
    UserPaths,
    next_start_s,
    read_latch,
    read_operator,
    read_run_file,
)
from procs.supervise.venue_child import VenueReady, choose_port, read_ready
from shared.config.load import load_settings
from shared.config.template import template
from shared.domain.effects import Journal as Entry
from shared.journal import emergency
from shared.journal.archive import unpack_archive, write_archive
from shared.journal.emergency import EmergencyFile, continues, read_emergency
from shared.journal.journal import Journal
from shared.journal.mark import MarkFile, read_mark
from shared.journal.rows import Row
from shared.journal.schema import row_crc
from shared.messages.base import encode
from shared.messages.decision import DecideEvent, RouteMarked
from shared.recordings.fill_audit import check
from shared.recordings.instruments import load_instruments
from shared.recordings.lines import check_whole, merge_by_time
from shared.recordings.stylised import measure
from shared.telemetry.reading import record_in
from shared.venues.credentials import load_credentials

ROOT = Path(__file__).resolve().parents[2]
T0 = 1_723_161_253_937_085_768

SETTINGS = b"""# mine
[engine]
mode = "paper"
seed = 7
[universe]
symbols = ["BTCUSDT", "ETHUSDT"]
[risk]
position_quote = 500
max_positions = 3
[protection]
stop_loss_pct = 2.5
[process.route]
cpus = [0]
nice = -5
"""
PLAN = b"""seed = 7
[[fault]]
kind = "timeout_after"
operation = "order.place"
chance = 0.02
[[fault]]
kind = "delay"
delay_ms = [20, 400]
nth = 3
[[fault]]
kind = "gap"
stream = "btcusdt@depth*"
after_s = 60
messages = 3
count = 1
"""
DEPTH = (
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":%d,"u":%d,'
    b'"b":[["1.00","2"]],"a":[["1.01","0.5"]]}}'
)
TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":5,"p":"1.00",'
    b'"q":"2.5","T":1,"m":true}}'
)
SNAPSHOT = b'{"lastUpdateId":1,"bids":[["1.00","2"]],"asks":[["1.01","3"]]}'
LINES = b"".join(
    b"%d %s\n" % (T0 + at, frame)
    for at, frame in enumerate((DEPTH % (1, 1), SNAPSHOT, DEPTH % (2, 3), TRADE, DEPTH % (4, 4)))
)


class Folder:
    """A scratch folder in which one file after the other has the mutant's bytes."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(
            prefix="seawall-fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        )
        self.path = Path(self._scratch.name)

    def write(self, name: str, data: bytes) -> Path:
        """The file, 0600."""
        path = self.path / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
        return path

    def reads(self, name: str, read: Callable[[Path], Any]) -> Callable[[bytes], Any]:
        """Read after writing."""
        return lambda data: read(self.write(name, data))


def file_targets() -> Iterator[Target]:
    """Everything that is read from a disk, but databases: those have a campaign of their own."""
    folder = Folder()
    yield from _configuration(folder)
    yield from _userdir(folder)
    yield from _journal_side(folder)
    yield from _recordings(folder)


def _configuration(folder: Folder) -> Iterator[Target]:
    def settings(path: Path) -> Any:
        return load_settings([path], [], {}, folder.path).settings

    def said(data: bytes) -> Any:
        text = data.decode("utf-8", "replace").replace("\0", "")
        name, _, value = text.partition("=")
        environ = {f"SEAWALL__{name.upper().replace('.', '__')}": value}
        assert load_settings([], [text], {}, folder.path) is not None
        return load_settings([], [], environ, folder.path).settings

    yield Target(
        name="config.file",
        samples=[SETTINGS, template().encode()],
        read=folder.reads("seawall.toml", settings),
        hostile=[
            b"a = " + b"[" * 5000 + b"]" * 5000,
            b"[risk]\nposition_quote = " + b"9" * 5000,
            b"[risk]\nposition_quote = 1e99999999999999999999",
            b"[risk]\nposition_quote = nan",
            b"[risk]\nposition_quote = -inf",
            b"[risk]\nmax_positions = 0x" + b"f" * 5000,
            b"[engine]\nmode = 1979-05-27T07:32:00Z",
            b"a." * 5000 + b"b = 1",
            b"[" + b"a." * 5000 + b"b]",
        ],
    )
    yield Target(
        name="config.said",
        samples=[
            b"risk.max_positions=3",
            b"universe.symbols=BTCUSDT,ETHUSDT",
            b"process.route.cpus=0,1",
            b"process.route.nice=-5",
            b"protection.stop_loss_pct=1.5",
            b"engine.mode=paper",
            b"engine.seed=[7]",
        ],
        read=said,
        hostile=[
            b"risk.max_positions=" + value
            for value in (b"9" * 5000, b"[" * 5000, b"0x" + b"f" * 5000, b"1e" + b"9" * 20, b"nan")
        ],
    )
    yield Target(
        name="config.credentials",
        samples=[
            b'[local]\napi_key = "abc"\napi_secret = "def"\n',
            b'[binance]\napi_key = "abc"\n[local]\napi_key = "x"\napi_secret = "y"\n',
        ],
        read=folder.reads("credentials.toml", lambda path: load_credentials(path, "local")),
        hostile=[b"a = " + b"[" * 5000, b"a = " + b"9" * 5000, b"a = 0x" + b"f" * 5000],
    )
    yield Target(
        name="config.faults",
        samples=[PLAN],
        read=folder.reads("plan.toml", lambda path: read_plan(path).seed),
        hostile=[b"seed = " + b"9" * 5000, b"seed = " + b"[" * 5000],
    )
    yield Target(
        name="launch",
        samples=samples_of(Launch, 12),
        read=folder.reads("launch-route.json", read_launch),
    )


def _userdir(folder: Folder) -> Iterator[Target]:
    paths = UserPaths(folder.path / "user")
    paths.make()
    inner = Folder()

    def start(data: bytes) -> Any:
        paths.last_run.write_bytes(data)
        started = next_start_s(paths, 1_750_000_000)
        assert 1_750_000_000 <= started < 1 << 40, f"a run that starts at {started}"
        return started

    def latched(data: bytes) -> Any:
        paths.latch.write_bytes(data)
        text = Latch(paths.latch).text()
        assert text, "a latch that says nothing is open"
        assert read_latch(paths.latch), "a latch that says nothing is open"
        return text

    def operator(data: bytes) -> Any:
        paths.operator.write_bytes(data)
        return read_operator(paths.operator)

    yield Target(name="userdir.last_run", samples=[b"1750000000\n"], read=start, refusals=())
    yield Target(
        name="userdir.latch", samples=[b"kill\n", b"", b"asked by a person\n"], read=latched,
        refusals=(),
    )  # fmt: skip
    yield Target(
        name="userdir.operator", samples=[b"REDUCING\n", b"HALTED"], read=operator, refusals=()
    )
    yield Target(
        name="userdir.run_file", samples=samples_of(RunFile, 6), refusals=(),
        read=inner.reads("engine.json", read_run_file),
    )  # fmt: skip
    yield Target(
        name="userdir.venue_port", samples=[b"8123\n", b"65535"], refusals=(),
        read=inner.reads("venue.port", lambda path: choose_port(0, path)),
    )  # fmt: skip
    yield Target(
        name="userdir.venue_ready", samples=samples_of(VenueReady, 6), read=read_ready, refusals=()
    )
    record = encode(
        {"at_ns": 5, "at": "x", "role": "route", "stream": "orders", "seq": 3, "p": 1.5}
    )

    def logged(data: bytes) -> Any:
        found = record_in(data)
        return None if found is None else line_of(found)

    yield Target(name="logs", samples=[record], read=logged, refusals=())


def _rows(count: int) -> list[Row]:
    rows, chain = [], 0
    for seq in range(1, count + 1):
        body = encode(RouteMarked(seq=seq * 10, at_ns=seq))
        chain = row_crc(chain, seq, b"route_marked", seq, body)
        rows.append(Row(seq, "route_marked", seq, body, chain))
    return rows


def _journal_side(folder: Folder) -> Iterator[Target]:
    reserve = EmergencyFile(folder.path / "sample.emergency")
    emergency_bytes, emergency.RESERVED_BYTES = emergency.RESERVED_BYTES, 2048
    try:
        reserve.reserve()
        reserve.write(_rows(6))
        reserve.close()
    finally:
        emergency.RESERVED_BYTES = emergency_bytes
    truth = _rows(6)

    def emergency_rows(path: Path) -> Any:
        rows = read_emergency(path).rows
        chain = 0
        for row, true in zip(rows, truth, strict=False):
            if not continues(row, chain):
                break
            assert row == true, "a row that was never written continues the chain"
            chain = row.crc
        return len(rows)

    yield Target(
        name="journal.emergency",
        samples=[(folder.path / "sample.emergency").read_bytes()],
        read=folder.reads("decide.emergency", emergency_rows),
        refusals=(),
        hostile=[b'{"seq":%d,"type":"a","at_ns":1,"crc":1,"body":1}\n' % (1 << 63)],
    )
    marked = MarkFile(folder.path / "sample.mark")
    marked.set(123_456)
    marked.close()
    yield Target(
        name="journal.mark",
        samples=[(folder.path / "sample.mark").read_bytes()],
        read=folder.reads("decide.mark", read_mark),
    )
    yield _archive()


def _archive() -> Target:
    scratch = Folder()
    userdir = scratch.path / "user"
    journal = Journal.open(userdir / "data" / "decide.db", "decide", DecideEvent)
    journal.append([Entry(seq, RouteMarked(seq=seq, at_ns=seq), True) for seq in range(1, 6)], 0)
    journal.close()
    (userdir / "seawall.toml").write_bytes(SETTINGS)
    made = scratch.path / "made.tar.gz"
    write_archive(userdir, made, 1_750_000_000, "0")
    whole = made.read_bytes()
    packed = gzip.decompress(whole)

    def read(path: Path) -> Any:
        with tempfile.TemporaryDirectory(dir=scratch.path) as name:
            unpack_archive(path, Path(name))
        # An archive that was changed and is taken all the same says exactly what it said.
        return None

    # Mutants of the plain tar reach further than those of its packing.
    def pack(data: bytes) -> bytes:
        return data if data[:2] == b"\x1f\x8b" else gzip.compress(data, 1)

    reads = scratch.reads("fuzz.tar.gz", read)
    return Target(
        name="journal.archive",
        samples=[whole, packed, packed[:4096]],
        read=lambda data: reads(pack(data)),
    )


def _recordings(folder: Folder) -> Iterator[Target]:
    def lines(path: Path) -> Any:
        check_whole(path)
        return [line.recv_ns for line in merge_by_time([path])]

    for name, samples in (
        ("lines", [LINES]),
        ("packed", [gzip.compress(LINES), lzma.compress(LINES)]),
    ):
        yield Target(
            name=f"recordings.{name}", samples=samples, read=folder.reads(f"{name}.jsonl", lines),
        )  # fmt: skip
    yield Target(
        name="recordings.measure",
        samples=LINES.splitlines(),
        # A correlation of two points is not a number by definition.
        read=lambda data: str(measure([(T0, data.partition(b" ")[2])] * 2, 0.01)),
    )
    instruments = encode(
        {"BTCUSDT": {"tick_size": "0.5"}, "NEWUSDT": {"tick_size": "0.1", "step_size": "1",
                                                      "min_notional": "5"}}
    )  # fmt: skip
    yield Target(
        name="recordings.instruments",
        samples=[instruments, b'[{"symbol":"BTCUSDT","tick_size":"0.5","base":"BTC"}]'],
        read=folder.reads("instruments.json", load_instruments),
    )
    yield _candles(folder)
    yield _audit(folder)


def _candles(folder: Folder) -> Target:
    opened = range(1_700_000_000_000, 1_700_000_360_000, 60_000)
    named = b"timestamp,symbol,open,high,low,close,volume\n" + b"".join(
        b"%d,BTC/USDT,1.0,2.0,0.5,1.5,3\n" % at for at in opened
    )
    bare = b"".join(b"%d,1.0,2.0,0.5,1.5,3.25\n" % at for at in opened)

    def candles(path: Path) -> Any:
        with contextlib.redirect_stderr(io.StringIO()):
            return [one.symbol for one in open_candles([path], None, 1_750_000_000_000).instruments]

    return Target(
        name="recordings.candles",
        samples=[named, bare, gzip.compress(named)],
        read=folder.reads("BTCUSDT-1m.csv", candles),
    )


def _audit(folder: Folder) -> Target:
    market = folder.write("fills.jsonl.market.jsonl", LINES)
    start = {"record": "start", "version": 1, "market": "generated", "files": []}
    place = {"symbol": "BTCUSDT", "line": 3, "at_ns": T0}
    order = place | {"record": "order", "order_id": 1, "side": "buy", "type": "LIMIT",
                     "quantity": "0.5", "price": "1.01"}  # fmt: skip
    fill = place | {"record": "fill", "order_id": 1, "fill_id": 1, "price": "1.01",
                    "quantity": "0.5",
                    "evidence": {"kind": "level", "line": 2, "price": "1.01"}}  # fmt: skip
    join = place | {"record": "join", "order_id": 1, "price": "1.00", "ahead": "2"}
    rows = [start, order, join, fill, place | {"record": "leave", "order_id": 1}]
    samples = [b"\n".join(encode(one) for one in rows) + b"\n"]
    assert market.is_file()

    def audited(path: Path) -> Any:
        checker = check(path, [])
        return checker.fills, len(checker.findings)

    return Target(
        name="recordings.audit",
        samples=samples,
        read=folder.reads("fills.jsonl", audited),
        hostile=[
            b'{"record":"start","version":1}\n',
            b'{"record":"start","version":1,"market":[]}',
        ],
    )
