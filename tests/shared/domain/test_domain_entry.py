"""The entry ladder (E6): rungs in order, one order at a time, an end only by proof."""

import pytest
from domain_scene import (
    BTC,
    ID,
    LADDER,
    D,
    accepted,
    account_of,
    acknowledged,
    bought,
    calls,
    cancel_asked,
    doubted,
    ended,
    ended_intent,
    events,
    exit_wanted,
    filled,
    intent,
    intent_refused,
    kinds,
    ns,
    opened,
    order_id,
    refused,
    submitted,
)
from msgspec.structs import replace

from shared.domain.entry import Sight, entry_steps, refusal_of
from shared.domain.fold import evolve
from shared.messages.account import IntentEnded, OrderAdopted, OrderEnd, Purpose, SymbolBlocked
from shared.messages.venue import OrderKind, Side, TimeInForce


def steps_of(account, at=0.0, may_enter=True):
    return entry_steps(account, account.intents[ID], BTC, ns(at), may_enter)


def reason(steps):
    [step] = steps
    assert isinstance(step, IntentEnded)
    return step.reason


def test_the_ladder_is_climbed_in_order():
    """IOC at the ask, IOC above it, GTC at the ask; each with its own deadline."""
    account = account_of(opened(), accepted())
    seen = []
    for number in (1, 2, 3):
        steps = steps_of(account, number)
        assert kinds(steps) == ["OrderSubmitted", "PlaceOrder"]
        submission, [request] = events(steps)[0], calls(steps)
        assert request.client_id == submission.client_id == f"sw-{ID}-e{number}"
        assert (request.side, request.kind) == (Side.BUY, OrderKind.LIMIT)
        wait_s = (submission.expires_ns - ns(number)) / 1e9
        seen.append((request.time_in_force, request.price, wait_s))
        assert (submission.quote_recv_ns > 0) == (number == 1)
        evolve(account, submission)
        assert steps_of(account, number) == []
        evolve(account, ended(f"e{number}", OrderEnd.EXPIRED, at=number))
    ioc, gtc = TimeInForce.IOC, TimeInForce.GTC
    assert seen == [(ioc, D(100), 2), (ioc, D("100.3"), 2), (gtc, D(100), 30)]
    assert reason(steps_of(account, 4)) == "ladder used up"


def test_a_rung_long_after_the_one_before_it_is_no_entry_any_more():
    """L8: an outcome that was unknown for a fence leaves prices that nobody decided on."""
    for at, late in ((6.9, False), (7.1, True)):
        account = account_of(opened(), accepted(), submitted("e1"))
        evolve(account, ended("e1", OrderEnd.EXPIRED, at=at))
        steps = steps_of(account, at)
        if late:
            assert reason(steps) == "too late for the next step"
        else:
            assert kinds(steps) == ["OrderSubmitted", "PlaceOrder"]


def test_the_next_rung_asks_for_what_is_left():
    account = account_of(opened(), accepted(), submitted("e1"), filled("e1", "0.4"))
    evolve(account, ended("e1", OrderEnd.EXPIRED, "0.4"))
    assert calls(steps_of(account, 1))[0].quantity == D("0.6")


@pytest.mark.parametrize(("at", "over"), [(1.999, False), (2.0, True)])
def test_a_rung_that_is_over_is_cancelled(at, over):
    account = account_of(opened(), accepted(), submitted("e1", expires_ns=ns(2)))
    evolve(account, acknowledged("e1"))
    assert kinds(steps_of(account, at)) == (["CancelAsked", "CancelOrder"] if over else [])


@pytest.mark.parametrize(
    "news",
    [
        (doubted("e1"),),
        (acknowledged("e1"),),
        (acknowledged("e1"), cancel_asked("e1")),
        (ended("e1", OrderEnd.FILLED, "1"),),
        (ended("e1", OrderEnd.EXPIRED, "0.3"),),
    ],
    ids=["unknown", "open", "canceling", "executions owed", "a part owed"],
)
@pytest.mark.parametrize("may_enter", [True, False])
def test_no_second_order_and_no_end_while_one_may_trade_or_owes(news, may_enter):
    """L2: the reservation stands until there is proof; UNKNOWN waits for ever."""
    account = account_of(opened(), accepted(), submitted("e1"), *news)
    for at in (1, 100, 100_000):
        steps = steps_of(account, at, may_enter)
        assert not any(isinstance(step, IntentEnded) for step in steps)
        assert "PlaceOrder" not in kinds(steps)


def test_a_cancel_is_not_repeated_every_turn():
    account = account_of(opened(), accepted(), submitted("e1", expires_ns=ns(2)))
    for event in events(steps_of(account, 2)):
        evolve(account, event)
    assert steps_of(account, 3) == []


def test_what_is_on_its_way_out_is_not_bought_on():
    """A sale of ours has met the entry that still rested: neither is wanted."""
    account = account_of(opened(), accepted(), submitted("e1"), filled("e1", "0.5"), exit_wanted())
    steps = steps_of(account, 1)
    assert kinds(steps) == ["CancelAsked", "CancelOrder"]
    assert steps[1].exit_priority
    for event in events(steps):
        evolve(account, event)
    evolve(account, ended("e1", OrderEnd.CANCELED, "0.5"))
    assert reason(steps_of(account, 1)) == "position on its way out"


def test_no_entries_any_more():
    """REDUCING, stopping, a trip: what rests is cancelled, nothing is sent, then it ends."""
    account = account_of(opened(), accepted())
    assert reason(steps_of(account, may_enter=False)) == "no entries any more"
    evolve(account, submitted("e1"))
    evolve(account, acknowledged("e1"))
    steps = steps_of(account, may_enter=False)
    assert kinds(steps) == ["CancelAsked", "CancelOrder"]
    assert steps[1].exit_priority, "cancels may use the reserved budget (L10)"
    for event in events(steps):
        evolve(account, event)
    evolve(account, ended("e1", OrderEnd.CANCELED))
    assert reason(steps_of(account, may_enter=False)) == "no entries any more"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((filled("e1", "1"),), "filled"),
        ((filled("e1", "0.999996"), ended("e1", OrderEnd.EXPIRED, "0.999996")), "filled"),
        (
            (filled("e1", "0.96"), ended("e1", OrderEnd.EXPIRED, "0.96")),
            "remainder too small",
        ),
        (
            (filled("e1", "0.5"), ended("e1", OrderEnd.EXPIRED, "0.5"), exit_wanted()),
            "position on its way out",
        ),
        (
            (
                filled("e1", "0.5"),
                ended("e1", OrderEnd.EXPIRED, "0.5"),
                submitted("t1", "0.5", at=1),
                filled("t1", "0.1", trade="2", at=1),
            ),
            "position on its way out",
        ),
    ],
)
def test_why_an_intent_ends(more, expected):
    account = account_of(opened(), accepted(), submitted("e1"), *more)
    assert reason(steps_of(account, 1)) == expected


def test_a_refused_rung_is_not_tried_again():
    """Attempts are bounded by the ladder (O5)."""
    account = account_of(opened(), accepted())
    for number in (1, 2, 3):
        evolve(account, events(steps_of(account))[0])
        evolve(account, refused(f"e{number}"))
    assert reason(steps_of(account)) == "ladder used up"


# ── rows that are lost ──────────────────────────────────────────────────────────────────────────

SIGHT = Sight(fence_ns=18 * 10**9)


def behind_the_first_step(*more):
    expired = ended("e1", OrderEnd.EXPIRED, "0.4", at=0.3)
    first = (submitted("e1"), filled("e1", "0.4"), expired)
    return account_of(opened(), accepted(), *first, *more)


def bereft(*more):
    """The journal has lost rows: what they sent left before a process began 5 s later."""
    account = behind_the_first_step(*more)
    account.positions[ID].forgotten_ns = ns(5)
    return account


def seen(account, sight=SIGHT, at=6.0, may_enter=False):
    return entry_steps(account, account.intents[ID], BTC, ns(at), may_enter, sight)


@pytest.mark.parametrize(
    ("more", "may_enter", "expected"),
    [
        ((), True, "ladder used up"),
        ((), False, "no entries any more"),
        ((exit_wanted(),), True, "position on its way out"),
    ],
)
def test_steps_that_lost_rows_may_have_sent_are_in_doubt_until_the_fence(more, may_enter, expected):
    """L2, L12: with the end of the intent its reservation would fall."""
    account = bereft(*more)
    steps = seen(account, may_enter=may_enter)
    assert kinds(steps) == ["OrderSubmitted", "OrderDoubted"] * 2, "nothing leaves"
    for step in steps:
        assert evolve(account, step) is None
    for leg, price in (("e2", D("100.3")), ("e3", D(100))):
        order = account.orders[order_id(leg)]
        assert (order.in_doubt, order.quantity, order.price) == (True, D("0.6"), price)
        assert order.fence_ns == ns(23)
    for leg in ("e2", "e3"):
        assert seen(account, SIGHT, 23, may_enter) == []
        evolve(account, refused(leg, at=23))
    assert reason(seen(account, SIGHT, 23, may_enter)) == expected


def test_a_step_that_is_found_resting_is_cancelled_while_others_are_in_doubt():
    """Nobody knows when it was sent: its patience is over."""
    account = bereft()
    for step in seen(account):
        evolve(account, step)
    evolve(account, acknowledged("e3", at=7))
    [asked, request] = seen(account, SIGHT, 7, may_enter=True)
    assert kinds([asked, request]) == ["CancelAsked", "CancelOrder"]
    assert request.request.client_id == order_id("e3")


def test_without_a_fence_absence_never_proves_that_they_were_not_sent():
    account = bereft()
    for step in seen(account, Sight()):
        evolve(account, step)
    assert account.orders[order_id("e2")].fence_ns == 0


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((filled("e1", "0.6", trade="2"),), "filled"),
        ((filled("e1", "0.56", trade="2"),), "remainder too small"),
    ],
)
def test_what_no_lost_row_can_have_sent_holds_up_no_end(more, expected):
    """Everything was bought, or the venue's filters would refuse the rest."""
    assert reason(seen(bereft(*more), may_enter=True)) == expected


def test_while_nobody_has_told_what_is_lost_an_entry_waits():
    """L12. What rests is cancelled as ever."""
    silent = replace(SIGHT, is_whole=False)
    account = behind_the_first_step()
    assert seen(account, silent) == seen(account, silent, 0.5, may_enter=True) == []
    evolve(account, submitted("e2", "0.6", at=1))
    evolve(account, acknowledged("e2", at=1))
    assert kinds(seen(account, silent)) == ["CancelAsked", "CancelOrder"]
    for leg in ("e2", "e3"):
        if leg == "e3":
            evolve(account, submitted(leg, "0.6", at=2))
        evolve(account, ended(leg, OrderEnd.CANCELED, at=3))
    assert reason(seen(account, silent)) == "no entries any more"


def test_the_id_of_a_step_that_only_the_venue_told_of_is_not_used_again():
    """L2: the row that sent it is lost, and its end came before the news of the loss."""
    account = behind_the_first_step()
    adopted = OrderAdopted(
        at_ns=ns(1),
        client_id=order_id("e2"),
        venue_order_id="7",
        decision_id=ID,
        symbol=BTC.symbol,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        purpose=Purpose.ENTRY,
        quantity=D("0.6"),
        price=D("100.3"),
        stop_price=D(0),
    )
    evolve(account, adopted)
    evolve(account, ended("e2", OrderEnd.EXPIRED, at=1.1))
    submission = seen(account, at=2, may_enter=True)[0]
    assert submission.client_id == order_id("e3")
    silent = replace(SIGHT, silent_ns=ns(1))
    assert events(seen(account, silent))[0].client_id == order_id("e3")
    evolve(account, submission)
    evolve(account, ended("e3", OrderEnd.CANCELED, at=3))
    assert reason(seen(account, at=3, may_enter=True)) == "ladder used up"


# ── taking an intent on ─────────────────────────────────────────────────────────────────────────


def refusal(account=None, asked=None, instrument=BTC, at=0.0):
    return refusal_of(account or account_of(opened()), asked or intent(), instrument, ns(at))


def test_a_good_intent_is_taken_on():
    assert refusal() is None


def test_a_late_copy_of_an_accepted_intent_refuses_nothing():
    """L2, L8: a refusal would free the reservation of an order that may still buy."""
    account = account_of(opened(), accepted(), submitted("e1"))
    assert refusal_of(account, intent(), BTC, ns(60)) == "seen_before"


@pytest.mark.parametrize(("at", "expected"), [(1.0, None), (1.000000001, "stale")])
def test_a_stale_intent_is_worse_than_none(at, expected):
    assert refusal(at=at) == expected


@pytest.mark.parametrize(
    ("changes", "instrument", "expected"),
    [
        ({}, None, "unknown_symbol"),
        ({}, replace(BTC, status="BREAK"), "symbol_halted"),
        ({"ladder": ()}, BTC, "no_ladder_or_stop"),
        ({"quantity": "0"}, BTC, "filter: quantity 0 is not positive"),
        ({"quantity": "0.04999"}, BTC, "filter: NOTIONAL: 4.999 < 5"),
        ({"quantity": "0.05"}, BTC, None),
        ({"quantity": "1.000001"}, BTC, "filter: LOT_SIZE"),
        ({"ladder": (replace(LADDER[0], price=D("100.001")),)}, BTC, "filter: PRICE_FILTER"),
    ],
)
def test_what_is_refused(changes, instrument, expected):
    found = refusal(asked=intent(**changes), instrument=instrument)
    assert found == expected or (expected and found.startswith(expected))


def test_an_intent_without_a_stop_is_refused():
    """L5: a position that could not be protected is not opened."""
    bare = intent(protection=replace(intent().protection, stop_loss_pct=D(0)))
    assert refusal(asked=bare) == "no_ladder_or_stop"


@pytest.mark.parametrize(
    ("before", "asked", "expected"),
    [
        ((accepted(),), intent(), "seen_before"),
        ((accepted(), ended_intent()), intent(), "seen_before"),
        ((accepted(),), intent("run1-2"), "symbol_busy"),
        (bought(), intent("run1-2"), "symbol_busy"),
        ((accepted(), ended_intent()), intent("run1-2"), None),
        ((intent_refused(),), intent(), "seen_before"),
        ((intent_refused(),), intent("run1-2"), None),
    ],
)
def test_one_intent_lives_per_symbol_and_each_once(before, asked, expected):
    """E4, L8: entries are taken at most once."""
    assert refusal(account_of(*before), asked) == expected


@pytest.mark.parametrize(("at", "expected"), [(0.4, "symbol_blocked"), (0.5, None)])
def test_a_blocked_symbol_takes_no_entries(at, expected):
    block = SymbolBlocked(at_ns=1, symbol="BTCUSDT", reason="region", until_ns=ns(0.5))
    assert refusal(account_of(opened(), block), at=at) == expected
