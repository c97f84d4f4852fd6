"""Planted bugs of time and permission: stale turns, old words, states, limits, others' orders."""

import sys
from typing import Any

import msgspec

import procs.route.actor as route
import procs.simulate.node as node
import shared.domain.answers as answers
from procs.route.reconciler import Reconciler
from shared.domain.effects import CallVenue
from shared.ids import is_ours
from shared.messages.control import TradingState
from shared.messages.venue import CancelOrder, Outcome


def stale_turn_sent(patch: Any) -> None:
    """L7: a request is made although its turn began long ago."""
    patch.setattr(node, "STALE_TURN_NS", sys.maxsize)


def intent_taken_twice(patch: Any) -> None:
    """L8: route does not notice that it has taken this intent before."""
    right = route.refusal_of

    def wrong(account, intent, *rest):
        refusal = right(account, intent, *rest)
        return None if refusal in ("seen_before", "symbol_busy") else refusal

    patch.setattr(route, "refusal_of", wrong)


def entry_deadline_ignored(patch: Any) -> None:
    """L8: an intent is acted upon however late it comes."""
    right = route.refusal_of

    def wrong(account, intent, *rest):
        return right(account, msgspec.structs.replace(intent, deadline_ns=sys.maxsize), *rest)

    patch.setattr(route, "refusal_of", wrong)


def entry_while_reducing(patch: Any) -> None:
    """L9: route hears that entries are over, and goes on buying."""
    right = route.Actor._status

    def wrong(self, status, now_ns):
        right(self, status, now_ns)
        self._state = TradingState.ACTIVE

    patch.setattr(route.Actor, "_status", wrong)


def latch_ignored(patch: Any) -> None:
    """L9: route does not look at the latch file, and not at the word of it."""
    right = route.Actor._status

    def wrong(self, status, now_ns):
        right(self, msgspec.structs.replace(status, latch="", reasons=()), now_ns)
        self._state = TradingState.ACTIVE

    patch.setattr(route.Actor, "_status", wrong)
    patch.setattr(node.Node, "latched", lambda self: "")


def throttling_ignored(patch: Any) -> None:
    """L10: what the venue has refused for the rate is sent again at once."""
    right = answers.read_placement

    def wrong(account, answer, *rest):
        reading = right(account, answer, *rest)
        if answer.outcome is Outcome.THROTTLED:
            reading.pause_until_ns = 0
        return reading

    patch.setattr(answers, "read_placement", wrong)


def foreign_order_cancelled(patch: Any) -> None:
    """L4: an order that is not ours is taken for a stray and cancelled."""
    right = Reconciler.answered

    def wrong(self, answer, now_ns):
        right(self, answer, now_ns)
        for order in answer.orders:
            if not is_ours(order.client_id) and not order.status.is_final:
                request = CancelOrder(symbol=order.symbol, client_id=order.client_id)
                self._recorder.want(CallVenue(request))

    patch.setattr(Reconciler, "answered", wrong)
