"""Local trips (L9): signs that the engine itself runs wild. Each latches REDUCING."""

from __future__ import annotations

from collections import deque

from shared.units import NS_PER_S

RATE_WINDOW_NS = 10 * NS_PER_S
RATE_MAX = 100
"""Orders within the window; a full ladder for six entries a minute needs far fewer."""
REJECTS_WINDOW = 20
REJECTS_MAX = 16
SAME_MAX = 12
"""Orders of one decision within the window: an entry ladder plus an exit ladder twice over."""


class Trips:
    """Counts what was sent and how it was answered; `tripped` names the first trip."""

    def __init__(self) -> None:
        self.tripped = ""
        self._sent: deque[tuple[int, str]] = deque()
        self._answers: deque[bool] = deque(maxlen=REJECTS_WINDOW)

    def sent(self, decision_id: str, now_ns: int) -> None:
        """An order leaves."""
        self._sent.append((now_ns, decision_id))
        while self._sent and now_ns - self._sent[0][0] > RATE_WINDOW_NS:
            self._sent.popleft()
        same = sum(1 for _, other in self._sent if other == decision_id)
        if len(self._sent) > RATE_MAX:
            self._trip(f"order rate: {len(self._sent)} within 10 s, allowed {RATE_MAX}")
        if same > SAME_MAX:
            self._trip(f"repeated orders: {same} of {decision_id} within 10 s, allowed {SAME_MAX}")

    def unsent(self, decision_id: str, orders: int) -> None:
        """The latest orders of a decision never left: waiting for a pause or for a network to end
        is no sign of running wild."""
        kept: deque[tuple[int, str]] = deque()
        while self._sent:
            at_ns, other = self._sent.pop()
            if other == decision_id and orders:
                orders -= 1
            else:
                kept.appendleft((at_ns, other))
        self._sent = kept

    def answered(self, refused: bool) -> None:
        """The venue judged an order."""
        self._answers.append(refused)
        if sum(self._answers) >= REJECTS_MAX:
            self._trip(f"reject ratio: {sum(self._answers)} of the last {REJECTS_WINDOW} orders")

    def raise_trip(self, reason: str) -> None:
        """A trip found elsewhere: reconciliation mismatch, short journal, clock error."""
        self._trip(reason)

    def rearm(self) -> None:
        """A person looked and said go on."""
        self.tripped = ""
        self._sent.clear()
        self._answers.clear()

    def _trip(self, reason: str) -> None:
        self.tripped = self.tripped or reason
