"""A dry run of a decision (`engine.warm`): judged as if it counted, and without any effect."""

from __future__ import annotations

import random
from copy import deepcopy

import pytest
from domain_scene import account_of, bought, ns, opened, quote, submitted
from test_decide_actor import Scene, status

from procs.decide import actor as module
from procs.decide.shell import DecideShell
from shared.domain.account import account_bytes
from shared.domain.effects import TimerFired


def everything(actor):
    """All that an actor holds, as plain values that are compared, and not by identity."""
    held = dict(vars(actor))
    replica = held.pop("replica")
    account = account_bytes(replica.account)
    rest = {name: value for name, value in vars(replica).items() if name != "account"}
    return deepcopy((held, account, {name: repr(value) for name, value in rest.items()}))


def rehearse(scene, at):
    """Dry runs, between which and after which nothing has changed."""
    before = everything(scene.actor)
    rows, says = list(scene.rows), list(scene.says)
    for _ in range(3):
        assert scene.actor.rehearse(ns(at)) is None
    assert everything(scene.actor) == before
    assert (scene.rows, scene.says) == (rows, says)
    assert scene.actor._drain() == []


def test_a_dry_run_walks_the_way_of_a_decision(monkeypatch):
    """It judges and writes an intent; without this the other tests would prove nothing."""
    scene = Scene().well()
    scene.give(quote(at=0.1, drop_pct=-0.1), 0.1)
    written = []
    monkeypatch.setattr(module, "encode", written.append)
    rehearse(scene, 0.2)
    assert [intent.symbol for intent in written] == ["BTCUSDT"] * 3
    assert written[0].quantity > 0
    assert scene.decisions == []


@pytest.mark.parametrize("seed", range(6))
def test_decisions_are_the_same_with_and_without_dry_runs(seed):
    rng = random.Random(seed)
    plain, warm = Scene(), Scene()
    for scene in (plain, warm):
        scene.well()
    at = 0.0
    for _ in range(60):
        at = round(at + rng.choice((0.05, 0.3, 1.2)), 2)
        step = rng.randrange(5)
        changes = {
            "drop_pct": rng.choice((-5.0, -1.0, -4.0)),
            "spread_bps": rng.choice((1.0, 50.0)),
        }
        for scene in (plain, warm):
            if scene is warm:
                rehearse(scene, at)
            if step < 3:
                scene.give(quote(at=at, **changes), at)
            elif step == 3:
                scene.beat(at)
            else:
                scene.give(status(), at)
            if scene is warm:
                rehearse(scene, at)
        assert plain.rows == warm.rows
        assert plain.says == warm.says
    assert plain.actor.snapshot() == warm.actor.snapshot()
    assert plain.actor.figures() == warm.actor.figures()
    assert plain.actor.report() == warm.actor.report()
    assert len(plain.decisions) > 1


def test_before_there_is_anything_to_judge_nothing_is_judged():
    scene = Scene()
    rehearse(scene, 0.0)
    scene.give(quote(at=0.1), 0.1)
    rehearse(scene, 0.1)
    scene.well(0.2)
    scene.give(quote(at=0.3, symbol="XRPUSDT"), 0.3)
    rehearse(scene, 0.3)
    scene.give(quote(at=0.4, bid=0, ask=0), 0.4)
    rehearse(scene, 0.4)


def test_with_positions_latches_and_stops_too():
    scene = Scene(opened(), *bought(), submitted("s1")).well()
    assert scene.account == account_of(opened(), *bought(), submitted("s1"))
    scene.price(0.1)
    rehearse(scene, 0.2)
    scene.actor.latched = "test"
    rehearse(scene, 0.3)
    scene.give(TimerFired(key="tick"), 0.4)
    rehearse(scene, 99.0)


def test_the_shell_asks_its_actor():
    calls = []

    class Stub:
        def rehearse(self, now_ns):
            calls.append(now_ns)

    DecideShell.rehearse(DecideShell.__new__(DecideShell), Stub(), 7)
    assert calls == [7]
