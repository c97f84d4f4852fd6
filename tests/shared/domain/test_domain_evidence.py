"""From the venue's words to events (L2, L3, L4): what is new, in any order, any number of times."""

import msgspec
import pytest
from domain_scene import (
    BTC,
    ID,
    INSTRUMENTS,
    D,
    accepted,
    account_of,
    acknowledged,
    bought,
    cancel_asked,
    doubted,
    ended,
    filled,
    kinds,
    ns,
    opened,
    order_id,
    refused,
    said,
    submitted,
    traded,
    triggered,
)
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.account import account_bytes
from shared.domain.evidence import inferred_fill, of_balances, of_order, of_trades
from shared.domain.fold import evolve
from shared.domain.order import OrderStatus
from shared.messages.account import OrderEnd, Purpose
from shared.messages.venue import Side, VenueBalance, VenueStatus

BEGUN = (opened(), accepted(), submitted("e1"))


def news(account, word, at=1.0, asked=None):
    return of_order(account, word, ns(at), ns(at if asked is None else asked))


@pytest.mark.parametrize(
    ("before", "word", "expected"),
    [
        ((), said(), ["OrderAcknowledged"]),
        ((doubted(),), said(), ["OrderAcknowledged"]),
        ((acknowledged(),), said(), []),
        ((acknowledged(),), said(triggered=True), ["OrderTriggered"]),
        ((acknowledged(), triggered("e1")), said(triggered=True), []),
        ((acknowledged(),), said(status=VenueStatus.CANCELED), ["OrderEnded"]),
        ((), said(status=VenueStatus.EXPIRED), ["OrderAcknowledged", "OrderEnded"]),
        ((acknowledged(), cancel_asked()), said(), []),
        ((acknowledged(), cancel_asked()), said(status=VenueStatus.CANCELED), ["OrderEnded"]),
        (
            (acknowledged(), ended(end=OrderEnd.CANCELED)),
            said(status=VenueStatus.CANCELED),
            [],
        ),
        (
            (acknowledged(), ended(end=OrderEnd.CANCELED, filled="0.2")),
            said(status=VenueStatus.CANCELED, filled="0.5"),
            ["OrderEnded"],
        ),
        ((acknowledged(), filled()), said(status=VenueStatus.FILLED, filled="1"), []),
        # Its executions came first: what the venue calls it is news all the same.
        ((filled(),), said(status=VenueStatus.FILLED, filled="1"), ["OrderAcknowledged"]),
        ((cancel_asked(),), said(), ["OrderAcknowledged"]),
        ((refused(),), said(status=VenueStatus.CANCELED), []),
    ],
)
def test_only_what_is_new_is_said(before, word, expected):
    account = account_of(*BEGUN, *before)
    assert kinds(news(account, word)) == expected


def test_trades_of_an_order_that_was_filled_before_it_was_named_are_found():
    """L3: a list of trades names the venue's own order id; the ended order must know it."""
    account = account_of(*BEGUN, filled("e1", "0.4", trade="1"))
    evolve(account, ended("e1", OrderEnd.FILLED, "1"))
    word = said(status=VenueStatus.FILLED, filled="1")
    for event in news(account, word):
        evolve(account, event)
    assert account.order(word.client_id).venue_order_id == word.venue_order_id
    listed = traded("e1", "0.6", trade="2", venue_order_id=word.venue_order_id)
    nameless = msgspec.structs.replace(listed, client_id="")
    [booked] = of_trades(account, [nameless], {BTC.symbol: BTC}, ns(2))
    assert booked.client_id == word.client_id


@pytest.mark.parametrize("foreign", ["", "web_1", "sw-", "other-run1-1-e1", "SW-run1-1-e1"])
def test_foreign_orders_and_trades_are_not_ours(foreign):
    """L4: never touched, never booked."""
    account = account_of(*BEGUN)
    assert news(account, said(client_id=foreign)) == []
    trade = traded(client_id=foreign, venue_order_id="v-of-somebody")
    assert of_trades(account, [trade], INSTRUMENTS, ns(1)) == []


def test_a_stray_of_ours_is_adopted():
    """L2: found at the venue, missing in the live map."""
    [adopted] = news(account_of(opened()), said("s4", quantity="0.7"))
    assert (adopted.decision_id, adopted.purpose) == (ID, Purpose.STOP)
    assert (adopted.side, adopted.quantity) == (Side.SELL, D("0.7"))
    account = account_of(opened(), adopted)
    assert account.orders[order_id("s4")].status is OrderStatus.OPEN


def test_a_stray_that_ended_without_a_trade_is_no_news():
    assert news(account_of(opened()), said(status=VenueStatus.CANCELED)) == []


def test_a_stray_that_traded_is_adopted_with_its_end():
    word = said(status=VenueStatus.FILLED, filled="1")
    account = account_of(opened())
    assert kinds(news(account, word)) == ["OrderAdopted", "OrderEnded"]
    for event in news(account, word):
        evolve(account, event)
    assert account.orders[order_id()].owed == 1


@pytest.mark.parametrize(("asked", "risen"), [(4.2, False), (3.2, False), (4.201, True)])
def test_old_news_is_no_resurrection(asked, risen):
    """A read may lag: only a question that left well after the end counts (L2)."""
    account = account_of(*BEGUN, acknowledged(), ended(end=OrderEnd.CANCELED, at=1.2))
    found = news(account, said(), at=asked, asked=asked)
    assert kinds(found) == (["OrderAdopted"] if risen else [])


def test_an_order_we_took_for_refused_that_lives_is_adopted():
    account = account_of(*BEGUN, refused(at=1))
    assert news(account, said(), at=2) == []
    assert kinds(news(account, said(), at=9)) == ["OrderAdopted"]
    traded_after_all = said(status=VenueStatus.FILLED, filled="1")
    assert kinds(news(account, traded_after_all, at=2)) == ["OrderAdopted", "OrderEnded"]


def test_a_triggered_stray_is_known_to_be_triggered_at_once():
    """Its two seconds begin now, not with the next look at it (L5)."""
    account = account_of(opened())
    for event in news(account, said("s4", triggered=True), at=3):
        evolve(account, event)
    assert account.orders[order_id("s4")].triggered_ns == ns(3)


def test_a_lagging_list_does_not_trigger_what_has_ended():
    account = account_of(*BEGUN, acknowledged(), ended(end=OrderEnd.CANCELED, at=1))
    assert news(account, said(triggered=True), at=2) == []


# ── executions ──────────────────────────────────────────────────────────────────────────────────


def test_each_execution_is_booked_once():
    account = account_of(*BEGUN)
    [fill] = of_trades(account, [traded(), traded()], INSTRUMENTS, ns(1))
    assert (fill.base, fill.quote, fill.decision_id) == ("BTC", "USDT", ID)
    evolve(account, fill)
    assert of_trades(account, [traded()], INSTRUMENTS, ns(2)) == []


def test_both_sides_of_a_trade_between_our_own_orders_are_booked():
    """L3: they carry one trade id. The sale of an exit once met the entry that still rested."""
    account = account_of(*BEGUN, submitted("x9", "0.5", at=0.2))
    bought_it, sold_it = traded("e1", "0.5"), traded("x9", "0.5")
    assert bought_it.trade_id == sold_it.trade_id
    fills = of_trades(account, [bought_it, sold_it], INSTRUMENTS, ns(1))
    assert [fill.side for fill in fills] == [Side.BUY, Side.SELL]
    for fill in fills:
        evolve(account, fill)
    position = account.positions[ID]
    assert (position.bought, position.sold) == (D("0.5"), D("0.5"))
    assert of_trades(account, [bought_it, sold_it], INSTRUMENTS, ns(2)) == []


def test_a_snapshot_of_before_the_sides_were_kept_books_nothing_again():
    account = account_of(*BEGUN)
    account.fills["BTCUSDT:1"] = ns(0)
    assert of_trades(account, [traded()], INSTRUMENTS, ns(1)) == []
    evolve(account, filled("e1", "0.5", trade="1"))
    assert ID not in account.positions or not account.positions[ID].bought


def test_a_trade_list_that_names_only_venue_ids_is_understood():
    """The venue's own list has no client ids: ours are found by the acknowledged order id."""
    nameless = traded(client_id="")
    account = account_of(*BEGUN)
    assert of_trades(account, [nameless], INSTRUMENTS, ns(1)) == [], "not known yet whose it is"
    evolve(account, acknowledged())
    [fill] = of_trades(account, [nameless], INSTRUMENTS, ns(1))
    assert fill.client_id == order_id()
    evolve(account, ended(end=OrderEnd.CANCELED))
    assert len(of_trades(account, [nameless], INSTRUMENTS, ns(1))) == 1, "tombstones count"


def test_venue_ids_count_within_their_symbol():
    account = account_of(*BEGUN, acknowledged())
    elsewhere = traded(client_id="", symbol="ETHUSDT")
    known = {**INSTRUMENTS, "ETHUSDT": BTC}
    assert of_trades(account, [elsewhere], known, ns(1)) == []


def test_a_symbol_nobody_knows_is_not_booked():
    assert of_trades(account_of(*BEGUN), [traded(symbol="XYZ")], INSTRUMENTS, ns(1)) == []


def test_what_the_venue_counts_and_does_not_list_is_inferred():
    account = account_of(*BEGUN, filled("e1", "0.3"), ended(filled="1"))
    guess = inferred_fill(account.orders[order_id()], BTC, ns(9))
    assert (guess.quantity, guess.price, guess.inferred) == (D("0.7"), D(100), True)
    assert evolve(account, guess) is None
    assert account.orders == {}


def test_only_balances_that_changed_are_said():
    account = account_of(opened())
    same = account.balances["BTC"]
    new = VenueBalance(asset="USDT", free=D(1), locked=D(2))
    assert of_balances(account, [same], ns(1)) == []
    [seen] = of_balances(account, [same, new], ns(1))
    assert seen.balances == (new,)


# ── any sequence of words ───────────────────────────────────────────────────────────────────────

LEGS = st.sampled_from(["e1", "s1", "x9"])
ENDS = st.sampled_from([s for s in VenueStatus if s is not VenueStatus.REJECTED])
FILLED = st.sampled_from(["0", "0.5", "1"])
WORDS = st.one_of(
    st.builds(said, LEGS, ENDS, FILLED, triggered=st.booleans()),
    st.builds(said, LEGS, st.just(VenueStatus.REJECTED)),
    st.builds(traded, LEGS, st.sampled_from(["0.5", "1"]), st.sampled_from(["1", "2", "3"])),
)


@given(st.lists(st.tuples(WORDS, st.integers(0, 9)), max_size=12))
def test_the_same_word_twice_says_nothing_new(words):
    """Idempotent: whatever was heard before, hearing it again changes nothing."""
    account = account_of(*bought())
    for word, at in words:
        heard = []
        for _ in range(2):
            if hasattr(word, "trade_id"):
                heard.append(of_trades(account, [word], INSTRUMENTS, ns(20)))
            else:
                heard.append(of_order(account, word, ns(20), ns(20 + at)))
            for event in heard[-1]:
                evolve(account, event)
        before = account_bytes(account)
        assert heard[1] == [], (word, heard)
        assert account_bytes(account) == before
