"""The real observe process, asked by the real commands, with a stand-in for route."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import zmq
from story_of_a_trade import OPENED, account_after, said, welcome_to

import procs.observe
from procs.cli.main import main
from procs.runtime.launch import Launch, write_launch
from shared.bus.sockets import Link
from shared.bus.topology import ACCOUNT
from shared.clock import EngineClock
from shared.config.schema import Settings
from shared.config.template import write_userdir
from shared.messages.account import Beat
from shared.messages.base import encode

pytestmark = pytest.mark.e2e

ROOT = Path(procs.observe.__file__).parents[2]


class StandInRoute(threading.Thread):
    """Welcomes observe to an account and beats, until told to stop."""

    def __init__(self, run_dir):
        super().__init__()
        self.stop = threading.Event()
        self.context = zmq.Context()
        self.link = Link(self.context, ACCOUNT, "route", run_dir)
        self.link.open()
        self.clock = EngineClock()

    def run(self):
        welcomed = False
        while not self.stop.is_set():
            self.link.wait(50)
            for peer, body in self.link.drain(10):
                if b'"hello"' in body and not welcomed:
                    welcomed = True
                    self.link.send(encode(welcome_to(account_after([]))), peer)
                    for event in said(OPENED):
                        self.link.send(encode(event), peer)
            if welcomed:
                beat = Beat(
                    epoch="run", seq=len(OPENED), reconciled=True, at_ns=self.clock.now_ns()
                )
                self.link.send(encode(beat), "observe")
        self.link.close()
        self.context.term()


@pytest.fixture
def userdir(tmp_path):
    write_userdir(tmp_path)
    clock = EngineClock()
    launch = Launch(
        role="observe",
        run_id="run",
        incarnation=1,
        clock_offset_ns=clock.offset_ns,
        userdir=str(tmp_path),
        run_dir=str(tmp_path / "run"),
        data_dir=str(tmp_path / "data"),
        config_hash="hash",
        settings=Settings(),
    )
    path = write_launch(launch)
    route = StandInRoute(tmp_path / "run")
    route.start()
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "procs.observe", "--launch", str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    yield tmp_path
    child.terminate()
    assert child.wait(10) == 0
    route.stop.set()
    route.join(5)


def asked(verb, userdir, capsys):
    """What a verb prints, once observe was welcomed."""
    for _ in range(200):
        code = main([verb, "--json", "--userdir", str(userdir)])
        captured = capsys.readouterr()
        if code == 0 and captured.out.strip() != "[]":
            return json.loads(captured.out)
        assert code in (0, 3), captured.err
        threading.Event().wait(0.05)
    raise AssertionError(f"{verb} got no answer: {captured.err}")


def test_commands_show_what_route_said(userdir, capsys):
    (position,) = asked("positions", userdir, capsys)
    assert position["position_id"] == "run-1"
    assert position["quantity"] == "0.5"
    (order,) = asked("orders", userdir, capsys)
    assert order["client_id"] == "sw-run-1-s1"
    (fill,) = asked("fills", userdir, capsys)
    assert fill["price"] == "100"
    balances = {record["asset"]: record for record in asked("balance", userdir, capsys)}
    assert balances["USDT"]["ledger"] == "949.95"
    assert main(["positions", "--userdir", str(userdir)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[:3] == ["id", "symbol", "age"]
    assert table[1].startswith("run-1  BTCUSDT")
