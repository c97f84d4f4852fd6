"""Comparing with the venue (O7, L16): what differs is taken over, the second time nothing is."""

import pytest
from domain_scene import (
    BTC,
    INSTRUMENTS,
    D,
    accepted,
    account_of,
    bought,
    calls,
    doubted,
    ended,
    filled,
    guarded,
    ns,
    opened,
    order_id,
    refused,
    said,
    submitted,
    traded,
)
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.account import Account
from shared.domain.beginnings import MEMORY_NS
from shared.domain.fold import evolve
from shared.domain.reconcile import (
    compare,
    held_symbols,
    history_request,
    is_unopened,
    ledger_differences,
    request,
)
from shared.messages.account import LedgerOpened
from shared.messages.venue import (
    Outcome,
    QueryOrder,
    TakeSnapshot,
    VenueAnswered,
    VenueBalance,
    VenueStatus,
)

BALANCES = (
    VenueBalance(asset="BTC", free=D(1), locked=D(0)),
    VenueBalance(asset="USDT", free=D(9900), locked=D(0)),
)


def answer(orders=(), trades=(), balances=BALANCES, asked=5.0):
    asking = TakeSnapshot(symbol="", symbols=(), trades_since_ms=0, asked_ns=ns(asked))
    return VenueAnswered(
        request=asking,
        outcome=Outcome.OK,
        orders=tuple(orders),
        trades=tuple(trades),
        balances=balances,
    )


def take(account, snapshot, at=5.0):
    found = compare(account, snapshot, INSTRUMENTS, ns(at))
    for event in found.events:
        evolve(account, event)
    return found


def test_a_fresh_journal_has_no_ledger_until_it_is_opened_for_good():
    account = Account()
    assert is_unopened(account)
    evolve(account, LedgerOpened(at_ns=1, balances=answer().balances, provisional=True))
    assert account.ledger == {"BTC": D(1), "USDT": D(9900)}
    assert is_unopened(account)
    assert history_request(account, {"BTCUSDT"}, 2 * MEMORY_NS).trades_since_ms == (
        MEMORY_NS // 10**6 - 60_000
    )
    evolve(account, LedgerOpened(at_ns=2, balances=answer().balances))
    assert not is_unopened(account)


def test_what_a_fresh_journal_finds_held_is_what_the_history_is_asked_for():
    instruments = {BTC.symbol: BTC}
    assert held_symbols(answer().balances, instruments) == {BTC.symbol}
    assert held_symbols((VenueBalance(asset="USDT", free=D(1), locked=D(0)),), instruments) == set()
    assert held_symbols((VenueBalance(asset="BTC", free=D(0), locked=D(0)),), instruments) == set()
    many = {f"BTC{number}": BTC for number in range(101)}
    assert held_symbols(answer().balances, many) == set(), "too many to ask for"


def test_a_stray_and_a_missed_execution_are_taken_over():
    account = account_of(*bought(), *guarded())
    orders = [said("s1"), said("t1"), said("x7", quantity="0.2")]
    found = take(account, answer(orders, [traded("e1"), traded("x7", "0.1", "9")]))
    assert order_id("x7") in account.orders
    assert account.positions["run1-1"].sold == D("0.1")
    assert found.mismatches == 2
    assert take(account, answer(orders, [traded("e1"), traded("x7", "0.1", "9")])).mismatches == 0


def test_foreign_orders_are_reported_and_left_alone():
    """L4."""
    account = account_of(*bought())
    found = take(account, answer([said(client_id="web_7")]))
    assert (found.foreign_orders, found.mismatches) == (1, 0)
    assert "web_7" in found.details[0]
    assert account.orders == {}


def of_list(leg="x7", trade="9", venue_order_id="77", **changes):
    """A trade as a venue's list has it: under the venue's own order id alone."""
    return traded(leg, "0.1", trade, client_id="", venue_order_id=venue_order_id, **changes)


NAMED = said("x7", venue_order_id="77", status=VenueStatus.FILLED, quantity="0.1", filled="0.1")
THEIRS = said("x7", client_id="web_7", venue_order_id="77", status=VenueStatus.FILLED)


@pytest.mark.parametrize(
    ("orders", "trade", "nameless"),
    [
        ([], of_list(), True),
        ([THEIRS], of_list(), True),
        ([NAMED], of_list(), False),
        ([], of_list("e1", "1", "v-" + order_id("e1")), False),
        ([], of_list("e1", "1", "88"), False),
        ([], of_list(symbol="ETHUSDT"), False),
    ],
    ids=["nobody's", "a stranger's", "named as ours", "of a known order", "booked", "not held"],
)
def test_an_order_that_nobody_can_name_where_something_is_held(orders, trade, nameless):
    """L6: it may have sold what is held, and rows that nobody remembers have told of it."""
    account = account_of(*bought())
    found = take(account, answer(orders, [trade]))
    assert found.nameless == ({(trade.symbol, "77")} if nameless else set())
    assert bool(found.mismatches) == (orders == [NAMED]), "and evidence never judges"


def test_a_live_order_the_venue_does_not_list_is_asked_about():
    """A list may lag: only an answer about the order itself is proof."""
    account = account_of(*bought(), *guarded())
    found = compare(account, answer([said("t1")]), INSTRUMENTS, ns(5))
    assert calls(found.queries) == [QueryOrder(symbol="BTCUSDT", client_id=order_id("s1"))]


@pytest.mark.parametrize("asked", [0.5, 1.0])
def test_an_order_sent_after_the_question_is_not_missed(asked):
    account = account_of(*bought(), *guarded())
    assert compare(account, answer(asked=asked), INSTRUMENTS, ns(5)).queries == []


def test_orders_in_doubt_have_their_own_questions():
    account = account_of(*bought(), submitted("x1", at=1), doubted("x1"))
    assert compare(account, answer(), INSTRUMENTS, ns(5)).queries == []


WORDS = st.lists(
    st.builds(
        said,
        st.sampled_from(["e1", "e2", "s1", "t1", "x4"]),
        filled=st.sampled_from(["0", "0.4"]),
        triggered=st.booleans(),
    ),
    max_size=5,
    unique_by=lambda order: order.client_id,
)
TRADES = st.lists(
    st.builds(
        traded,
        st.sampled_from(["e1", "s1", "x4"]),
        st.sampled_from(["0.1", "0.3"]),
        st.sampled_from(["1", "2", "3"]),
    ),
    max_size=5,
)


@given(WORDS, TRADES, st.booleans())
def test_a_second_reconciliation_changes_nothing(orders, trades, fresh):
    """L16, whatever the venue says."""
    account = Account() if fresh else account_of(*bought(), *guarded())
    snapshot = answer(orders, trades)
    take(account, snapshot)
    again = take(account, snapshot)
    assert (again.events, again.mismatches) == ([], 0)


HEARD_FIRST = (opened(), accepted(), submitted("e1"))
"""An entry of which nothing was heard yet, not even the venue's own id."""


def test_the_id_of_a_filled_order_that_only_a_history_tells_is_no_difference():
    """L16: its execution was heard of first and booked, and the process died before the rest."""
    account = account_of(*HEARD_FIRST, filled("e1"))
    nameless = traded("e1", client_id="")
    assert take(account, answer([], [nameless])).mismatches == 0, "nothing tells the id"
    history = answer([said("e1", VenueStatus.FILLED, "1")], [nameless])
    found = take(account, history)
    assert (found.events, found.mismatches) == ([], 0)


@pytest.mark.parametrize(
    ("known", "word"),
    [
        pytest.param((), said("e1", VenueStatus.FILLED, "1"), id="nothing is booked"),
        pytest.param(
            (filled("e1", "0.4"),), said("e1", VenueStatus.FILLED, "1"), id="a part is booked"
        ),
        pytest.param(
            (filled("e1", "0.4"), ended(filled="1")),
            said("e1", VenueStatus.FILLED, "1"),
            id="the rest is owed",
        ),
        pytest.param(
            (filled("e1", "0.4"), ended(filled="1")),
            said("e1", VenueStatus.FILLED, "0.4"),
            id="the rest is owed, and the venue counts less",
        ),
        pytest.param(
            (filled("e1", "0.4"), ended(filled="1"), filled("e1", "0.6", "i", inferred=True)),
            said("e1", VenueStatus.FILLED, "1"),
            id="the rest is inferred",
        ),
        pytest.param(
            (filled("e1", "0.4"),), said("e1", VenueStatus.CANCELED, "0.4"), id="it lives for us"
        ),
        pytest.param(
            (filled("e1"),), said("e1", VenueStatus.FILLED, "1.5"), id="the venue counts more"
        ),
        pytest.param(
            (refused(), filled("e1")), said("e1", VenueStatus.FILLED, "1"), id="it was refused"
        ),
        pytest.param((filled("e1"),), said("e1"), id="the venue says that it lives"),
    ],
)
def test_an_order_whose_executions_may_be_missing_learns_the_venue_id(known, word):
    """L3: without it they would never be found."""
    account = account_of(*HEARD_FIRST)
    for event in known:
        evolve(account, event)
    take(account, answer([word]))
    assert account.order(order_id()).venue_order_id == word.venue_order_id


# ── asking ──────────────────────────────────────────────────────────────────────────────────────


def test_trades_are_asked_for_wherever_something_of_ours_may_have_happened():
    account = account_of(*bought())
    account.last_reconciled_ns = ns(100)
    asked = request(account, {"ETHUSDT"}, ns(160))
    assert asked.symbols == ("BTCUSDT", "ETHUSDT")
    assert asked.trades_since_ms == ns(40) // 10**6, "a minute of overlap"
    assert asked.asked_ns == ns(160)


def test_a_first_question_goes_back_to_the_beginning_of_the_run():
    account = account_of(opened())
    account.run_began_ns = ns(100)
    assert request(account, set(), ns(101)).trades_since_ms == ns(40) // 10**6
    assert request(Account(), set(), ns(1)).trades_since_ms == 0


# ── the ledger (L15) ────────────────────────────────────────────────────────────────────────────


def test_a_ledger_that_agrees():
    account = account_of(*bought())
    take(account, answer())
    assert ledger_differences(account) == {}


@pytest.mark.parametrize(
    ("balance", "difference"),
    [
        (VenueBalance(asset="BTC", free=D("0.4"), locked=D("0.6")), {}),
        (VenueBalance(asset="BTC", free=D("0.4"), locked=D(0)), {"BTC": (D(1), D("0.4"))}),
        (VenueBalance(asset="BNB", free=D(2), locked=D(0)), {"BNB": (D(0), D(2))}),
        (VenueBalance(asset="DOGE", free=D(0), locked=D(0)), {}),
    ],
)
def test_free_and_locked_together_are_compared_exactly(balance, difference):
    account = account_of(*bought())
    take(account, answer(balances=(*BALANCES, balance)))
    assert ledger_differences(account) == difference


def test_an_asset_the_venue_does_not_name_counts_as_none():
    account = account_of(*bought(fee=D("0.5"), fee_asset="BNB"))
    take(account, answer())
    assert ledger_differences(account) == {"BNB": (D("-0.5"), D(0))}
    assert filled().fee_asset == "USDT"
