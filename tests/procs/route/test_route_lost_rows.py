"""Rows of the journal are lost, and what they had sold is not offered again (L2, L6, L12)."""

from __future__ import annotations

import msgspec
import pytest
from actor_scene import POLICY, Scene, active, answer, held, hello, status
from domain_scene import ID, D, intent, ns, order_id, said, traded

from shared.domain.position import PositionStatus
from shared.messages.account import (
    EventSaid,
    ProtectionAccepted,
    ProtectionStatus,
    RowsLost,
)
from shared.messages.control import TradingState, Tripped
from shared.messages.protection import Exit, SetProtection, Urgency
from shared.messages.venue import (
    CancelOrder,
    Outcome,
    PlaceOco,
    PlaceOrder,
    TakeSnapshot,
    VenueBalance,
    VenueReported,
    VenueStatus,
)

SHORT = "ends at row 9, but row 14 was seen"
STOPS = (
    said("s1", stop_price=D(97), price=D("96.51"), group_id="3"),
    said("t1", price=D(103), group_id="3"),
)
SOLD = said("x2", status=VenueStatus.FILLED, filled="1")
SALE = traded("x2", trade="2", client_id="", price=D(99), venue_order_id=SOLD.venue_order_id)


def balances(btc="1", usdt="9900", locked="0"):
    return (
        VenueBalance(asset="BTC", free=D(btc), locked=D(locked)),
        VenueBalance(asset="USDT", free=D(usdt), locked=D(0)),
    )


def rows_before_the_stop():
    """What is left of the journal: a position is open, its stop is among the rows that are lost."""
    rows = held().rows
    sold = next(i for i, row in enumerate(rows) if b'"purpose":"stop"' in row)
    return rows[:sold]


def bereft(policy=POLICY, rows=None, at=5.0, lost=SHORT, incarnation=2, mended=True):
    scene = Scene(policy, rows=rows_before_the_stop() if rows is None else rows,
                  incarnation=incarnation)  # fmt: skip
    if lost:
        scene.actor.miss_rows(lost, mended)
    scene.start(at)
    scene.give(status(), at)
    return scene


def sales(requests):
    return [one for one in requests if isinstance(one, PlaceOco | PlaceOrder)]


def history_at(scene, at):
    [asked] = [one for one in scene.tick(at) if isinstance(one, TakeSnapshot)]
    assert asked.history
    return asked


def test_a_position_that_the_short_journal_knows_is_not_offered_before_the_fence():
    """A stop of the former life may be on its way."""
    scene = bereft()
    assert isinstance(scene.said(EventSaid)[1].event, RowsLost)
    asked = scene.reconcile(5.1, balances=balances())
    asked += [one for tenths in range(178) for one in scene.tick(5.2 + tenths / 10)]
    assert sales(asked) == []
    assert history_at(scene, 23.0).symbols == ("BTCUSDT",)
    [stop] = scene.reconcile(23.1, balances=balances())
    assert (type(stop), stop.quantity) == (PlaceOco, 1)


def test_the_stop_that_comes_late_is_the_stop_of_the_position():
    scene = bereft()
    scene.reconcile(5.1, balances=balances())
    history_at(scene, 23.0)
    asked = scene.reconcile(23.1, orders=STOPS, balances=balances(btc="0", locked="1"))
    assert asked == [], "nothing is cancelled, nothing is placed"
    assert scene.position.protection is ProtectionStatus.PROTECTED


def test_a_stop_that_rests_is_adopted_at_once_and_stays():
    """L5: what stands at the venue protects also through the fence."""
    scene = bereft()
    asked = scene.reconcile(5.1, orders=STOPS, balances=balances(btc="0", locked="1"))
    assert [one for one in asked if isinstance(one, CancelOrder)] == []
    assert scene.position.protection is ProtectionStatus.PROTECTED
    scene.tick(5.3)
    assert scene.position.status is PositionStatus.PROTECTING
    assert scene.tick(6.0) == []


def test_a_sale_that_was_made_already_is_found_and_not_made_again():
    """L6: balances lag, so that ledger and venue seem to agree; the trade names no order of ours
    that the short journal knows."""
    scene = bereft()
    for at in (5.1, 5.2, 7.3):
        scene.tick(at - 0.05)
        assert sales(scene.reconcile(at, trades=(SALE,), balances=balances())) == []
        assert scene.account.agreed_ns == ns(at)
    asked = history_at(scene, 23.0)
    assert asked.trades_since_ms <= ns(7.3) // 10**6 - 60_000
    after = balances(btc="0", usdt="9999")
    assert sales(scene.reconcile(23.1, orders=(SOLD,), trades=(SALE,), balances=after)) == []
    assert ID not in scene.account.positions
    assert scene.account.ledger == {"BTC": 0, "USDT": 9999}


def test_a_sale_that_nobody_remembers_is_searched_before_anything_is_sold():
    """L6: nobody knows that rows are lost, and balances lag; there is a trade of an order without
    a name (23853). The venue's lists may lag too, so history is asked for once more, late."""
    scene = bereft(lost="")
    [asked] = scene.reconcile(5.1, trades=(SALE,), balances=balances())
    assert (asked.history, asked.symbols) == (True, ("BTCUSDT",))
    assert sales(scene.reconcile(5.2, trades=(SALE,), balances=balances())) == []
    assert history_at(scene, 7.2)
    after = balances(btc="0", usdt="9999")
    assert sales(scene.reconcile(7.3, orders=(SOLD,), trades=(SALE,), balances=after)) == []
    assert ID not in scene.account.positions
    assert scene.account.ledger == {"BTC": 0, "USDT": 9999}


def test_the_trade_of_a_stranger_is_searched_for_once():
    """L4, L5: the history names him or nobody; then the position gets its stop, and keeps it."""
    scene = bereft(lost="")
    theirs = traded("x2", trade="7", client_id="", venue_order_id="77")
    named = said("x2", client_id="web_7", venue_order_id="77", status=VenueStatus.FILLED)
    assert sales(scene.reconcile(5.1, trades=(theirs,), balances=balances())) == []
    scene.reconcile(5.2, trades=(theirs,), balances=balances())
    history_at(scene, 7.2)
    [stop] = sales(scene.reconcile(7.3, orders=(named,), trades=(theirs,), balances=balances()))
    assert stop.stop_id == order_id("s1")
    assert questions(scene, 7.4, 80.0)
    asked = scene.reconcile(80.0, orders=STOPS, trades=(theirs,), balances=balances())
    assert [one for one in asked if isinstance(one, TakeSnapshot)] == []


def test_an_exit_waits_too():
    """What a guard, protect or a person wants sold may be sold already."""
    scene = bereft()
    scene.reconcile(5.1, balances=balances())
    leave = Exit(reason="stop", urgency=Urgency.URGENT)
    wanted = SetProtection(position_id=ID, version=9, target=leave)
    assert sales(scene.give(wanted, 5.2)) == []
    assert isinstance(scene.said(EventSaid)[-2].event, ProtectionAccepted)
    assert scene.position.protection is ProtectionStatus.FLATTENING, "and it counts as bare"
    assert scene.position.bare_since_ns
    history_at(scene, 23.0)
    [sale] = sales(scene.reconcile(23.1, balances=balances()))
    assert sale.quantity == 1


def test_a_history_that_was_asked_for_before_the_fence_proves_nothing():
    scene = bereft()
    scene.reconcile(5.1, balances=balances(btc="0.5"))
    assert sales(scene.reconcile(22.9, balances=balances())) == [], "it left at 5.1"
    history_at(scene, 23.0)
    assert len(sales(scene.reconcile(23.1, balances=balances()))) == 1


def test_a_death_before_the_fence_does_not_forget_the_loss():
    """The journal is whole again after the salvage: only the row tells."""
    scene = bereft(rows=bereft().rows, at=9.0, lost="", incarnation=3)
    assert sales(scene.reconcile(9.1, balances=balances())) == []
    assert sales([one for tenths in range(138) for one in scene.tick(9.2 + tenths / 10)]) == []
    history_at(scene, 23.0)
    assert len(sales(scene.reconcile(23.1, balances=balances()))) == 1


def test_what_a_reader_has_seen_holds_from_then_on():
    """The mark was lost with the rows: nobody knew before. What was sent stays, and nothing more
    follows."""
    scene = bereft(lost="")
    [oco] = sales(scene.reconcile(5.1, balances=balances()))
    scene.give(hello("protect", mark=99), 5.15)
    assert scene.account.lost_ns == ns(5.0), "what the lost rows sent had left when this one began"
    refused = answer(oco, outcome=Outcome.REFUSED, at=5.1)
    scene.give(refused, 5.2)
    asked = [one for tenths in range(177) for one in scene.tick(5.3 + tenths / 10)]
    assert sales(asked) == []
    history_at(scene, 23.0)
    assert len(sales(scene.reconcile(23.1, balances=balances()))) == 1


def test_the_loss_is_remembered_over_a_power_cut_and_told_once():
    scene = bereft(lost="")
    effects = scene.actor.on(hello("protect", mark=99), ns(5.15))
    [row] = [one for one in effects if isinstance(getattr(one, "event", None), RowsLost)]
    assert row.durable
    again = scene.actor.on(hello("protect", mark=99), ns(5.4))
    assert not [one for one in again if isinstance(getattr(one, "event", None), RowsLost)]


def test_where_absence_never_proves_anything_the_history_alone_must_be_read():
    """No fence known: waiting for one would leave the position bare for ever (L5)."""
    policy = msgspec.structs.replace(POLICY, fence_s=0.0)
    scene = bereft(policy)
    assert scene.calls[-1].history
    [stop] = sales(scene.reconcile(5.1, balances=balances()))
    assert stop.stop_id == order_id("s1")
    scene = bereft(policy)
    after = balances(btc="0", usdt="9999")
    assert sales(scene.reconcile(5.1, orders=(SOLD,), trades=(SALE,), balances=after)) == []
    assert ID not in scene.account.positions


def test_a_loss_that_nobody_else_heard_of_is_told_again_by_the_next_process():
    """L12: route died between its journal and the word, and then the readers with their marks."""
    scene = bereft(lost="")
    scene.give(hello("protect", mark=99), 5.15)
    again = bereft(rows=scene.rows, at=9.0, lost="", incarnation=3)
    [tripped] = again.said(Tripped)
    assert tripped.reason == "route's journal ended at 9, protect has seen 99"
    again.reconcile(9.1, balances=balances())
    assert again.give(intent(intent_id="run1-2", deadline_ns=ns(20)), 9.2) == []


def test_a_loss_whose_latch_a_person_has_opened_is_told_no_more():
    scene = bereft(lost="")
    scene.give(hello("protect", mark=99, marked_in="run1.1"), 5.15)
    scene.actor.latched = "route's journal ended at 9, protect has seen 99"
    scene.tick(5.3)
    assert scene.account.unlatched_loss is None
    again = bereft(rows=scene.rows, at=9.0, lost="", incarnation=3)
    assert again.said(Tripped) == []
    assert again.account.lost_ns == ns(5.0), "and has the fence it had"


def test_an_old_mark_that_comes_back_begins_no_fence_of_its_own():
    """Rows of incarnation 1 were missed when 2 began, whenever a reader tells of them."""
    first = bereft(lost="")
    late = bereft(rows=first.rows, at=30.0, lost="", incarnation=3)
    late.reconcile(30.1, balances=balances())
    late.give(hello("protect", mark=99, marked_in="run1.1"), 30.2)
    assert late.account.lost_ns == ns(5.0)
    assert history_at(late, 31.3).symbols == ("BTCUSDT",), "over at once, but for the history"


def test_a_journal_that_cannot_be_mended_is_found_broken_again_and_has_lost_no_more():
    """What was kept since is all there; what a reader has seen besides, it tells."""
    first = bereft(mended=False)
    again = bereft(rows=first.rows, at=30.0, incarnation=3, mended=False)
    assert again.account.lost_ns == ns(5.0)
    mended = bereft(rows=again.rows, at=40.0, incarnation=4)
    assert (mended.account.lost_ns, mended.account.unmended_ns) == (ns(5.0), 0)
    other = bereft(rows=mended.rows, at=50.0, incarnation=5)
    assert other.account.lost_ns == ns(50.0), "whole once, and broken anew"


@pytest.mark.parametrize("lost", ["", SHORT])
def test_a_whole_journal_has_no_fence(lost):
    scene = bereft(lost=lost)
    asked = sales(scene.reconcile(5.1, balances=balances()))
    assert bool(asked) is not bool(lost)


# ── rows that were in memory alone, and no file says so (L6, L12, disks, seed 8842) ─────────────

LATCH = "route: disk: disk I/O error"


def after_a_broken_disk(policy=POLICY, latch=LATCH):
    """The disk took neither rows nor mark, and who kept them in memory is dead: the journal looks
    whole. The venue's first answer lags; it shows nothing of what that process sold."""
    scene = Scene(policy, rows=rows_before_the_stop(), incarnation=2)
    scene.actor.latched = latch
    scene.start(5.0, greeted=False)
    scene.give(status(TradingState.REDUCING, latch=latch), 5.0)
    return scene


def test_under_a_latch_nothing_is_sold_before_both_who_remember_have_spoken():
    scene = after_a_broken_disk()
    assert sales(scene.reconcile(5.1, balances=balances())) == []
    assert sales(scene.tick(5.2)) == []
    assert sales(scene.give(hello("protect"), 5.3)) == []
    assert sales(scene.tick(5.4)) == []
    [stop] = sales(scene.give(hello("decide"), 5.5))
    assert stop.stop_id == order_id("s1"), "nothing was lost: as ever"


def test_what_one_of_them_has_seen_is_waited_for_until_the_fence():
    scene = after_a_broken_disk()
    scene.reconcile(5.1, balances=balances())
    scene.give(hello("protect", mark=99, marked_in="run1.1"), 5.3)
    scene.give(hello("decide"), 5.4)
    asked = [one for tenths in range(175) for one in scene.tick(5.5 + tenths / 10)]
    assert sales(asked) == []
    history_at(scene, 23.0)
    after = balances(btc="0", usdt="9999")
    assert sales(scene.reconcile(23.1, orders=(SOLD,), trades=(SALE,), balances=after)) == []
    assert ID not in scene.account.positions


def test_where_they_stay_silent_the_history_behind_the_fence_is_read_in_their_place():
    """L5: a position is not bare for ever because a reader does not start."""
    scene = after_a_broken_disk()
    scene.reconcile(5.1, balances=balances())
    asked = [one for tenths in range(178) for one in scene.tick(5.2 + tenths / 10)]
    assert sales(asked) == []
    assert history_at(scene, 23.0).symbols == ("BTCUSDT",)
    assert len(sales(scene.reconcile(23.1, balances=balances()))) == 1


def test_without_a_fence_a_history_that_does_not_lag_is_all_that_can_be_read():
    scene = after_a_broken_disk(msgspec.structs.replace(POLICY, fence_s=0.0))
    assert sales(scene.reconcile(5.1, balances=balances())) == []
    assert sales(scene.tick(6.9)) == []
    history_at(scene, 7.0)
    assert len(sales(scene.reconcile(7.1, balances=balances()))) == 1


def test_a_latch_that_is_seen_later_is_waited_on_too():
    """The disk took no latch either; this process has one of its own by its second turn."""
    scene = after_a_broken_disk(latch="")
    scene.actor.latched = "disk: disk I/O error"
    assert sales(scene.reconcile(5.1, balances=balances())) == []


def test_without_a_latch_stops_and_exits_wait_for_nobody():
    """L5: whoever keeps rows in memory has latched before anything of it leaves."""
    scene = after_a_broken_disk(latch="")
    assert len(sales(scene.reconcile(5.1, balances=balances()))) == 1


# ── what a reader may take for proof (L15, seed 6812) ───────────────────────────────────────────


def left_with_nothing():
    """What is left of the journal knows no position and no order: no sale waits for a history."""
    scene = bereft(rows=active().rows)
    scene.reconcile(5.1)
    assert scene.account.positions == {}
    return scene


def is_short(scene):
    return bool(scene.account.short_until_ns())


def questions(scene, since, until):
    """When the venue was asked for everything, in tenths of a second."""
    tenths = range(round(since * 10), round(until * 10))
    return [at for at in tenths if any(isinstance(c, TakeSnapshot) for c in scene.tick(at / 10))]


def test_what_lost_rows_may_have_bought_is_asked_for_at_the_fence():
    """L2: an order of theirs may come to the venue until then, wherever they agree before it."""
    scene = left_with_nothing()
    assert scene.account.agreed_ns == ns(5.1)
    assert is_short(scene)
    assert questions(scene, 5.2, 50.0) == [230]
    scene.reconcile(50.0)
    assert not is_short(scene)


def test_what_the_venue_explained_before_the_loss_was_known_is_asked_again():
    """A reader often tells of it only after the first answer: a last order may come yet (17678)."""
    scene = bereft(rows=active().rows, lost="")
    scene.reconcile(5.1)
    assert not is_short(scene)
    scene.give(hello(mark=90, marked_in="run1.1"), 5.2)
    assert is_short(scene)
    assert questions(scene, 5.3, 50.0) == [230]
    scene.reconcile(50.0)
    assert not is_short(scene)


def test_a_loss_that_is_told_of_behind_the_fence_was_explained_before():
    """Nothing of it is under way any more, and all of the account was compared since."""
    scene = bereft(rows=active().rows, lost="")
    scene.reconcile(5.1)
    assert questions(scene, 5.2, 80.0)
    scene.reconcile(80.0)
    scene.give(hello(mark=90, marked_in="run1.1"), 80.1)
    assert isinstance(scene.said(EventSaid)[-1].event, RowsLost)
    assert not is_short(scene)


def test_an_answer_that_is_not_there_proves_nothing():
    scene = left_with_nothing()
    questions(scene, 5.2, 23.1)
    scene.give(answer(scene.calls[-1], Outcome.UNKNOWN), 24.0)
    assert is_short(scene)
    assert questions(scene, 24.1, 30.0) == [250]
    scene.reconcile(30.0)
    assert not is_short(scene)


def test_what_differs_is_searched_before_the_account_is_whole():
    """A buy of the lost rows shows in the balances first, then in the history."""
    scene = left_with_nothing()
    questions(scene, 5.2, 23.1)
    after = balances(btc="1", usdt="9900")
    [asked] = scene.reconcile(23.2, balances=after)
    assert asked.history
    assert is_short(scene)
    bought = said("e1", status=VenueStatus.FILLED, filled="1")
    scene.reconcile(25.3, orders=(bought,), trades=(traded("e1"),), balances=after)
    assert scene.position.bought == 1
    assert not is_short(scene)


def test_what_history_does_not_explain_is_not_ours():
    """A stranger has bought: the account is whole, though it never agrees with the venue."""
    scene = left_with_nothing()
    questions(scene, 5.2, 23.1)
    theirs = balances(btc="1", usdt="9900")
    scene.reconcile(23.2, balances=theirs)
    for at in (25.3, 27.4):
        scene.tick(at - 0.1)
        scene.reconcile(at, balances=theirs)
    assert scene.account.agreed_ns == ns(5.1)
    assert not is_short(scene)


def test_an_order_that_nobody_knows_is_searched_before_the_account_is_whole():
    """It rests yet, and ledger and venue agree: it may have bought before (L12)."""
    scene = left_with_nothing()
    questions(scene, 5.2, 23.1)
    asked = scene.reconcile(23.2, orders=(said("e1"),))
    assert [one.history for one in asked if isinstance(one, TakeSnapshot)] == [True]
    assert is_short(scene)


def test_what_differs_while_something_happens_is_not_explained_by_that():
    """Nothing is searched for in a moment of change; the next comparison tells."""
    scene = left_with_nothing()
    scene.give(VenueReported(balances=balances(btc="1")[:1]), 22.5)
    questions(scene, 22.6, 23.1)
    scene.reconcile(23.2, balances=balances(btc="1", usdt="9900"))
    assert is_short(scene)
