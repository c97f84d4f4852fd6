"""Bad input at the door: one clear line, the right exit code, and nothing left half-started."""

import json
import lzma
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from engine_process import ROOT, WITHIN_S, Engine, machine_allows_s, seawall

pytestmark = pytest.mark.e2e

DATA = ROOT.parent / "shared" / "data"


def recorded(*parts: str) -> Path:
    """A file of the recorded data; its absence skips, loudly."""
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"recorded data is absent: {'/'.join(parts)} below ../shared/data")
    return path


def processes_of(userdir: Path) -> list[psutil.Process]:
    """Everything whose command line names the user folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(userdir) in part for part in process.info["cmdline"] or ())
    ]


def refused(userdir: Path, *arguments: object, code: int, says: tuple[str, ...]) -> str:
    """Runs it; it must end soon with this code and one line that says all of this."""
    done = seawall("run", "--userdir", userdir, "--for", "20s", *arguments)
    lines = done.stderr.splitlines()
    errors = [line for line in lines if line.startswith("seawall: error:")]
    assert done.returncode == code, done.stderr
    assert errors == lines[-1:], done.stderr
    assert "Traceback" not in done.stderr
    for word in says:
        assert word in errors[0], (word, errors[0])
    assert processes_of(userdir) == []
    assert not (userdir / "run" / "engine.json").exists()
    return done.stdout


CONFIGURATIONS = {
    "unknown key": ("[risk]\nmax_positons = 3\n", ("risk.max_positons", "risk.max_positions")),
    "unknown section": ("[rusk]\na = 3\n", ("rusk",)),
    "out of range": ("[risk]\nmax_positions = 0\n", ("risk.max_positions", "0", ">= 1")),
    "another kind": ('[risk]\nmax_positions = "x"\n', ("risk.max_positions", "x", "int")),
    "not TOML": ("[risk]\nmax_positions = = 3\n", ("line 2",)),
    "exact amount": ("[protection]\nstop_loss_pct = 120\n", ("stop_loss_pct = 120", "100")),
    "contradiction": (
        "[risk]\nposition_pct = 90.0\n",
        ("risk.position_pct", "90", "max_exposure_pct", "80"),
    ),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_that_cannot_be_names_file_key_and_value(tmp_path, name):
    text, says = CONFIGURATIONS[name]
    (tmp_path / "user").mkdir()
    file = tmp_path / "user" / "seawall.toml"
    file.write_text(text)
    refused(tmp_path / "user", code=4, says=(str(file), *says))
    assert sorted(path.name for path in file.parent.iterdir()) == ["seawall.toml"]


@pytest.mark.parametrize("key", ["signal.drop.trigger_pct=200", "nonsense.key=1", "nonsense"])
def test_a_set_that_cannot_be_is_named(tmp_path, key):
    refused(tmp_path / "user", "--set", key, code=4, says=("--set", key.partition("=")[0]))


def test_a_symbol_that_nobody_trades(tmp_path):
    said = refused(
        tmp_path / "user",
        *("--set", 'universe.symbols=["BTCUSDT","NOPEUSDT"]'),
        code=4,
        says=("universe.symbols", "NOPEUSDT"),
    )
    assert "BTCUSDT," not in said


def test_a_market_that_does_not_exist(tmp_path):
    refused(tmp_path / "user", "--profile", "wild", code=4, says=("wild", "calm, demo, fast"))


def test_a_port_that_somebody_else_has(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(tmp_path / "user", "--set", f"venue.port={port}", code=4, says=(str(port), "use"))


def test_a_recording_that_is_not_there(tmp_path):
    gone = tmp_path / "gone.jsonl"
    refused(tmp_path / "user", "--replay", gone, code=2, says=(str(gone),))


def test_a_recording_with_other_columns(tmp_path):
    csv = tmp_path / "candles.csv"
    csv.write_text("symbol,ts,open\nBTCUSDT,1,2\n")
    refused(tmp_path / "user", "--replay", csv, code=1, says=(str(csv), "line 1", "receive time"))


def test_a_recording_that_is_cut_off(tmp_path):
    update = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": 1, "u": 2, "b": [], "a": []}
    frame = json.dumps({"stream": "btcusdt@depth", "data": update})
    rows = "".join(f"{1_723_161_253_000_000_000 + row} {frame}\n" for row in range(5_000))
    cut = tmp_path / "cut.jsonl.xz"
    packed = lzma.compress(rows.encode())
    cut.write_bytes(packed[:-9])
    refused(tmp_path / "user", "--replay", cut, code=1, says=(str(cut), "cut off"))


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (("book", "binance_usdm-btcusdt_20240808.jsonl.xz"), ("futures", "spot")),
        (("book", "bybit_linear-xrpusdt_ob500_20241201.zip"), ("zip", "allowed")),
        (("capture", "OKX.jsonl.xz"), ("line 1",)),
        (("candles", "binance_spot_5m_calm_20240205.csv.xz"), ("line 1",)),
    ],
)
def test_a_recording_of_something_else(tmp_path, parts, says):
    path = recorded(*parts)
    refused(tmp_path / "user", "--replay", path, code=1, says=(parts[-1], *says))


def test_verbs_without_an_engine(tmp_path):
    for verb in ("status", "positions", "orders", "fills", "balance", "pause-entries", "stop"):
        done = seawall(verb, "--userdir", tmp_path)
        assert done.returncode == 3, (verb, done.stderr)
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "no engine is running" in done.stderr
    done = seawall("close", "BTCUSDT", "--yes", "--userdir", tmp_path)
    assert done.returncode == 3
    done = seawall("why", "tk3f9a-12", "--userdir", tmp_path)
    assert done.returncode == 2
    assert "tk3f9a-12" in done.stderr


@pytest.mark.parametrize("verb", [["run", "--for", "5s"], ["inspect", "x.jsonl"], ["--help"]])
def test_an_extension_that_was_not_built(tmp_path, verb):
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("hide_extension.py"), *verb],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=WITHIN_S,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("seawall: error: core_ext is not built: run `make build`")
    assert not list(tmp_path.glob("*/run/*"))


def test_a_second_engine_and_then_what_a_killed_one_leaves_behind(engine):
    """Stale locks, sockets, run and launch files: the next start takes them for what they are."""
    engine.start("--profile", "calm")
    engine.until_active()
    second = seawall("run", "--userdir", engine.userdir, "--for", "5s")
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"pid {engine.pid}" in second.stderr
    assert engine.status()["state"] == "ACTIVE"
    first_pid = engine.pid
    engine.kill_all()
    left = {path.name for path in engine.run_dir.iterdir()}
    assert {"engine.json", "engine.lock", "steer.sock", "account.sock"} <= left
    assert engine.command("status").returncode == 3
    started_at = time.monotonic()
    engine.start("--profile", "calm")
    engine.until_active()
    took_s = time.monotonic() - started_at
    assert took_s < machine_allows_s(5.0)
    assert engine.pid != first_pid
    assert engine.stop()["clean_shutdown"] is True


def test_two_starts_at_the_same_instant_leave_one(tmp_path):
    engines = [Engine(tmp_path / "user") for _ in range(2)]
    try:
        for one in engines:
            one.start("--profile", "calm", "--for", "3s")
        codes = [one.process.wait(WITHIN_S) for one in engines]
        assert sorted(codes) == [0, 1], engines[0].said()
        assert "already runs" in engines[0].said()
    finally:
        for one in engines:
            one.clean_up()
