"""`seawall why`: one id, three journals, one story."""

import json
import sys
from pathlib import Path

import pytest

from procs.cli._story import belongs_to, tell
from procs.cli.main import main
from shared.domain.effects import Journal as Entry
from shared.journal.journal import Journal
from shared.messages.account import AccountEvent
from shared.messages.decision import DecideEvent, ProtectEvent

sys.path.insert(0, str(Path(__file__).parents[1] / "observe"))
import story_of_a_trade as trade


def write(path, role, kind, events):
    journal = Journal.open(path, role, kind)
    for seq, event in enumerate(events, start=1):
        journal.append([Entry(seq=seq, event=event)], event.at_ns)
    journal.close()


@pytest.fixture
def userdir(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    write(data / "decide.db", "decide", DecideEvent, [trade.DECIDED, trade.REFUSED])
    write(data / "route.db", "route", AccountEvent, [*trade.OPENED, *trade.CLOSED])
    write(data / "protect.db", "protect", ProtectEvent, [trade.PLANNED])
    return tmp_path


def test_the_story_is_told_in_order_of_time(userdir):
    story = tell(userdir, "run-1")
    times = [chapter.at_ns for chapter in story.chapters]
    assert times == sorted(times)
    assert story.symbol == "BTCUSDT"
    assert story.outcome == "closed: stop"
    assert story.position["pnl_quote"] == trade.D("-1.60")
    assert {chapter.process for chapter in story.chapters} == {"decide", "route", "protect"}
    # All but the run's own two events belong to this decision.
    assert len(story.chapters) == 2 + len(trade.OPENED) - 2 + len(trade.CLOSED)


def test_a_person_reads_numbers_guards_orders_fills_protection_and_profit(userdir, capsys):
    assert main(["why", "run-1", "--userdir", str(userdir)]) == 0
    text = capsys.readouterr().out
    for words in (
        "run-1 BTCUSDT: closed: stop",
        "fell -3.20 % from 103.3 (trigger 3 %)",
        "spread: 1.0 bps (at most 20 bps)",
        "route takes the intent on: buy 0.5 BTCUSDT, ioc 100 for 2000 ms; 50.05 reserved",
        "sw-run-1-e1: entry order, buy 0.5 at 100",
        "sw-run-1-e1: buy fill 0.5 at 100, fee 0.05 USDT, trade 11",
        "protect plans version 1: stop 97, limit 96.5, take profit 103",
        "protection is protected: the stop was acknowledged",
        "spent 50.00, received 48.50, profit -1.60",
        "unprotected 2.0s",
    ):
        assert words in text


def test_orders_and_lists_lead_to_their_decision(userdir):
    for any_id in ("sw-run-1-e1", "sw-run-1-s1", "sw-run-1-g1"):
        assert tell(userdir, any_id).decision_id == "run-1"


def test_json_holds_the_events_themselves(userdir, capsys):
    assert main(["why", "run-2", "--json", "--userdir", str(userdir)]) == 0
    story = json.loads(capsys.readouterr().out)
    assert story["outcome"] == "refused: spread"
    assert story["position"] is None
    (chapter,) = story["chapters"]
    assert chapter["event"]["type"] == "decision_made"
    assert chapter["event"]["checks"][0]["value"] == "104.7 bps"


@pytest.mark.parametrize("unknown", ["run-3", "run", "sw-run-1-e9", "-x", "%", "run_1", ""])
def test_an_unknown_id_is_not_found(unknown, userdir, capsys):
    assert main(["why", "--userdir", str(userdir), "--", unknown]) == 2
    assert "no decision, intent, order or position" in capsys.readouterr().err


def test_no_journals_at_all_is_not_found_too(tmp_path, capsys):
    assert main(["why", "run-1", "--userdir", str(tmp_path)]) == 2
    assert "run-1" in capsys.readouterr().err


def test_a_longer_id_that_begins_alike_is_another_story(userdir):
    other = trade.DECIDED.__class__(
        **{
            **{name: getattr(trade.REFUSED, name) for name in trade.REFUSED.__struct_fields__},
            "decision_id": "run-12",
        }
    )
    assert not belongs_to(other, "run-1")
    assert belongs_to(other, "run-12")


def test_a_replay_has_its_own_folder(userdir):
    replay = userdir / "data" / "replay-run"
    replay.mkdir()
    write(replay / "decide.db", "decide", DecideEvent, [trade.REFUSED])
    assert tell(userdir, "run-2").symbol == "ETHUSDT"


def test_the_journal_is_read_while_it_is_written(userdir):
    journal = Journal.open(userdir / "data" / "route.db", "route", AccountEvent)
    assert tell(userdir, "run-1").outcome == "closed: stop"
    journal.close()
