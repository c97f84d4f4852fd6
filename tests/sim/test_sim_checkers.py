"""The checkers' own tools: running sums, what route was told, reads that lag; and their alarms."""

from decimal import Decimal
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from procs.localvenue.matching.model import Balance
from procs.simulate.checkers.l15_money import Money
from procs.simulate.past import Past
from procs.simulate.questions import Questions
from procs.simulate.world import World
from shared.ids import client_id, decision_of
from shared.messages.account import Hello
from shared.messages.base import MESSAGE_VERSION
from shared.messages.venue import (
    Meaning,
    Outcome,
    PlaceOco,
    PlaceOrder,
    QueryOrder,
    Side,
    VenueAnswered,
    VenueOrder,
    VenueReported,
    VenueStatus,
    VenueTrade,
)
from shared.units import ZERO

SYMBOL = "BTCUSDT"
BUY = "sw-t1-1-e1"
STOP, PROFIT = "sw-t1-1-s1", "sw-t1-1-t1"
ONE = Decimal(1)
PROOF_NS = 100


def bought(client_id=BUY):
    return PlaceOrder(
        symbol=SYMBOL, client_id=client_id, side=Side.BUY, kind="limit", quantity=ONE, price=ONE
    )


def pair():
    return PlaceOco(
        symbol=SYMBOL,
        list_id="sw-t1-1-g1",
        quantity=ONE,
        take_profit_id=PROFIT,
        take_profit_price=ONE,
        stop_id=STOP,
        stop_price=ONE,
        stop_limit_price=ONE,
    )


def order(status, client_id=BUY):
    return VenueOrder(
        symbol=SYMBOL,
        client_id=client_id,
        venue_order_id="7",
        side=Side.BUY,
        kind="limit",
        status=status,
        quantity=ONE,
        filled_quantity=ONE,
    )


def trade(number, quantity, client_id=""):
    return VenueTrade(
        symbol=SYMBOL,
        trade_id=str(number),
        venue_order_id="7",
        client_id=client_id,
        side=Side.BUY,
        price=ONE,
        quantity=Decimal(quantity),
        fee=Decimal(0),
        fee_asset="USDT",
        at_ms=0,
    )


@pytest.fixture
def asked():
    questions = Questions(PROOF_NS)
    questions.left(bought(), 1_000)
    return questions


def is_open(questions):
    return bool(questions.of("t1-1", Side.BUY))


# ── what route was told ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("message", "over"),
    [
        (VenueAnswered(request=bought(), outcome=Outcome.UNKNOWN), False),
        (VenueAnswered(request=bought(), outcome=Outcome.REFUSED), True),
        (VenueAnswered(request=bought(), outcome=Outcome.NOT_SENT), True),
        (
            VenueAnswered(request=bought(), outcome=Outcome.REFUSED, meaning=Meaning.DUPLICATE_ID),
            False,
        ),
        (VenueReported(order=order(VenueStatus.OPEN)), False),
        (VenueReported(order=order(VenueStatus.EXPIRED)), True),
    ],
)
def test_only_word_of_its_end_ends_an_order(asked, message, over):
    asked.told(message)
    assert is_open(asked) != over


@pytest.mark.parametrize(("at_ns", "over"), [(1_099, False), (1_100, True)])
def test_absence_is_proof_only_behind_the_fence(asked, at_ns, over):
    query = QueryOrder(symbol=SYMBOL, client_id=BUY)
    asked.told(VenueAnswered(request=query, outcome=Outcome.OK, sent_ns=at_ns))
    assert is_open(asked) != over


def test_executions_end_an_order_once_they_are_all_of_it(asked):
    asked.accepted(BUY, "7")
    asked.told(VenueReported(trade=trade(1, "0.6", BUY)))
    asked.told(VenueReported(trade=trade(1, "0.6", BUY)))
    assert is_open(asked), "heard twice, counted once"
    query = QueryOrder(symbol=SYMBOL, client_id="other")
    listed = VenueAnswered(request=query, outcome=Outcome.OK, trades=(trade(2, "0.4"),))
    asked.told(listed)
    assert not is_open(asked), "a list names the venue's own id"


def test_a_pair_is_one_way_out_and_a_restore_forgets_it(asked):
    asked.left(pair(), 2_000)
    assert {sent.way for sent in asked.of("t1-1", Side.SELL)} == {"sw-t1-1-g1"}
    asked.forget()
    assert asked.sent == {}
    asked.told(VenueAnswered(request=pair(), outcome=Outcome.REFUSED))


def test_what_left_before_rows_were_lost_may_come_until_the_fence_or_word_of_its_end(asked):
    def may_come(at_ns):
        return [sent.client_id for sent in asked.lost_buys("t1-1", at_ns)]

    assert may_come(1_050) == [], "nothing is lost"
    asked.left(pair(), 1_010)
    asked.forget()
    assert may_come(1_099) == [BUY]
    assert may_come(1_100) == [], "behind the fence nothing comes any more"
    asked.told(VenueReported(order=order(VenueStatus.EXPIRED)))
    assert may_come(1_050) == []


# ── reads that lag ──────────────────────────────────────────────────────────────────────────────


def test_the_past_is_what_was_there_then():
    venue = running().venue
    fill = next(iter(venue.books.fills.values()))
    past = Past()
    first = venue.exchange.find("engine", fill.symbol, fill.order_id, None)
    later = first.__copy__()
    later.executed = ONE
    past.ordered(first, 10)
    past.ordered(later, 20)
    assert past.order_at(first.id, 9) is None
    assert past.order_at(first.id, 10) is first
    assert past.order_at(first.id, 25) is later
    assert past.changed_since(9) == past.changed_since(19) == [first.id]
    assert past.changed_since(20) == []
    now, before = Balance(ONE, ONE), Balance(Decimal(2), ONE)
    past.moved({"BTC": before}, 10)
    past.moved({"BTC": now}, 20)
    assert past.balance_at("BTC", now, 15) == before
    assert past.balance_at("BTC", now, 5) == now, "older than anything that is known"
    assert past.balance_at("ETH", now, 5) == now


# ── running sums, and alarms ────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def played():
    world = World(1, "none")
    assert world.play().violations == []
    return world


def test_the_running_sums_are_proved_and_a_wrong_one_is_named(played):
    books = played.venue.books
    assert books.prove() == []
    [book, *_] = books.of.values()
    book.bought += ONE
    [wrong] = [text for text in books.prove() if text.startswith(book.decision)][:1]
    assert "bought" in wrong
    book.bought -= ONE
    key, fill = next(iter(books.fills.items()))
    del books.fills[key]
    assert any("fills" in text for text in books.prove())
    books.fills[key] = fill
    assert books.prove() == []


def running():
    """A calm world some seconds old, with a position."""
    world = World(1, "none")
    world._market_step()
    world.machine.boot()
    while not world.venue.books.held:
        world.step()
    assert world.checkers.violations == []
    return world


def said(world, law):
    return [v.text for v in world.checkers.violations if v.law == law]


@pytest.mark.parametrize(
    ("law", "request_of", "text"),
    [
        ("L1", lambda world: bought("sw-t9-1-e1"), "left before it was on disk"),
        ("L4", lambda world: bought("web_1"), "not ours"),
        ("L6", lambda world: pair(), "to sell and"),
        ("L7", lambda world: QueryOrder(symbol=SYMBOL, client_id=BUY), "ms ago"),
        ("L9", lambda world: bought("sw-t9-1-e1"), "latched"),
    ],
)
def test_a_request_that_breaks_a_law_is_named(law, request_of, text):
    """Sent by nobody's judgement, long after the last turn, with the latch in place."""
    world = running()
    world.machine.latch = "a test"
    world.agenda.now_ns += 10**9
    world.checkers.called(world.nodes["route"], request_of(world))
    assert any(text in one for one in said(world, law)), world.checkers.violations


@pytest.mark.parametrize("degraded", [False, True])
def test_a_sale_whose_row_a_power_cut_could_take_back_is_named(degraded):
    """L1; only a disk that has refused already excuses it (L11)."""
    world = running()
    route = world.nodes["route"]
    [submitted, *_] = route.actor.account.orders
    route.disk.mark = 0
    route.keeping._store.failed = "disk: full" if degraded else ""
    world.checkers.called(route, replace(bought(submitted), side=Side.SELL))
    told = [text for text in said(world, "L1") if text.endswith("could not take its row back")]
    assert bool(told) is not degraded
    world.checkers.called(route, replace(bought("sw-t9-1-x1"), side=Side.SELL))
    assert "sw-t9-1-x1 left before it was on disk" in said(world, "L1")


@pytest.mark.parametrize(("worth", "dust"), [("1.10", True), ("1.12", False)])
def test_what_could_still_be_sold_without_doubt_is_no_dust(worth, dust):
    """A tenth above the minimum it may have been dust a moment ago, when its price was lower."""
    [book, *_] = running().venue.books.held.values()
    instrument = book.instrument
    sellable = instrument.quantity_down(book.held)
    assert book.may_be_dust(instrument.min_notional * Decimal(worth) / sellable) is dust


def test_a_position_that_the_engine_forgot_or_knows_wrongly_is_named_at_the_end():
    world = running()
    account = world.nodes["route"].actor.account
    while not account.fills:
        world.step()
    [(name, position), *_] = account.positions.items()
    assert position.quantity
    held = world.venue.books.of[name].held
    account.positions[name] = replace(position, bought=position.bought + ONE)
    world.checkers.at_rest()
    assert f"{name}: engine {held + ONE}, venue {held}" in said(world, "L3")
    del account.positions[name]
    world.checkers.at_rest()
    assert f"{name}: {held} at the venue, no position in the engine" in said(world, "L3")


def test_a_second_attempt_and_a_second_sending_are_named():
    world = running()
    route = world.nodes["route"]
    world.venue.questions.left(bought("sw-t9-1-e1"), world.agenda.now_ns)
    world.checkers.called(route, bought("sw-t9-1-e2"))
    assert said(world, "L2") == ["sw-t9-1-e2 is sent, sw-t9-1-e1 may still buy"]
    world.checkers.called(route, bought("sw-t9-1-e1"))
    assert "sw-t9-1-e1 is sent a second time" in said(world, "L2")


@pytest.mark.parametrize("lives", [False, True], ids=["under way", "at the venue"])
def test_what_is_granted_beside_an_order_that_lost_its_reservation_is_named(lives):
    """L2, L15, seed 8796: no row tells of it; nothing else gets its budget while it may buy."""
    world = running()
    decide, now_ns = world.nodes["decide"], world.agenda.now_ns
    granted = next(iter(world.intents.values()))
    if lives:
        [(name, book), *_] = world.venue.books.of.items()
        book.buying[0] = SimpleNamespace(client_id=f"sw-{name}-e7")
        decide.actor.state.reservations.pop(name, None)
    else:
        name = "t9-1"
        world.venue.questions.left(bought("sw-t9-1-e7"), now_ns)
        world.venue.questions.forget()
    world.checkers.said(decide, granted)
    assert said(world, "L2") == [], "it stands in a journal"
    world.forgotten = {name}
    decide.actor.state.reservations[name] = None
    world.checkers.said(decide, granted)
    assert said(world, "L2") == [], "it is reserved for"
    del decide.actor.state.reservations[name]
    world.checkers.said(decide, granted)
    order_id = f"sw-{name}-e7"
    told = f"{granted.intent_id} is granted, {order_id} may still buy and has no reservation"
    assert said(world, "L2") == [told]


def test_a_request_during_a_ban_is_named():
    """The budget lets nothing through; what leaves in spite of it breaks L10."""
    world = running()
    route, now_ns = world.nodes["route"], world.agenda.now_ns
    ban = VenueAnswered(
        request=bought("sw-t9-1-e1"),
        outcome=Outcome.THROTTLED,
        meaning=Meaning.BANNED,
        sent_ns=now_ns,
        retry_at_ns=now_ns + 5 * 10**9,
    )
    world.checkers.heard(route, [ban])
    world.checkers.called(route, bought("sw-t9-1-e2"))
    world.venue.network.on_departed(QueryOrder(symbol=SYMBOL, client_id=BUY), True)
    told = said(world, "L10")
    assert told[0].endswith("after a 429")
    assert told[1].endswith("before the end of a ban")


def without_its_stop():
    """A calm world in which a position's stop is gone: nobody was told."""
    world = running()
    stops = []
    while not stops:
        world.step()
        stops = [
            order
            for book in world.venue.books.held.values()
            for order in book.selling.values()
            if order.type == "STOP_LOSS_LIMIT"
        ]
    for order in stops:
        world.venue.exchange.vanish(order.id, world.agenda.now_ns // 10**6)
        world.venue.push(silent=True)
        world.venue.vanished(order_now(world, order))
    return world, stops[0]


def test_a_stop_that_is_gone_is_missed_within_three_seconds():
    """L5: the venue's side alone shows it."""
    world, _ = without_its_stop()
    began_ns = world.agenda.now_ns
    while not said(world, "L5"):
        world.step()
        assert world.agenda.now_ns - began_ns < 4 * 10**9
    assert "no stop at the venue" in said(world, "L5")[0]


@pytest.mark.parametrize("taken", [False, True])
def test_an_exit_that_found_no_taker_may_rest_before_it_is_tried_again(taken):
    """P7: half a minute after its last attempt, unless that one went well."""
    world, stop = without_its_stop()
    name = client_id(decision_of(stop.client_id), "x", 9)
    world.checkers.called(world.nodes["route"], replace(bought(name), side=Side.SELL))
    world.checkers.violations.clear()
    executed = stop.quantity if taken else ONE - ONE
    status = "FILLED" if taken else "EXPIRED"
    world.checkers.changed(replace(stop, client_id=name, status=status, executed=executed))
    began_ns = world.agenda.now_ns
    while world.agenda.now_ns - began_ns < 4 * 10**9 and not said(world, "L5"):
        world.step()
    assert (said(world, "L5") == []) is not taken


def order_now(world, order):
    return world.venue.exchange.find("engine", order.symbol, order.id, None)


def test_money_from_nowhere_is_named_at_the_next_booking():
    world = running()
    account = world.nodes["route"].actor.account
    while not account.fills:
        world.step()
    account.ledger["USDT"] += 1
    booked = len(account.fills)
    while len(account.fills) == booked:
        world.step()
    assert any("its fills make it" in text for text in said(world, "L15"))


@pytest.mark.parametrize(("behind", "strangers"), [(0, 1), (1, 0), (2, 1)])
def test_strangers_may_trade_while_the_balances_are_on_their_way(behind, strangers):
    """The ledger was opened without what they did since; no other difference is theirs."""
    world = running()
    route = world.nodes["route"]
    account = route.actor.account
    money = Money(world.checkers)
    account.opening = True
    money.turned(route)
    world.venue.books.moved("BTC", ONE)
    account.ledger["BTC"] -= behind
    account.opening = False
    account.seq += 1
    money.turned(route)
    assert money._strangers["BTC"] == strangers


def test_a_cap_that_falls_takes_nothing_back_but_nothing_is_added_beyond_it():
    world = running()
    decide = world.nodes["decide"]
    while not decide.actor.state.reservations:
        world.step()
    actor = decide.actor
    [held] = actor.state.reservations.values()
    ledger = actor.replica.account.ledger
    ledger.update(dict.fromkeys(ledger, ONE))
    actor.state.seq += 1
    world.checkers.turned(decide)
    assert said(world, "L15") == []
    actor.state.reservations["t9-9"] = replace(held, intent_id="t9-9")
    actor.state.seq += 1
    world.checkers.turned(decide)
    assert any("at stake" in text for text in said(world, "L15"))


@pytest.fixture
def half_bought():
    """A world in which part of a reservation has become a position, the rest may still be spent."""
    world = running()
    decide, money = world.nodes["decide"], Money(world.checkers)
    account, reservations = decide.actor.replica.account, decide.actor.state.reservations
    while not any(p.cost and p.position_id in reservations for p in account.positions.values()):
        world.step()
        money.turned(decide)
    return HalfBought(world, money)


class HalfBought:
    """Changes what decide knows, and looks at it. Equity is little more than what is held, at cost:
    whatever is added is beyond the cap."""

    def __init__(self, world, money):
        self.world = world
        self.money = money
        self.decide = world.nodes["decide"]
        self.state = self.decide.actor.state
        self.account = self.decide.actor.replica.account
        [self.name] = self.state.reservations
        self.reservation = self.state.reservations[self.name]
        self.position = self.account.positions[self.name]
        self.decide.actor.marks.clear()
        self.account.ledger.update(dict.fromkeys(self.account.ledger, ONE))

    def broken(self):
        """How often the cap was broken, looked at now."""
        self.state.seq += 1
        self.money.turned(self.decide)
        return len(said(self.world, "L15"))

    def forgets(self):
        del self.account.positions[self.name]

    def finds(self):
        self.account.positions[self.name] = self.position

    def releases(self):
        del self.state.reservations[self.name]

    def reserves(self):
        self.state.reservations[self.name] = self.reservation


def test_a_reservation_that_stands_is_not_added_again_when_its_position_is_forgotten(half_bought):
    """Route's account comes anew and lacks what was bought. That had cost less than was set aside,
    by its fee in base: a little more is at stake, and equity lacks the position (seed 3878)."""
    before = half_bought.money._staked
    half_bought.forgets()
    assert half_bought.broken() == 0
    assert half_bought.money._staked > before
    half_bought.finds()
    assert half_bought.broken() == 0


@pytest.mark.parametrize("again", ["finds", "reserves"])
def test_what_was_given_back_is_added_when_it_comes_again(half_bought, again):
    half_bought.forgets()
    half_bought.releases()
    assert half_bought.broken() == 0
    getattr(half_bought, again)()
    assert half_bought.broken() == 1


@pytest.mark.parametrize(("beyond", "broken"), [(0, 0), (1, 1)])
def test_what_costs_more_than_was_set_aside_for_it_is_added(half_bought, beyond, broken):
    position = half_bought.position
    position.bought = position.spent = half_bought.reservation.quote + beyond
    position.sold = position.base_fees = ZERO
    assert half_bought.position.cost == half_bought.position.spent
    assert half_bought.broken() == broken


def test_what_was_sold_and_is_held_again_was_not_at_stake_when_another_was_added(half_bought):
    """The room that a sale had made may be taken by now, also while the reservation stands."""
    position = half_bought.position
    half_bought.account.ledger["USDT"] = Decimal(10**6)
    position.bought = position.spent = half_bought.reservation.quote
    position.sold, position.base_fees = position.bought - 1, ZERO
    assert half_bought.broken() == 0
    other = replace(half_bought.reservation, intent_id="t9-9", symbol="OTHER")
    half_bought.state.reservations["t9-9"] = other
    assert half_bought.broken() == 0
    half_bought.account.ledger["USDT"] = ONE
    assert half_bought.broken() == 0
    position.sold = ZERO
    assert half_bought.broken() == 1


def test_a_row_that_readers_know_and_the_journal_lost_forbids_entries():
    world = running()
    route = world.nodes["route"]
    protect = world.nodes["protect"].actor
    while not route.actor.account.fills or protect.replica.mark < len(route.rows):
        world.step()
    lost = len(route.rows)
    del route.disk.rows[lost - 1 :]
    route.life += 1
    world.checkers.called(route, bought("sw-t9-1-e1"))
    assert any(f"row {lost} of {lost}" in text for text in said(world, "L12"))


def grown_again():
    """Route's journal is lost, and another process has written as many rows in its place, which
    protect has not heard of: it knows the lost ones."""
    world = running()
    route, protect = world.nodes["route"], world.nodes["protect"].actor
    while not route.actor.account.fills or protect.replica.mark < len(route.rows):
        world.step()
    lost = len(route.rows)
    del route.disk.rows[lost - 3 :]
    route.disk.rows += route.disk.rows[:3]
    route.life += 1
    route.actor.epoch = "t1.1"
    world.checkers.called(route, QueryOrder(symbol=SYMBOL, client_id=BUY))
    return world, route, protect.replica, lost


def test_rows_that_others_have_written_since_are_not_the_ones_that_were_lost():
    world, route, _, lost = grown_again()
    world.checkers.called(route, bought("sw-t9-1-e1"))
    assert any(f"row {lost - 2} of {lost}" in text for text in said(world, "L12"))


@pytest.mark.parametrize("told", [False, True])
def test_a_loss_that_nobody_remembers_is_a_loss_only_when_route_was_told(told):
    world, route, replica, lost = grown_again()
    hello = Hello(
        role="protect",
        incarnation=1,
        version=MESSAGE_VERSION,
        config_hash="sim",
        mark=lost,
        marked_in=replica.marked_in,
        at_ns=0,
    )
    if told:
        world.checkers.heard(route, [hello])
    # It is welcomed, and goes on from there.
    replica.marked_in = "t1.1"
    decide = world.nodes["decide"].actor.replica
    decide.mark, decide.marked_in = lost, "t1.1"
    world.checkers.called(route, bought("sw-t9-1-e1"))
    assert bool(said(world, "L12")) is told


def test_a_second_writer_is_named():
    world = running()
    route = world.nodes["route"]
    route.life += 1
    world.checkers.heard(route, [])
    route.life -= 1
    world.checkers.called(route, QueryOrder(symbol=SYMBOL, client_id=BUY))
    assert any("after life" in one for one in said(world, "L7"))


def test_a_state_that_the_journal_does_not_fold_to_is_named():
    world = running()
    route = world.nodes["route"]
    route.actor.account.count("fills")
    world.checkers.died(route)
    assert any("totals" in one for one in said(world, "L16"))
