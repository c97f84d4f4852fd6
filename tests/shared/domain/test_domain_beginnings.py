"""What a start changes in the account, and what is not certain when rows are lost (L12)."""

from domain_scene import ID, accepted, account_of, bought, ended_intent, filled, ns, opened

from shared.domain.fold import evolve
from shared.messages.account import PositionClosed, RowsLost, RunBegan


def lost(at=9.0):
    return RowsLost(at_ns=ns(at), reason="ends at row 9, but row 14 was seen")


def test_every_position_of_before_has_the_instant_from_which_nothing_more_was_sent():
    account = account_of(RunBegan(at_ns=ns(0), run_id="r1", incarnation=1), *bought())
    evolve(account, RunBegan(at_ns=ns(8), run_id="r1", incarnation=2))
    assert account.positions[ID].forgotten_ns == 0
    evolve(account, lost(9.0))
    assert account.positions[ID].forgotten_ns == account.lost_ns == ns(8), "not of the whole run"


def test_a_clock_that_was_set_back_keeps_no_position_from_its_stop_for_long():
    """L5: nothing of it is sold before a fence behind that instant, on the clock read by now."""
    account = account_of(RunBegan(at_ns=ns(9_000), run_id="r1", incarnation=1), *bought())
    evolve(account, lost(9_001))
    evolve(account, RunBegan(at_ns=ns(8), run_id="r1", incarnation=2))
    assert account.positions[ID].forgotten_ns == account.lost_ns == ns(8)


def test_an_entry_that_has_bought_nothing_yet_is_one_of_them():
    account = account_of(RunBegan(at_ns=ns(0), run_id="r1", incarnation=1), opened(), accepted())
    evolve(account, lost(1.0))
    assert account.positions[ID].forgotten_ns == ns(0)


def test_a_position_that_is_accepted_later_is_none_of_them():
    account = account_of(RunBegan(at_ns=ns(0), run_id="r1", incarnation=1), lost(0), *bought())
    assert account.positions[ID].forgotten_ns == 0


def reopened(*between, at=4.0):
    """The intent is remembered, its position was never seen; then a buy of it is found."""
    account = account_of(RunBegan(at_ns=ns(0), run_id="r1", incarnation=1), opened(), accepted())
    evolve(account, ended_intent(at=2.0))
    assert ID not in account.positions
    for event in between:
        evolve(account, event)
    evolve(account, filled(at=at))
    return account.positions[ID]


def test_a_position_found_later_of_an_intent_of_before_is_one_of_them():
    began = RunBegan(at_ns=ns(3), run_id="r1", incarnation=2)
    assert reopened(began).forgotten_ns == 0, "no row is known to be lost"
    assert reopened(began, lost(3)).forgotten_ns == ns(3)


def test_so_is_one_that_had_closed():
    events = (RunBegan(at_ns=ns(0), run_id="r1", incarnation=1), *bought(), ended_intent(at=2.0))
    account = account_of(*events)
    evolve(
        account,
        PositionClosed(at_ns=ns(3), position_id=ID, symbol="BTCUSDT", reason="x", dust_quantity=0),
    )
    evolve(account, RunBegan(at_ns=ns(4), run_id="r1", incarnation=2))
    evolve(account, lost(4))
    evolve(account, filled(trade="2", at=5.0))
    assert account.positions[ID].forgotten_ns == ns(4)


def test_a_position_whose_intent_nobody_remembers_was_lost_by_a_process_before_this_one():
    account = account_of(RunBegan(at_ns=ns(0), run_id="r1", incarnation=1), opened())
    evolve(account, RunBegan(at_ns=ns(8), run_id="r1", incarnation=2))
    evolve(account, filled(at=9.0))
    assert account.positions[ID].forgotten_ns == ns(8), "not from the begin of the run"
