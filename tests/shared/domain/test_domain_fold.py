"""The fold: in whatever order the venue's words come, money and quantities add up (L3, L15)."""

from decimal import Decimal
from random import Random

import pytest
from domain_scene import (
    ID,
    D,
    S,
    accepted,
    account_of,
    acknowledged,
    bought,
    cancel_asked,
    doubted,
    ended,
    ended_intent,
    exit_wanted,
    filled,
    guarded,
    intent_refused,
    ns,
    opened,
    order_id,
    position_of,
    refused,
    submitted,
)
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.domain.account import Account, account_bytes, fill_key, read_account
from shared.domain.beginnings import EPOCHS_MAX, MEMORY_NS
from shared.domain.booking import OVERSOLD_MAX
from shared.domain.fold import FILLS_MAX, FOLDS, REFUSED_MAX, evolve
from shared.domain.order import OrderStatus
from shared.domain.position import PositionStatus
from shared.messages.account import (
    AccountEvent,
    BalancesSeen,
    OrderAdopted,
    OrderEnd,
    PositionClosed,
    ProtectionChanged,
    ProtectionStatus,
    Purpose,
    Reconciled,
    RowsLost,
    RunBegan,
    SymbolBlocked,
)
from shared.messages.base import Reader, encode
from shared.messages.protection import Guard
from shared.messages.venue import Meaning, OrderKind, Side, VenueBalance

EVENTS = Reader(AccountEvent)


def test_every_event_has_a_fold():
    assert set(FOLDS) == set(AccountEvent.__args__)


def test_a_number_that_an_adopted_order_used_is_used_up():
    """O2, L12: an older journal comes back; its next stop must not be called like the last one."""
    account = account_of(*bought("1"))
    assert position_of(account).attempts == 0
    evolve(
        account,
        OrderAdopted(
            at_ns=ns(1),
            client_id=order_id("s3"),
            venue_order_id="7",
            decision_id=ID,
            symbol="BTCUSDT",
            side=Side.SELL,
            kind=OrderKind.STOP_LIMIT,
            purpose=Purpose.STOP,
            quantity=D(1),
            price=D(97),
            stop_price=D(98),
        ),
    )
    assert position_of(account).attempts == 3


@pytest.mark.parametrize("leg", ["x3", "s3", "t3"])
def test_a_number_that_an_order_nobody_knows_has_filled_under_is_used_up(leg):
    """O2, L12, seed 7265: its execution was heard of before any word on the order itself."""
    account = account_of(*bought("1"))
    assert "nobody knows" in evolve(account, filled(leg, "0.4", "9"))
    assert position_of(account).attempts == 3


def test_a_number_that_comes_twice_does_not_come_a_third_time():
    """L2: whatever led to it, the exit goes on under the next one."""
    account = account_of(*bought("1"), submitted("x1", "0.4"))
    position_of(account).attempts = 0
    assert "used twice" in evolve(account, submitted("x1", "0.4"))
    assert position_of(account).attempts == 1


def test_a_trade_adds_up():
    account = account_of(
        *bought("2", fee=D("0.002"), fee_asset="BTC"),
        submitted("x1", "1.998", at=2),
        filled("x1", "1.998", trade="2", at=3, price=D(110), fee=D("0.2"), fee_asset="BNB"),
    )
    assert account.ledger == {
        "BTC": D(0),
        "USDT": D(10_000) - 200 + D("219.78"),
        "BNB": D("-0.2"),
    }
    position = position_of(account)
    assert position.quantity == 0
    assert position.pnl_quote == D("19.78")
    assert position.other_fees == {"BNB": D("0.2")}
    assert account.orders == {}


def test_a_fill_counts_once_however_often_it_comes():
    account = account_of(*bought("1"))
    before = account_bytes(account)
    for at in (2, 3):
        assert evolve(account, filled("e1", "1", at=at)) is None
    account.seq -= 2
    assert account_bytes(account) == before


def test_the_same_trade_number_in_another_symbol_is_another_fill():
    account = account_of(*bought("1"))
    evolve(account, filled("e1", "1", symbol="ETHUSDT"))
    assert len(account.fills) == 2


# ── inferred executions ─────────────────────────────────────────────────────────────────────────


def inferred(quantity="1", leg="e1", **changes):
    trade = f"inferred:{order_id(leg)}"
    return filled(leg, quantity, trade=trade, inferred=True, **changes)


def owing(quantity="1"):
    return (
        opened(),
        accepted(),
        submitted("e1"),
        acknowledged("e1"),
        ended("e1", OrderEnd.FILLED, quantity),
    )


def test_an_inferred_fill_is_replaced_by_the_real_ones():
    """L3: the top-up is marked, and leaves as the real executions arrive."""
    account = account_of(*owing(), inferred(price=D(100)))
    assert position_of(account).bought == 1
    assert account.ledger["USDT"] == 9_900
    evolve(account, filled("e1", "0.4", trade="7", price=D(99), fee=D("0.1")))
    assert account.inferred[order_id("e1")].quantity == D("0.6")
    assert position_of(account).bought == 1
    assert account.ledger["USDT"] == D(10_000) - D("39.6") - D("0.1") - 60
    evolve(account, filled("e1", "0.6", trade="8", price=D("99.5")))
    assert account.inferred == {}
    assert account.ledger["USDT"] == D(10_000) - D("39.6") - D("0.1") - D("59.7")
    assert position_of(account).entry_price == D("99.3")


def test_more_real_executions_than_were_inferred():
    account = account_of(*owing("0.4"), inferred("0.4"))
    evolve(account, filled("e1", "1", trade="7", price=D(99)))
    assert account.inferred == {}
    assert position_of(account).bought == 1
    assert account.ledger == {"BTC": D(1), "USDT": D(9_901)}


def test_what_was_inferred_and_sold_does_not_come_back_as_a_position():
    """The real execution of a closed position's entry is booked, and nothing is open again."""
    account = account_of(*owing(), inferred(price=D(100)))
    del account.positions[ID]
    assert evolve(account, filled("e1", "1", trade="7", price=D(99), fee=D("0.1"))) is None
    assert account.positions == {}
    assert account.inferred == {}
    assert account.ledger["USDT"] == D(10_000) - 99 - D("0.1")


def test_a_second_inferred_fill_is_a_fault():
    account = account_of(*owing(), inferred("0.4"))
    again = filled("e1", "0.1", trade="inferred:other", inferred=True)
    assert "second inferred" in evolve(account, again)
    assert position_of(account).bought == D("0.4")


# ── any order, any repetition ───────────────────────────────────────────────────────────────────

QUANTITIES = st.decimals("0.00001", "3", places=5)
PRICES = st.decimals("0.01", "99999", places=2)
FEES = st.tuples(st.sampled_from(["BTC", "USDT", "BNB"]), st.decimals(0, "0.001", places=8))
FILLS = st.lists(st.tuples(QUANTITIES, PRICES, FEES), min_size=1, max_size=6)


def fills_of(drawn):
    return [
        filled("e1", quantity, trade=str(number), price=price, fee=fee, fee_asset=asset)
        for number, (quantity, price, (asset, fee)) in enumerate(drawn)
    ]


@given(FILLS, st.randoms(use_true_random=False), st.booleans(), st.integers(0, 6))
def test_any_order_and_repetition_of_fills_comes_to_the_same(drawn, random: Random, early, guess):
    """Duplicated, reordered, before or after the end of the order, with or without a guess."""
    fills = fills_of(drawn)
    total = sum((fill.quantity for fill in fills), Decimal(0))
    begin = (opened(), accepted(quantity=total), submitted("e1", total))
    straight = account_of(*begin, *fills, ended_intent())
    mixed = [*fills, *random.choices(fills, k=3)]
    random.shuffle(mixed)
    account = account_of(*begin)
    over = ended("e1", OrderEnd.FILLED, total)
    for number, fill in enumerate(mixed):
        if early and number == 0:
            evolve(account, over)
        if early and number == guess:
            owed = account.order(order_id("e1")).owed
            if owed:
                assert evolve(account, inferred(owed)) is None
        evolve(account, fill)
    evolve(account, ended_intent())
    assert account.ledger == straight.ledger
    assert account.fills.keys() - {
        fill_key("BTCUSDT", f"inferred:{order_id('e1')}", Side.BUY)
    } == set(straight.fills)
    one, other = position_of(account), position_of(straight)
    for name in ("bought", "sold", "spent", "received", "base_fees", "quote_fees", "other_fees"):
        assert getattr(one, name) == getattr(other, name), name
    assert account.orders == {}
    assert account.order(order_id("e1")).status is OrderStatus.FILLED
    assert account.inferred == {}


class Trading(RuleBasedStateMachine):
    """Any venue: orders live, fill, end, are doubted and adopted, in any order. What is exact stays
    exact, and what is remembered on disk is what is held in memory."""

    def __init__(self):
        super().__init__()
        self.account = Account()
        self.rows: list[bytes] = []
        self.moves: dict[str, Decimal] = {}
        self.trades = 0
        self.booked: list = []
        self.faults = 0
        self.at = 0
        self.give(opened())
        self.moves = {"BTC": D(0), "USDT": D(10_000)}
        self.give(accepted(quantity="100"))

    def give(self, event):
        self.rows.append(encode(event))
        fault = evolve(self.account, event)
        self.faults += fault is not None
        return fault

    def legs(self):
        return [i.rsplit("-", 1)[1] for i in (*self.account.orders, *self.account.tombstones)]

    @rule(leg=st.sampled_from("estx"), quantity=QUANTITIES)
    def submit(self, leg, quantity):
        self.at += 1
        self.give(submitted(f"{leg}{self.at}", quantity, at=self.at))

    @precondition(lambda self: self.legs())
    @rule(data=st.data(), share=st.decimals("0.1", 1, places=1), price=PRICES, fee=FEES)
    def fill(self, data, share, price, fee):
        leg = data.draw(st.sampled_from(self.legs()))
        order = self.account.order(order_id(leg))
        left = max(order.quantity - order.filled, D(0))
        if order_id(leg) in self.account.inferred:
            left += self.account.inferred[order_id(leg)].quantity
        quantity = (left * share).quantize(D("0.00001"))
        assume(quantity > 0)
        self.trades += 1
        self.at += 1
        asset, paid = fee
        event = filled(
            leg,
            quantity,
            trade=str(self.trades),
            at=self.at,
            price=price,
            fee=paid,
            fee_asset=asset,
        )
        self.book(event)

    def book(self, event):
        self.give(event)
        self.booked.append(event)
        sign = 1 if event.side is Side.BUY else -1
        for asset, by in (
            ("BTC", sign * event.quantity),
            ("USDT", -sign * event.quantity * event.price),
            (event.fee_asset, -event.fee),
        ):
            self.moves[asset] = self.moves.get(asset, D(0)) + by

    @precondition(lambda self: self.booked)
    @rule(data=st.data())
    def fill_again(self, data):
        """Told twice."""
        before = account_bytes(self.account)
        self.give(data.draw(st.sampled_from(self.booked)))
        self.account.seq -= 1
        assert account_bytes(self.account) == before
        self.account.seq += 1

    @precondition(lambda self: self.legs())
    @rule(
        data=st.data(),
        what=st.sampled_from([acknowledged, refused, doubted, cancel_asked]),
    )
    def hear(self, data, what):
        self.at += 1
        self.give(what(data.draw(st.sampled_from(self.legs())), at=self.at))

    @precondition(lambda self: self.legs())
    @rule(data=st.data(), end=st.sampled_from(list(OrderEnd)), counted=st.booleans())
    def end(self, data, end, counted):
        self.at += 1
        leg = data.draw(st.sampled_from(self.legs()))
        order = self.account.order(order_id(leg))
        quantity = order.quantity if counted else order.filled
        self.give(ended(leg, end, max(quantity, D(0)), at=self.at))

    @precondition(lambda self: any(o.owed for o in self.account.orders.values()))
    @rule()
    def infer(self):
        order = next(o for o in self.account.orders.values() if o.owed)
        assume(order.client_id not in self.account.inferred)
        self.at += 1
        leg = order.client_id.rsplit("-", 1)[1]
        self.give(inferred(order.owed, leg, at=self.at, price=D(100)))

    @precondition(lambda self: self.legs())
    @rule(data=st.data())
    def adopt(self, data):
        self.at += 1
        leg = data.draw(st.sampled_from(self.legs()))
        order = self.account.order(order_id(leg))
        assume(order.filled < order.quantity)
        adopted = OrderAdopted(
            at_ns=ns(self.at),
            client_id=order.client_id,
            venue_order_id="v",
            decision_id=ID,
            symbol=order.symbol,
            side=order.side,
            kind=OrderKind.LIMIT,
            purpose=order.purpose,
            quantity=order.quantity,
            price=order.price,
            stop_price=D(0),
        )
        self.give(adopted)

    @rule(wanted=st.booleans())
    def restart(self, wanted):
        """A crash: rows alone, or a snapshot and the rows after it, bring the same state back."""
        snapshot = account_bytes(self.account)
        if wanted:
            self.account = read_account(snapshot)
        else:
            self.account = Account()
            for row in self.rows:
                evolve(self.account, EVENTS.read(row))
        assert account_bytes(self.account) == snapshot

    def guesses(self):
        moves: dict[str, Decimal] = {}
        for guess in self.account.inferred.values():
            sign = 1 if guess.side is Side.BUY else -1
            moves["BTC"] = moves.get("BTC", D(0)) + sign * guess.quantity
            moves["USDT"] = moves.get("USDT", D(0)) - sign * guess.quantity * guess.price
        return moves

    @invariant()
    def the_ledger_is_the_sum_of_all_moves(self):
        guesses = self.guesses()
        for asset, amount in self.moves.items():
            assert self.account.ledger.get(asset, D(0)) == amount + guesses.get(asset, D(0)), asset

    @invariant()
    def the_position_is_what_was_bought_less_sold_less_fees(self):
        held = self.guesses().get("BTC", D(0)) + self.moves.get("BTC", D(0))
        position = self.account.positions.get(ID)
        assert position is not None
        assert position.quantity == held

    @invariant()
    def the_live_map_holds_what_lives_or_owes(self):
        """O8: everything else has left it at once."""
        for order in self.account.orders.values():
            assert order.is_live or order.owed > 0, order
        for order in self.account.tombstones.values():
            assert order.is_settled, order
        assert not set(self.account.orders) & set(self.account.tombstones)

    @invariant()
    def nothing_fills_beyond_its_quantity(self):
        for order in (*self.account.orders.values(), *self.account.tombstones.values()):
            assert order.filled <= order.quantity

    @invariant()
    def every_fill_is_in_the_set_once(self):
        real = [key for key in self.account.fills if ":inferred:" not in key]
        assert len(real) == self.trades == self.account.totals.get("fills", 0)


TestTrading = Trading.TestCase
TestTrading.settings = settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


# ── what does not fit is named and left alone (O1) ──────────────────────────────────────────────


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        (acknowledged("e9"), "nobody knows"),
        (ended("e9"), "nobody knows"),
        (cancel_asked("e9"), "nobody knows"),
        (refused("e9"), "nobody knows"),
        (doubted("e9"), "nobody knows"),
        (submitted("e1"), "used twice"),
        (refused("e1"), "refused of order"),
        (ended("e1", OrderEnd.REJECTED), "which is filled"),
        (ended("e1", OrderEnd.CANCELED), "which is filled"),
        (exit_wanted(decision="other-1"), "nobody knows"),
        (
            PositionClosed(
                at_ns=1, position_id="x-1", symbol="BTCUSDT", reason="", dust_quantity=D(0)
            ),
            "nobody knows",
        ),
    ],
)
def test_a_fault_is_named_and_changes_nothing_else(event, fault):
    account = account_of(*bought())
    before = account_bytes(account)
    assert fault in evolve(account, event)
    account.seq -= 1
    assert account_bytes(account) == before


def test_an_order_with_contradictory_news_does_not_stay_for_ever():
    """Rejected, yet the venue counts an execution: once that is booked, the order is settled."""
    account = account_of(opened(), accepted(), submitted("e1"))
    evolve(account, ended("e1", OrderEnd.REJECTED, "1"))
    assert list(account.orders) == [order_id("e1")]
    assert "which is rejected" in evolve(account, filled("e1", "1", at=3))
    assert account.orders == {}


def test_executions_counted_after_the_end_are_owed():
    account = account_of(opened(), accepted(), submitted("e1"), ended("e1", OrderEnd.FILLED))
    assert account.orders == {}
    assert "which is filled" in evolve(account, ended("e1", OrderEnd.CANCELED, "0.5"))
    assert account.orders[order_id("e1")].owed == D("0.5")


def test_a_fill_of_an_order_nobody_knows_is_booked_and_named():
    """Money moved: it is booked whatever else is missing; the position it made gets protected."""
    account = account_of(opened())
    assert "nobody knows" in evolve(account, filled("e4", "1", at=3))
    assert account.ledger == {"BTC": D(1), "USDT": D(9_900)}
    position = position_of(account)
    assert position.status is PositionStatus.OPEN
    assert position.first_protection.stop_loss_pct > 0


def test_a_position_that_is_found_keeps_the_stop_that_rests_for_it():
    """L12: nobody remembers its intent, but whoever set the stop did; defaults once replaced it."""
    account = account_of(opened(), *guarded())
    evolve(account, filled("e1", "1", at=3))
    rests = Guard(stop_price=D(97), stop_limit_price=D("96.51"), take_profit_price=D(103))
    assert position_of(account).target == rests
    bare = account_of(opened(), *guarded(), ended("s1", OrderEnd.CANCELED, at=2))
    evolve(bare, filled("e1", "1", at=3))
    assert position_of(bare).target is None


def test_a_late_sale_of_a_closed_position_is_booked_and_named():
    account = account_of(
        *bought(),
        submitted("x1", at=1),
        filled("x1", "0.99", trade="2", at=2),
        ended("x1", OrderEnd.CANCELED, "0.99", at=2),
        PositionClosed(
            at_ns=ns(3), position_id=ID, symbol="BTCUSDT", reason="x", dust_quantity=D("0.01")
        ),
    )
    assert "late sale" in evolve(account, filled("x1", "0.01", trade="3", at=4))
    assert account.ledger == {"BTC": D(0), "USDT": D(10_000)}


def test_a_late_buy_opens_the_position_again_with_its_protection():
    """L2: what was bought late must not stand bare, and its ids go on behind the used ones."""
    account = account_of(
        opened(),
        accepted(),
        submitted("e1"),
        ended("e1", OrderEnd.CANCELED, "0"),
        ended_intent(),
    )
    assert account.positions == {}
    assert evolve(account, filled("e1", "0.5", at=9)) is None
    position = position_of(account)
    assert (position.bought, position.opened_ns) == (D("0.5"), ns(9))
    assert position.first_protection.time_to_live_s == 86_400
    assert position.attempts >= 1
    assert account.totals["positions_opened"] == 1


def test_ids_of_a_position_that_opened_again_are_new():
    account = account_of(
        *bought(),
        *guarded(),
        filled("t1", trade="2", at=2),
        ended("s1", OrderEnd.EXPIRED, at=2),
        PositionClosed(at_ns=ns(3), position_id=ID, symbol="X", reason="x", dust_quantity=D(0)),
    )
    evolve(account, filled("e1", "0.5", trade="9", at=9))
    assert position_of(account).attempts >= 1, "s1 and t1 are used up"


def closed(at=3.0, dust="0"):
    return PositionClosed(
        at_ns=ns(at), position_id=ID, symbol="BTCUSDT", reason="x", dust_quantity=D(dust)
    )


@pytest.mark.parametrize("booked_after", [False, True], ids=["before it closed", "after"])
def test_a_buy_found_late_was_sold_with_the_position_that_is_closed(booked_after):
    """L6: the journal lacks an entry, and a stop sold what that had bought too."""
    sales = [filled("s1", "1", trade="2", at=2), filled("s1", "0.5", trade="3", at=2)]
    account = account_of(*bought(), submitted("s1", "1.5", at=1), sales[0])
    evolve(account, closed() if booked_after else sales[1])
    evolve(account, sales[1] if booked_after else closed())
    evolve(account, filled("e2", "0.3", trade="4", at=5))
    assert position_of(account).quantity == D("-0.2")
    evolve(account, closed(at=6))
    evolve(account, filled("e3", "0.3", trade="5", at=7))
    position = position_of(account)
    assert (position.bought, position.quantity) == (D("0.3"), D("0.1"))
    received = sum(trade.received for trade in account.closed) + position.received
    assert received == 150, "counted in one trade, whenever it was booked"
    assert account.ledger["BTC"] == D("0.1")
    assert account.oversold == {}


def test_a_late_buy_of_what_was_closed_flat_is_held():
    """L5: sales that the position explains are not counted against a buy that is found later."""
    account = account_of(*bought(), submitted("x1", at=1), filled("x1", trade="2", at=2), closed())
    del account.closed[:]  # It may be long ago.
    evolve(account, filled("e2", "0.5", trade="3", at=9))
    assert position_of(account).quantity == D("0.5")


def test_a_sale_heard_of_before_its_buy_is_part_of_the_position():
    """L6, L12: of a lost journal the executions may come in any order, their fees with them."""
    account = account_of(opened())
    evolve(account, filled("s1", "0.4", trade="2", at=2, fee=D("0.01"), fee_asset="BTC"))
    evolve(account, filled("s1", "0.1", trade="3", at=2, fee=D("0.02"), fee_asset="BNB"))
    account = read_account(account_bytes(account))
    evolve(account, filled("e1", "1", trade="1", at=3))
    position = position_of(account)
    assert (position.sold, position.received) == (D("0.5"), D(50))
    assert position.quantity == D("0.49")
    assert position.other_fees == {"BNB": D("0.02")}


def test_a_real_sale_of_what_was_inferred_takes_nothing_from_a_later_buy():
    """L3: the execution replaces the one that the closed position was sold by."""
    account = account_of(
        *bought(),
        submitted("x1", at=1),
        ended("x1", OrderEnd.FILLED, "1", at=2),
        inferred(leg="x1", at=2),
        closed(),
    )
    evolve(account, filled("x1", "0.6", trade="2", at=4))
    evolve(account, filled("x1", "0.4", trade="3", at=4))
    evolve(account, filled("e2", "0.5", trade="4", at=5))
    assert position_of(account).quantity == D("0.5")


def test_only_so_many_sales_without_a_position_are_remembered():
    account = account_of(opened())
    for number in range(OVERSOLD_MAX + 1):
        evolve(account, filled("s1", trade=f"{number}", decision=f"run1-{number + 1}"))
    assert len(account.oversold) == OVERSOLD_MAX
    assert ID not in account.oversold


def test_an_intent_that_bought_nothing_leaves_nothing():
    account = account_of(accepted(), submitted(), refused(), ended_intent())
    assert (account.positions, account.orders, account.intents) == ({}, {}, {})
    assert list(account.ended_intents) == [ID]
    assert account.ended_intents[ID].tried == 1


@pytest.mark.parametrize(
    ("meaning", "counted"),
    [
        (Meaning.OTHER, 1),
        (Meaning.FILTER, 1),
        (Meaning.INSUFFICIENT, 1),
        (Meaning.RATE, 0),
        (Meaning.BANNED, 0),
        (Meaning.CLOCK, 0),
        (Meaning.NONE, 0),
    ],
)
def test_only_a_judgement_counts_against_a_stop(meaning, counted):
    """L5: two refusals flatten; a throttled or unsent stop was not refused."""
    account = account_of(*bought(), submitted("s1", at=1), refused("s1", meaning=meaning))
    assert position_of(account).protect_refusals == counted


def test_an_acknowledged_stop_forgets_earlier_refusals():
    account = account_of(
        *bought(), submitted("s1"), refused("s1"), submitted("s2"), acknowledged("s2")
    )
    assert position_of(account).protect_refusals == 0


def test_the_unprotected_clock_runs_while_bare():
    account = account_of(*bought())

    def change(at, bare, status=ProtectionStatus.PROTECTING):
        evolve(
            account,
            ProtectionChanged(
                at_ns=ns(at), position_id=ID, status=status, bare=bare, reason="test"
            ),
        )

    change(2, True)
    change(3, True, ProtectionStatus.ALARM)
    change(5, False, ProtectionStatus.PROTECTED)
    change(6, False, ProtectionStatus.LOCAL_GUARD)
    change(8, True)
    assert position_of(account).unprotected_ns == 3 * S
    assert position_of(account).unprotected_s(ns(10)) == 5


def test_an_exit_that_went_well_is_not_counted_among_the_attempts():
    """P7: what a late fill adds may be tried as often as the first sale, from the same rung."""
    account = account_of(*bought("2"), exit_wanted(), submitted("x1", quantity="1"))
    assert position_of(account).exits_tried == 1
    evolve(account, filled("x1", "1", trade="2"))
    assert position_of(account).exits_tried == 0
    for leg, end, tried in (
        ("x2", OrderEnd.EXPIRED, 1),
        ("x3", OrderEnd.FILLED, 1),
        ("x4", OrderEnd.REJECTED, 2),
    ):
        evolve(account, submitted(leg, quantity="0.5"))
        evolve(account, ended(leg, end))
        assert position_of(account).exits_tried == tried


@pytest.mark.parametrize(
    ("meaning", "tried"),
    [(Meaning.RATE, 0), (Meaning.OTHER, 1), (Meaning.CLOCK, 1), (Meaning.NONE, 1)],
)
def test_a_sale_that_was_throttled_or_never_sent_is_no_attempt(meaning, tried):
    """P7: a ban may not use up the attempts, or nothing is sold for 30 s after its end."""
    account = account_of(*bought("2"), exit_wanted())
    for leg in ("x1", "x2", "x3"):
        evolve(account, submitted(leg, quantity="1"))
        evolve(account, refused(leg, meaning=meaning))
    assert position_of(account).exits_tried == 3 * tried
    assert position_of(account).attempts == 3, "their numbers are used up all the same"


def test_a_new_target_replaces_the_old_one():
    account = account_of(*bought(), exit_wanted(version=3))
    assert (position_of(account).version, position_of(account).exiting.reason) == (3, "test")
    assert position_of(account).status is PositionStatus.CLOSING
    guard = Guard(stop_price=D(98), stop_limit_price=D(97), take_profit_price=D(0))
    position_of(account).target = guard
    assert position_of(account).exiting is None


# ── memory (O8) ─────────────────────────────────────────────────────────────────────────────────


def test_a_clock_that_was_set_back_hides_no_trades():
    """What was reconciled "tomorrow" is compared again, a day back (L12, L16)."""
    account = account_of(*bought())
    account.last_reconciled_ns = account.agreed_ns = account.explained_ns = ns(200_000)
    evolve(account, RunBegan(at_ns=ns(200_001), run_id="r2"))
    assert account.last_reconciled_ns == account.agreed_ns == account.explained_ns == ns(200_000)
    evolve(account, RunBegan(at_ns=ns(199_000), run_id="r3"))
    known_ns = ns(199_000) - MEMORY_NS
    assert account.last_reconciled_ns == account.agreed_ns == account.explained_ns == known_ns


def test_a_clock_that_was_set_back_leaves_no_account_short_for_long():
    """The venue explains a loss on the clock that is read by now (L15)."""
    account = account_of(*bought(), RunBegan(at_ns=ns(200_000), run_id="r2", incarnation=1))
    evolve(account, RowsLost(at_ns=ns(200_000), reason="short"))
    assert account.short_until_ns() == ns(200_000)
    evolve(account, RunBegan(at_ns=ns(199_000), run_id="r3", incarnation=1))
    assert account.short_until_ns() == ns(199_000)
    for asked_s, is_short in ((0, True), (199_018, False)):
        told = Reconciled(
            at_ns=ns(199_019), mismatches=0, foreign_orders=0, explained_ns=ns(asked_s)
        )
        evolve(account, told)
        assert bool(account.short_until_ns()) == is_short
    evolve(account, Reconciled(at_ns=ns(199_050), mismatches=1, foreign_orders=0))
    assert account.short_until_ns() == 0, "what differs later is not of that loss"


def test_a_row_is_known_by_the_process_that_wrote_it():
    """L12: a journal that was lost and has grown again is not the one that a reader has seen."""
    account = account_of(RunBegan(at_ns=ns(1), run_id="r1", incarnation=1), opened())
    for at, run, incarnation in ((2, "r1", 2), (3, "r2", 1)):
        evolve(account, RunBegan(at_ns=ns(at), run_id=run, incarnation=incarnation))
    assert account.epochs == {"r1.1": 1, "r1.2": 3, "r2.1": 4}
    held = [("r1.1", 1), ("r1.1", 2), ("r1.2", 3), ("r2.1", 4), ("r2.1", 9), ("", 9)]
    assert [account.remembers(*row) for row in held] == [True] * len(held)
    lost = [("r1.1", 3), ("r1.2", 4), ("r0.1", 1), ("r1.3", 3), ("r3.1", 2)]
    assert [account.remembers(*row) for row in lost] == [False] * len(lost)


def test_what_an_older_program_wrote_is_believed():
    """It did not write down which process of the run it was."""
    account = account_of(RunBegan(at_ns=ns(1), run_id="r1"), opened())
    assert account.remembers("r1.2", 2)
    evolve(account, RunBegan(at_ns=ns(2), run_id="r1", incarnation=3))
    assert account.remembers("r1.2", 2)
    assert account.remembers("r0.1", 2)
    assert not account.remembers("r2.1", 2)


def test_only_so_many_processes_and_refusals_are_remembered():
    account = Account()
    for number in range(1, EPOCHS_MAX + 2):
        evolve(account, RunBegan(at_ns=ns(number), run_id="r1", incarnation=number))
        evolve(account, intent_refused(f"r1-{number}"))
    assert len(account.epochs) == EPOCHS_MAX
    assert len(account.refused_intents) == REFUSED_MAX
    assert "r1-1" not in account.refused_intents
    assert account.remembers("r1.1", 1)


def test_a_process_of_the_same_run_counts_on():
    account = account_of(RunBegan(at_ns=ns(1), run_id="r1", incarnation=1), *bought())
    totals = dict(account.totals)
    evolve(account, RunBegan(at_ns=ns(9), run_id="r1", incarnation=2))
    assert (account.totals, account.run_began_ns) == (totals, ns(1))


def test_a_new_run_forgets_what_is_older_than_a_day():
    day = MEMORY_NS // S
    account = account_of(
        *bought(),
        SymbolBlocked(at_ns=ns(1), symbol="BTCUSDT", reason="region", until_ns=ns(day + 9)),
    )
    evolve(account, RunBegan(at_ns=ns(day - 9), run_id="r2"))
    assert account.tombstones
    assert account.fills
    assert account.ended_intents
    evolve(account, RunBegan(at_ns=ns(day + 9), run_id="r3"))
    assert (account.tombstones, account.fills, account.ended_intents) == ({}, {}, {})
    assert account.blocked == {}
    assert account.totals == {}
    assert account.positions, "what is held is never forgotten"


def test_fills_are_bounded():
    account = account_of(*bought())
    account.fills = {str(number): ns(0) for number in range(FILLS_MAX)}
    evolve(account, filled("e1", "0.00001", trade="x", at=5))
    assert len(account.fills) == FILLS_MAX
    assert "0" not in account.fills


def test_a_block_is_never_shortened():
    account = account_of(
        SymbolBlocked(at_ns=1, symbol="X", reason="region", until_ns=100),
        SymbolBlocked(at_ns=2, symbol="X", reason="fault", until_ns=50),
    )
    assert account.blocked == {"X": 100}


def test_balances_seen_change_only_what_they_name():
    account = account_of(opened())
    new = VenueBalance(asset="BTC", free=D(1), locked=D(2))
    evolve(account, BalancesSeen(at_ns=1, balances=(new,)))
    assert account.balances["BTC"] == new
    assert account.balances["USDT"].free == 10_000
    assert account.ledger == {"BTC": D(0), "USDT": D(10_000)}, "the ledger moves by fills alone"


def test_live_orders_are_few():
    """O8: the highest number of live orders of a run is on record."""
    account = account_of(*bought(), *guarded())
    assert account.totals["live_orders_max"] == 2
    assert account.live_sells(ID) == list(account.orders.values())
    assert {o.purpose for o in account.orders_of(ID)} == {Purpose.STOP, Purpose.TAKE_PROFIT}
