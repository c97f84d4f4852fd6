"""The audit of fills: the venue's own files prove it, and whatever is changed in them is found."""

from __future__ import annotations

import copy
import json
import random
from decimal import Decimal as D

import pytest
from audit_recording import write_recording
from audit_trader import START_MS, Trader, VirtualVenue
from hypothesis import given, settings
from hypothesis import strategies as st

from procs.cli.main import main
from procs.localvenue.audit import FillAudit
from procs.localvenue.market.profiles import PROFILES, build_market
from procs.localvenue.matching.requests import PlaceOrder
from procs.localvenue.options import VenueOptions
from procs.localvenue.replay import open_recording
from procs.localvenue.server import VenueServer
from shared.errors import ConfigError, JournalError, NotFoundError, RecordingError
from shared.recordings.fill_audit import check

STEP = D("0.00001")


class Run:
    """A recording, the audit of a busy client on it, and its records to change."""

    def __init__(self, folder):
        self.folder = folder
        self.recordings = write_recording(folder, lines=2_000)
        self.audit = folder / "fills.jsonl"
        market = open_recording(self.recordings, None, START_MS)
        virtual = VirtualVenue(market, "walk", self.audit, self.recordings)
        self.trader = Trader(11, ["BTCUSDT"], busy=0.9)
        virtual.run(self.trader, step_ms=20)
        virtual.venue.close()
        self.records = [json.loads(line) for line in self.audit.read_text().splitlines()]

    def fills(self, kind, **more):
        """Places of fills with that kind of evidence."""
        return [
            at
            for at, one in enumerate(self.records)
            if one["record"] == "fill"
            and one["evidence"]["kind"] == kind
            and all(one[name] == value for name, value in more.items())
        ]

    def places(self, record):
        return [at for at, one in enumerate(self.records) if one["record"] == record]

    def findings(self, records):
        """What the checker says about changed records."""
        path = self.folder / "changed.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in records))
        return check(path, self.recordings).findings


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("audit"))


def test_an_honest_run_of_every_kind_of_order_has_no_findings(run):
    done = check(run.audit, run.recordings)
    assert [one.shown() for one in done.findings] == []
    assert done.fills == len(run.places("fill")) > 500
    for kind, maker in (("level", True), ("level", False), ("trade", True), ("order", True)):
        assert run.fills(kind, maker=maker), (kind, maker)
    kinds = {"iceberg", "stop_loss", "stop_loss_limit", "trailing", "fok", "ioc", "inside"}
    assert kinds <= set(run.trader.accepted)
    assert run.places("amend")
    waited = [run.records[at] for at in run.fills("trade")]
    assert any(D(one["evidence"]["queue_ahead"]) > 0 for one in waited)


def more_quantity(record, records, at):
    record["quantity"] = str(D(record["quantity"]) + STEP)


def all_of_the_level(record, records, at):
    record["quantity"] = str(D(record["evidence"]["quantity"]) + STEP)


def other_level_quantity(record, records, at):
    record["evidence"]["quantity"] = str(D(record["evidence"]["quantity"]) + STEP)


def less_taken(record, records, at):
    record["evidence"]["taken"] = str(D(record["evidence"]["taken"]) - STEP)


def wrong_source_line(record, records, at):
    record["evidence"]["line"] -= 1


def wrong_line(record, records, at):
    record["line"] -= 40


def line_after_the_end(record, records, at):
    record["line"] += 1_000_000


def twice(record, records, at):
    records.insert(at, copy.deepcopy(record))


def twice_with_a_new_number(record, records, at):
    again = copy.deepcopy(record)
    for later in [again, *(one for one in records[at + 1 :] if one["record"] == "fill")]:
        later["fill"] += 1
    records.insert(at + 1, again)


def better_price(record, records, at):
    record["price"] = str(D(record["price"]) + (-1 if record["side"] == "BUY" else 1))


def other_side(record, records, at):
    record["side"] = "SELL" if record["side"] == "BUY" else "BUY"


def unknown_order(record, records, at):
    record["order"] += 1_000_000


def foreign_trade_id(record, records, at):
    record["evidence"]["trade_id"] += 1


def bigger_trade(record, records, at):
    record["evidence"]["quantity"] = str(D(record["evidence"]["quantity"]) * 2)


def lower_queue(record, records, at):
    record["evidence"]["queue_ahead"] = str(D(record["evidence"]["queue_ahead"]) - STEP)


def no_maker(record, records, at):
    record["maker"] = False


def no_evidence(record, records, at):
    del record["evidence"]


def gone(record, records, at):
    del records[at]


def not_a_number(record, records, at):
    record["quantity"] = "NaN"


def beyond_the_order(record, records, at):
    for one in records:
        if one["record"] == "order" and one["order"] == record["order"]:
            one["quantity"] = str(D(record["quantity"]) - STEP)


def other_maker_order(record, records, at):
    record["evidence"]["order"] += 1


EVERYWHERE = (
    more_quantity, wrong_line, line_after_the_end, twice, better_price, other_side, unknown_order,
    no_evidence, not_a_number, beyond_the_order,
)  # fmt: skip
MUTATIONS = [
    *((kind, change) for kind in ("level", "trade", "order") for change in EVERYWHERE),
    *(("level", one) for one in (other_level_quantity, less_taken, wrong_source_line)),
    ("level", all_of_the_level),
    *(("trade", one) for one in (foreign_trade_id, bigger_trade, wrong_source_line, no_maker)),
    *(("order", one) for one in (gone, other_maker_order, no_maker)),
]


@pytest.mark.parametrize(
    ("kind", "change"), MUTATIONS, ids=lambda one: getattr(one, "__name__", one)
)
def test_a_changed_fill_is_found(run, kind, change):
    chance = random.Random(change.__name__ + kind)
    for at in chance.sample(run.fills(kind, maker=kind != "level"), 2):
        records = copy.deepcopy(run.records)
        is_allowed = kind != "order" and not is_exhausted(run.records[at])
        one = all_that_was_there if change is more_quantity and is_allowed else change
        one(records[at], records, at)
        assert run.findings(records), f"{change.__name__} of line {at + 1} was not found"


def is_exhausted(record):
    """Whether a fill took all that its evidence had: one step more is too much already."""
    proof = record["evidence"]
    there = D(proof["quantity"]) - D(proof["taken"]) - D(proof.get("queue_ahead", "0"))
    return D(record["quantity"]) == there


def all_that_was_there(record, records, at):
    proof = record["evidence"]
    there = D(proof["quantity"]) - D(proof["taken"]) - D(proof.get("queue_ahead", "0"))
    record["quantity"] = str(there + STEP)


def test_one_step_more_than_was_there_is_named_with_both_lines(run):
    at = next(at for at in run.fills("level", maker=False) if is_exhausted(run.records[at]))
    records = copy.deepcopy(run.records)
    more_quantity(records[at], records, at)
    found = run.findings(records)
    assert found[0].audit_line == at + 1
    assert found[0].line == records[at]["line"]
    assert any("of the level" in one.text for one in found)


def test_one_trade_is_not_given_to_two(run):
    """The same trade under a new fill number: more than it had in all."""
    for kind in ("level", "trade"):
        at = next(at for at in run.fills(kind) if is_exhausted(run.records[at]))
        records = copy.deepcopy(run.records)
        twice_with_a_new_number(records[at], records, at)
        texts = " ".join(one.text for one in run.findings(records))
        assert "of which" in texts or "went to others" in texts


def test_a_queue_that_is_told_shorter_is_found(run):
    """At the fill, and when the order joins; the checker trusts neither."""
    waited = [at for at in run.fills("trade") if waits(run.records[at])]
    for at in waited[:2]:
        records = copy.deepcopy(run.records)
        lower_queue(records[at], records, at)
        assert any("queue of" in one.text for one in run.findings(records))
    joins = [at for at in run.places("join") if D(run.records[at]["queue_ahead"]) > 0]
    records = copy.deepcopy(run.records)
    records[joins[3]]["queue_ahead"] = "0"
    assert "joins behind 0" in run.findings(records)[0].text


def test_a_maker_that_is_told_as_a_taker_is_found(run):
    """It stood in the queue when the level came to it."""
    for at in run.fills("level", maker=True)[:5]:
        records = copy.deepcopy(run.records)
        no_maker(records[at], records, at)
        assert any("has stood in the queue" in one.text for one in run.findings(records))


def waits(record):
    return D(record["evidence"]["queue_ahead"]) > 0


@pytest.mark.parametrize("record", ["order", "join", "leave"])
def test_a_record_that_is_missing_is_found(run, record):
    """What the order later did no longer follows."""
    filled = {run.records[at]["order"] for at in run.fills("trade")}
    places = [at for at in run.places(record) if run.records[at]["order"] in filled]
    if record == "leave":
        records = copy.deepcopy(run.records)
        early = next(at for at in run.fills("trade"))
        gone_order = {**records[early], "record": "leave"}
        records.insert(early, gone_order)
    else:
        records = [one for at, one in enumerate(run.records) if at != places[0]]
    assert run.findings(records)


@pytest.mark.parametrize(
    "text", ["", "not json\n", "[1]\n", '{"record":"nothing"}\n', '{"record":"fill"}\n']
)
def test_a_line_that_is_no_record_is_found(run, text):
    path = run.folder / "torn.jsonl"
    path.write_text(run.audit.read_text()[:-20] + "\n" + text)
    assert check(path, run.recordings).findings


def test_the_wrong_recording_is_refused(run, tmp_path):
    other = write_recording(tmp_path, seed=4)
    with pytest.raises(RecordingError, match="not a recording that this audit was made with"):
        check(run.audit, other)
    with pytest.raises(RecordingError, match=r"needs its recordings: --replay one.jsonl.gz two"):
        check(run.audit, [])
    with pytest.raises(RecordingError, match=r"also needs --replay two.jsonl"):
        check(run.audit, run.recordings[:1])
    with pytest.raises(NotFoundError):
        check(tmp_path / "nothing", run.recordings)
    with pytest.raises(RecordingError, match="not an audit of fills"):
        check(run.recordings[1], run.recordings)


def test_the_verb_says_what_it_found(run, capsys):
    files = [str(one) for one in run.recordings]
    assert main(["audit", str(run.audit), "--replay", *files]) == 0
    assert capsys.readouterr().out.endswith("no findings\n")
    records = copy.deepcopy(run.records)
    at = run.fills("level")[0]
    all_of_the_level(records[at], records, at)
    run.findings(records)
    assert main(["audit", str(run.folder / "changed.jsonl"), "--replay", *files, "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["findings"][0]["audit_line"] == at + 1
    assert said["fills"] == len(run.places("fill"))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_generated_market_is_written_down_beside_the_audit(profile, tmp_path):
    path = tmp_path / "fills.jsonl"
    market = build_market(profile, 5, START_MS)
    symbols = [one.symbol for one in market.instruments][:2]
    virtual = VirtualVenue(market, profile, path, start_ms=START_MS)
    virtual.run(Trader(7, symbols, busy=1.0), until_ms=4_000, step_ms=20)
    virtual.venue.close()
    done = check(path, [])
    assert [one.shown() for one in done.findings] == []
    assert done.fills > 30
    records = [json.loads(line) for line in path.read_text().splitlines()]
    taken = next(one for one in records if one.get("evidence", {}).get("kind") == "level")
    taken["quantity"] = "99999"
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    assert check(path, []).findings


def test_partial_fills_by_a_fault_are_honest_too(tmp_path):
    recordings = write_recording(tmp_path, lines=800)
    path = tmp_path / "fills.jsonl"
    virtual = VirtualVenue(open_recording(recordings, None, START_MS), "walk", path, recordings)
    virtual.venue.exchange.fill_share = lambda order, could: could / 3
    virtual.run(Trader(6, ["BTCUSDT"], busy=1.0))
    virtual.venue.close()
    done = check(path, recordings)
    assert [one.shown() for one in done.findings] == []
    assert done.fills > 100


def test_an_order_that_vanishes_has_left_its_queue(tmp_path):
    recordings = write_recording(tmp_path, lines=400)
    path = tmp_path / "fills.jsonl"
    virtual = VirtualVenue(open_recording(recordings, None, START_MS), "walk", path, recordings)
    virtual.run(Trader(6, ["BTCUSDT"], busy=0.0), until_ms=1_000)
    exchange, account = virtual.venue.exchange, virtual.accounts[0]
    price = exchange.published["BTCUSDT"].bids.best() - 10
    request = PlaceOrder(
        symbol="BTCUSDT", side="BUY", type="LIMIT", price=price, quantity=D("0.1"),
        time_in_force="GTC",
    )  # fmt: skip
    placed = virtual.venue.turn(lambda now_ms: exchange.place(account, request, now_ms))
    virtual.venue.turn(lambda now_ms: exchange.vanish(placed.order.id, now_ms))
    virtual.venue.close()
    records = [json.loads(line)["record"] for line in path.read_text().splitlines()]
    assert records == ["start", "order", "join", "leave"]
    assert check(path, recordings).findings == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["NaN", "1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=3,
)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_record_is_a_finding_not_a_crash(run, data):
    fills = run.places("fill")[:40]
    at = data.draw(st.sampled_from(fills))
    record = copy.deepcopy(run.records[at])
    inside = data.draw(st.booleans())
    target = record["evidence"] if inside else record
    name = data.draw(st.sampled_from(sorted(target)))
    value = data.draw(JSON.filter(lambda one: one != target[name]))
    target[name] = value
    records = [*run.records[:at], record]
    found = run.findings(records)
    harmless = {"at_ms", "account", "queue_ahead", "fill"}
    if name not in harmless and not isinstance(value, bool):
        assert found, (name, value)


def test_the_account_is_a_number_and_no_key_is_written(run):
    text = run.audit.read_text()
    assert {run.records[at]["account"] for at in run.places("fill")} == {0, 1}
    assert "api" not in text


def test_fills_are_in_the_file_before_clients_hear_of_them(tmp_path):
    recordings = write_recording(tmp_path)
    path = tmp_path / "fills.jsonl"
    virtual = VirtualVenue(open_recording(recordings, None, START_MS), "walk", path, recordings)
    heard = []

    class Listener:
        def on_user(self, events, now_ms):
            written = {
                one["fill"]
                for one in map(json.loads, path.read_text().splitlines())
                if one["record"] == "fill"
            }
            said = {event.fill.trade_id for event in events if getattr(event, "fill", None)}
            heard.extend(said)
            assert said <= written

    virtual.venue.user_listeners.append(Listener())
    virtual.run(Trader(2, ["BTCUSDT"]), until_ms=5_000)
    virtual.venue.close()
    assert len(heard) > 20


class FullDisk:
    """A file that has no room left."""

    def write(self, data):
        raise OSError(28, "No space left on device")

    def close(self):
        pass


def test_a_venue_that_cannot_write_its_audit_answers_nothing_more(tmp_path):
    recordings = write_recording(tmp_path)
    path = tmp_path / "fills.jsonl"
    virtual = VirtualVenue(open_recording(recordings, None, START_MS), "walk", path, recordings)
    virtual.run(Trader(2, ["BTCUSDT"]), until_ms=1_000)
    virtual.venue._audit._file = FullDisk()
    with pytest.raises(JournalError, match="the audit cannot be written"):
        virtual.run(Trader(2, ["BTCUSDT"]), until_ms=5_000)
    with pytest.raises(JournalError, match="the audit cannot be written"):
        virtual.venue.pump()


def test_an_audit_is_of_one_run(tmp_path):
    path = tmp_path / "fills.jsonl"
    FillAudit(path, ()).close()
    with pytest.raises(ConfigError, match="exists already"):
        FillAudit(path, ())
    with pytest.raises(ConfigError, match="cannot be made"):
        FillAudit(tmp_path / "no" / "folder.jsonl", ())
    first = VenueServer(VenueOptions(profile="calm", data=tmp_path / "data"))
    first.venue.pump()
    first.venue.close()
    with pytest.raises(ConfigError, match="goes on where it was left"):
        VenueServer(
            VenueOptions(profile="calm", data=tmp_path / "data", audit=tmp_path / "other.jsonl")
        )
