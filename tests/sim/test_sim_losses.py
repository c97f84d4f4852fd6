"""Rows of route that are lost: what is to be settled is counted from there, and still asked for."""

import pytest

from procs.route.reconciler import Reconciler
from procs.simulate import liveness
from procs.simulate.checkers.l5_protection import CALM_STOPLESS_BOUND_NS, RESOLVED_WITHIN_NS
from procs.simulate.modes import LIVENESS
from procs.simulate.restoring import forget, named
from procs.simulate.world import SETTLE_NS, World
from shared.units import NS_PER_S

FENCE_NS = 18 * NS_PER_S
KEPT_ROWS = 3
"""Of a journal whose first position comes later."""


def stripped():
    """A calm world in which nothing rests at the venue for a position, with that position."""
    world = World(1, "none")
    world._market_step()
    world.machine.boot()
    while not (selling := [o for b in world.venue.books.held.values() for o in b.selling.values()]):
        world.step()
    for order in selling:
        world.venue.exchange.vanish(order.id, world.agenda.now_ns // 10**6)
        world.venue.push(silent=True)
        gone = world.venue.exchange.find("engine", order.symbol, order.id, None)
        world.venue.vanished(gone)
    (decision,) = world.venue.books.held
    return world, decision


def lose(world, kept=KEPT_ROWS, role="route"):
    """Everything dies, and a journal is shorter than it was; its mark is gone too."""
    world.machine.kill_all()
    world.nodes[role].disk.lose(kept, with_mark=False)
    forget(world)


def go_on(world, length_ns):
    until_ns = world.agenda.now_ns + length_ns
    while world.agenda.next_ns() <= until_ns and not world.checkers.violations:
        world.step()


def test_each_loss_begins_a_fence_in_which_nothing_is_sold_and_nothing_is_blamed():
    """L5, L6: seed 3755 of `disks` lost its rows a second time when the first fence was over."""
    world, decision = stripped()
    for _ in range(3):
        lose(world)
        go_on(world, FENCE_NS - NS_PER_S)
        assert not world.venue.books.held[decision].selling
    go_on(world, RESOLVED_WITHIN_NS)
    assert world.checkers.violations == []
    closed = world.nodes["route"].actor.account.closed
    assert decision in {trade.position_id for trade in closed}


def test_what_is_not_sold_after_the_fence_is_missed(monkeypatch):
    """L5: an engine that waits for ever."""
    world, decision = stripped()
    symbols = frozenset(i.symbol for i in world.market.instruments)
    monkeypatch.setattr(Reconciler, "unsold", lambda self: symbols)
    lose(world)
    go_on(world, 2 * FENCE_NS)
    assert {broken.law for broken in world.checkers.violations} == {"L5"}
    assert world.checkers.violations[0].text.startswith(f"{decision}: no stop at the venue")
    waited_ns = world.agenda.now_ns - world.losses.last_ns
    assert 0 <= waited_ns - RESOLVED_WITHIN_NS - CALM_STOPLESS_BOUND_NS < NS_PER_S


def test_a_loss_counts_from_when_the_next_process_of_route_begins():
    world, _ = stripped()
    lose(world)
    lost_ns = world.losses.last_ns
    assert lost_ns == world.agenda.now_ns
    while not world.nodes["route"].alive:
        world.step()
    began_ns = world.losses.last_ns
    assert began_ns == world.agenda.now_ns > lost_ns
    world.machine.kill("route")
    go_on(world, 3 * NS_PER_S)
    assert world.nodes["route"].alive
    assert world.losses.last_ns == began_ns, "only rows that are missing begin a fence"


@pytest.mark.parametrize("role", ["decide", "protect"])
def test_rows_of_others_begin_no_fence(role):
    world, _ = stripped()
    lose(world, kept=0, role=role)
    assert world.losses.last_ns == 0


def accepted_at(world, decision):
    """The row of route's journal with which it took the intent of a decision on."""
    rows = world.nodes["route"].disk.rows
    return next(
        place
        for place, row in enumerate(rows)
        if b"intent_accepted" in row and named(decision) in row
    )


def test_an_intent_is_forgotten_when_it_stands_in_neither_journal():
    """L2, seed 8796: an order that was found at the venue names its decision, and no intent."""
    world, decision = stripped()
    found = next(row for row in world.nodes["route"].disk.rows if b"order_submitted" in row)
    assert decision.encode() in found
    kept = accepted_at(world, decision)
    lose(world, kept)
    assert world.forgotten == {decision}, "route's journal knows nothing of it"
    world.nodes["route"].disk.rows.append(found)
    forget(world)
    assert world.forgotten == set(), "decide's reservation stands"
    world.nodes["decide"].disk.lose(0, with_mark=False)
    forget(world)
    assert world.forgotten == {decision}


def test_an_intent_that_route_took_on_is_not_forgotten_by_decides_loss():
    world, decision = stripped()
    assert accepted_at(world, decision)
    lose(world, 0, "decide")
    assert world.forgotten == set()


@pytest.mark.parametrize(("taken", "counts"), [(0, False), (2, True)])
def test_a_power_cut_counts_if_it_took_rows(taken, counts):
    world, _ = stripped()
    world.machine.kill_all()
    disk = world.nodes["route"].disk
    disk.mark = disk.synced = 0
    disk.cut_power(len(disk.rows) - taken)
    forget(world)
    assert (world.losses.last_ns == world.agenda.now_ns) is counts


@pytest.mark.parametrize("late_ns", [5 * NS_PER_S, 29 * NS_PER_S])
def test_a_world_that_loses_rows_after_it_has_healed_has_as_long_again(late_ns):
    """Also when the market stands still already."""
    world = World(1, "none")
    world.agenda.at(world.heal_at_ns + late_ns, lambda: lose(world))
    ended_ns = world.end_ns
    outcome = world.play()
    assert outcome.violations == []
    assert world.end_ns == world.losses.last_ns + world.mode.healed_ns > ended_ns
    assert world.agenda.now_ns > world.end_ns - SETTLE_NS


def test_debts_are_counted_from_a_loss_too(monkeypatch):
    world = World(1, "none", mode=LIVENESS)
    monkeypatch.setattr(liveness.Debts, "_owed", lambda self: [("L5", "b is not protected")])
    debts = liveness.Debts(world)
    world.agenda.now_ns += 10 * NS_PER_S
    world.losses.last_ns = world.agenda.now_ns
    world.agenda.now_ns += liveness.SETTLED_WITHIN_NS
    debts.look()
    assert world.checkers.violations == []
    world.agenda.now_ns += NS_PER_S
    debts.look()
    assert [broken.law for broken in world.checkers.violations] == ["L5"]
