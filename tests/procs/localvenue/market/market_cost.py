"""What a market costs, beside telling the same events as JSON: a ratio within one run.

Both are measured in turn, piece by piece, and the middle piece counts, so that neither the
machine's speed nor a pause decides.
"""

from __future__ import annotations

import json
import time
from statistics import median

from procs.localvenue.market.events import Traded

PIECES = 20


class Cost:
    """Moves a market, and measures the CPU time of that and of its events' JSON."""

    def __init__(self):
        self.moved_s = []
        self.told_s = []

    def advance(self, market, now_ms):
        began_s = time.process_time()
        events = market.advance(now_ms)
        moved_s = time.process_time()
        for event in events:
            as_json(event)
        self.moved_s.append(moved_s - began_s)
        self.told_s.append(time.process_time() - moved_s)
        return events

    def ratio(self):
        """CPU time of the market over that of the JSON: the median of twenty pieces of the run."""
        size = len(self.moved_s) // PIECES
        assert size >= 1, "too few advances to compare"
        cuts = [slice(place * size, (place + 1) * size) for place in range(PIECES)]
        return median(sum(self.moved_s[cut]) / sum(self.told_s[cut]) for cut in cuts)


def as_json(event):
    """The event as a stream would say it, by the standard library."""
    if isinstance(event, Traded):
        return json.dumps(
            {
                "e": "trade",
                "E": event.at_ms,
                "s": event.symbol,
                "t": event.trade_id,
                "p": str(event.price),
                "q": str(event.quantity),
                "m": event.buyer_is_maker,
            }
        )
    return json.dumps(
        {
            "e": "depthUpdate",
            "E": event.at_ms,
            "s": event.symbol,
            "U": event.first_id,
            "u": event.last_id,
            "b": [[str(price), str(quantity)] for price, quantity in event.bids],
            "a": [[str(price), str(quantity)] for price, quantity in event.asks],
        }
    )
