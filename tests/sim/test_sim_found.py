"""Seeds that once broke a law, each with what was wrong with the engine."""

import pytest

from procs.simulate.world import play

FOUND = (
    pytest.param(
        "swarm", 13, id="a power cut forgot a stop that had sold: its like was offered again"
    ),
    pytest.param(
        "swarm", 28, id="an entry step was sent a fence after the decision, its reservation gone"
    ),
    pytest.param(
        "swarm", 728, id="a journal was lost and had grown again when a reader asked for more"
    ),
    pytest.param(
        "swarm", 622, id="a power cut took the last memory of rows; later ones bear their numbers"
    ),
    pytest.param(
        "swarm", 286, id="an entry was filled after the stop that closes all had found no position"
    ),
    pytest.param(
        "swarm", 1310, id="an intent was refused, and its copy came when the engine was active"
    ),
    pytest.param(
        "swarm", 1773, id="a wholly lost journal took its position for what the account began with"
    ),
    pytest.param(
        "swarm", 3407, id="an execution was inferred, sold but for its fee, and not asked for again"
    ),
    pytest.param(
        "swarm", 4289, id="sales that went well were counted among the attempts of an exit"
    ),
    pytest.param(
        "swarm", 5412, id="a ledger was opened while executions were owed, and booked them again"
    ),
    pytest.param(
        "swarm", 7243, id="route said that it was drained once, and the word was lost on its way"
    ),
    pytest.param(
        "swarm", 1037, id="sales that were held back for a pause were counted as attempts"
    ),
    pytest.param("swarm", 1787, id="a ban used up the attempts of an exit: idle for 30 s after it"),
    pytest.param(
        "swarm", 11774, id="a lost journal's sale was still on its way when its like was offered"
    ),
    pytest.param(
        "swarm", 10984, id="a world in which a start of route that failed was no death (no bug)"
    ),
    pytest.param(
        "swarm", 7431, id="a fence began when the process stopped, not when the order had left"
    ),
    pytest.param("swarm", 10886, id="HALTED held back an exit that a stop to close all waited for"),
    pytest.param("swarm", 13965, id="the same, halted before the exit was wanted"),
    pytest.param(
        "swarm", 313, id="a late word of an earlier run's child made a failed start a ready one"
    ),
    pytest.param(
        "swarm", 11195, id="a loss was told to route, and all died before the supervisor latched"
    ),
    pytest.param(
        "swarm", 24780, id="a disk refused a salvage; what route did from then on was kept nowhere"
    ),
    pytest.param(
        "swarm", 26537, id="a buy that the journal had lost was found after its position had closed"
    ),
    pytest.param(
        "swarm", 32800, id="a power cut took a release, and the intent that had its budget since"
    ),
    pytest.param(
        "swarm", 33872, id="an order was filled, its venue id lost, and a later history told it"
    ),
    pytest.param(
        "swarm", 4032, id="a short journal brought an ended intent back, and decide gave it budget"
    ),
    pytest.param(
        "swarm", 7265, id="an exit that the journal had lost filled, and its number came again"
    ),
    pytest.param(
        "disks", 166, id="the next step of an entry left before a reader told of the rows it missed"
    ),
    pytest.param("disks", 344, id="the same, its first step in doubt for longer"),
    pytest.param(
        "disks", 2607, id="a short journal knew a position, and not the stop that was on its way"
    ),
    pytest.param(
        "disks", 2699, id="an entry ended on a short journal, and the step that was lost could buy"
    ),
    pytest.param(
        "disks", 2004, id="a short journal knew a position, and not that it had been sold"
    ),
    pytest.param("disks", 2649, id="the same, heard of from a reader"),
    pytest.param(
        "disks", 2343, id="route learnt of lost rows and died; nobody who knew of them lived on"
    ),
    pytest.param(
        "swarm", 42, id="a world ended before the fence of what was lost after it healed (no bug)"
    ),
    pytest.param("disks", 2552, id="a bound of two fences, in a world of three losses (no bug)"),
    pytest.param(
        "disks", 3878, id="a check took budget that was set aside all along for new (no bug)"
    ),
    pytest.param(
        "power", 872, id="a late word of a mark outlived its reader's journal, and was not heeded"
    ),
    pytest.param(
        "disks", 6764, id="a sale was in a process's memory alone, and no file said there was one"
    ),
    pytest.param(
        "disks", 6812, id="a lost journal's lack of an intent gave its budget back; it had bought"
    ),
    pytest.param(
        "disks", 8842, id="a sale was in memory alone; the next route sold before a reader spoke"
    ),
    pytest.param(
        "swarm", 17678, id="the venue had explained all before it was known that rows were lost"
    ),
    pytest.param("swarm", 19622, id="the same, where decide's journal was short as well"),
    pytest.param(
        "swarm", 23853, id="a sale that nobody remembered was made again, on balances that lagged"
    ),
    pytest.param(
        "swarm", 36611, id="an old state came in one turn with the stop, and let an entry leave"
    ),
    pytest.param(
        "swarm", 44503, id="a book that had failed often waited thirty seconds on a new connection"
    ),
    pytest.param("disks", 3778, id="rows were lost behind a fence, and began another (no bug)"),
    pytest.param(
        "disks", 8796, id="an order came whose reservation stood in no journal any more (no bug)"
    ),
)


@pytest.mark.parametrize(("profile", "seed"), FOUND)
def test_what_was_found_stays_repaired(profile, seed):
    assert play(seed, profile).violations == []
