"""Planted bugs of money: executions, fees, reservations, what a journal has never seen."""

from typing import Any

import msgspec

import procs.decide.actor as decide
import procs.route.drive as drive
import shared.domain.answers as answers
import shared.domain.booking as booking
import shared.domain.evidence as evidence
import shared.domain.fold as fold
import shared.domain.reconcile as reconcile
from procs.route.reconciler import Reconciler
from shared.domain.account import fill_key
from shared.domain.order import FINAL
from shared.domain.replica import Replica
from shared.messages.account import FillBooked, IntentEnded, Purpose
from shared.units import ZERO


def fills_counted_twice(patch: Any) -> None:
    """L3: an execution that is heard of twice is booked twice."""
    trades, filled = evidence.of_trades, fold.FOLDS[FillBooked]

    def forgetful(account, *rest):
        return trades(msgspec.structs.replace(account, fills={}), *rest)

    def wrong(account, event):
        account.fills.pop(fill_key(event.symbol, event.trade_id, event.side), None)
        return filled(account, event)

    for module in (answers, reconcile):
        patch.setattr(module, "of_trades", forgetful)
    patch.setattr("procs.route.actor.of_trades", forgetful)
    patch.setitem(fold.FOLDS, FillBooked, wrong)


def late_fills_dropped(patch: Any) -> None:
    """O1: an execution that crosses the end of its order on the wire is lost."""
    filled = fold.FOLDS[FillBooked]

    def wrong(account, event):
        order = account.order(event.client_id)
        if order is not None and order.status in FINAL:
            account.fills[fill_key(event.symbol, event.trade_id, event.side)] = event.at_ns
            return None
        return filled(account, event)

    patch.setitem(fold.FOLDS, FillBooked, wrong)


def base_fees_forgotten(patch: Any) -> None:
    """L15: a fee in the base asset does not lessen what is held."""
    right = fold.book

    def wrong(account, order, position, event, quantity, fee):
        fee = ZERO if event.fee_asset == event.base else fee
        right(account, order, position, event, quantity, fee)

    patch.setattr(fold, "book", wrong)


def reservation_freed_on_unknown(patch: Any) -> None:
    """E4, L2: the intent ends, and frees its budget, while its order may still buy."""
    right = drive.entry_steps

    def wrong(account, state, instrument, now_ns, *given):
        orders = account.orders_of(state.intent.intent_id)
        if any(o.in_doubt and o.purpose is Purpose.ENTRY for o in orders):
            intent = state.intent
            return [
                IntentEnded(
                    at_ns=now_ns,
                    intent_id=intent.intent_id,
                    symbol=intent.symbol,
                    reason="unknown",
                )
            ]
        return right(account, state, instrument, now_ns, *given)

    patch.setattr(drive, "entry_steps", wrong)


def history_never_asked(patch: Any) -> None:
    """L12: what the venue holds beyond the ledger is nobody's."""
    patch.setattr(Reconciler, "_is_unexplained", lambda *given: False)


def earlier_sales_forgotten(patch: Any) -> None:
    """L6: a position that is found again does not count what was sold of it before."""
    right = booking._found

    def wrong(account, event):
        position = right(account, event)
        position.sold = position.received = ZERO
        return position

    patch.setattr(booking, "_found", wrong)


def inferred_fills_kept(patch: Any) -> None:
    """L3: a real execution does not replace the one that was inferred for it."""
    patch.setattr(fold, "replace_inferred", lambda *given: None)


def inferred_at_once(patch: Any) -> None:
    """L3: reconciliation books a missing execution again although it was inferred before."""
    right = fold.FOLDS[FillBooked]

    def wrong(account, event):
        account.inferred.pop(event.client_id, None)
        return right(account, event)

    patch.setitem(fold.FOLDS, FillBooked, wrong)


def reservations_not_counted(patch: Any) -> None:
    """L15: the exposure cap looks at positions alone, not at what orders may still buy."""
    right = decide.at_stake
    patch.setattr(decide, "at_stake", lambda account, reserved: right(account, ()))


def small_is_dust(patch: Any) -> None:
    """L3: a position that could still be sold is written off as dust."""
    right = drive.close_steps

    def wrong(account, position, instrument, mark, now_ns):
        larger = msgspec.structs.replace(instrument, min_notional=instrument.min_notional * 12)
        return right(account, position, larger, mark, now_ns)

    patch.setattr(drive, "close_steps", wrong)


def old_welcomes_believed(patch: Any) -> None:
    """L8: an account from before what is known already is taken over."""
    patch.setattr(Replica, "_is_old", lambda *given: False)


def released_on_doubt(patch: Any) -> None:
    """E4: decide frees what it hears nothing of, without waiting until route's word is complete."""
    right = decide.Actor._release

    def wrong(self, now_ns):
        for reservation in list(self.state.reservations.values()):
            if reservation.intent_id not in self.replica.account.intents:
                self._free(reservation.intent_id, "not heard of", now_ns)
        right(self, now_ns)

    patch.setattr(decide.Actor, "_release", wrong)


def granted_while_short(patch: Any) -> None:
    """L2, L15: decide grants while the account lacks rows that may have bought already."""
    patch.setattr(decide, "is_accounted_for", lambda *given: True)
