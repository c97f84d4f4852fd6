"""What happened, in lines: bought, protected once, sold, closed, alarmed."""

from __future__ import annotations

import story_of_a_trade as story

from procs.observe.activity import LINES_KEPT, Activity
from shared.domain.account import Account
from shared.domain.fold import evolve
from shared.messages.account import Alarmed, IntentRefused


def test_refusals_and_alarms_are_lines_and_numbers_only_grow():
    activity, account = Activity(), Account()
    activity.heard(
        IntentRefused(at_ns=1, intent_id="r-1", symbol="AAAUSDT", reason="stale"), account, {}
    )
    activity.heard(Alarmed(at_ns=2, kind="k", symbol="BBBUSDT", text="look"), account, {})
    assert [(line.number, line.text) for line in activity.lines()] == [
        (1, "AAAUSDT entry refused: stale"),
        (2, "ALARM BBBUSDT look"),
    ]


def test_only_the_newest_lines_are_kept():
    activity, account = Activity(), Account()
    for number in range(LINES_KEPT + 7):
        alarm = Alarmed(at_ns=number, kind="k", symbol="S", text=str(number))
        activity.heard(alarm, account, {})
    lines = activity.lines()
    assert len(lines) == LINES_KEPT
    assert lines[-1].number == LINES_KEPT + 7


def test_a_whole_trade_is_told_in_order():
    activity, account = Activity(), Account()
    for event in (*story.OPENED, *story.CLOSED):
        evolve(account, event)
        activity.heard(event, account, {"BTCUSDT": story.BTC})
    texts = [line.text for line in activity.lines()]
    verbs = [text.split()[1] for text in texts]
    assert verbs.index("bought") < verbs.index("protected:") < verbs.index("sold")
    assert verbs[-1] == "closed"
    assert verbs.count("protected:") == 1
