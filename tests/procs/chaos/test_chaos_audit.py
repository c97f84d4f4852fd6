"""The auditor finds nothing in books that agree, and each kind of wrong in those that do not."""

import pytest
from chaos_world import World

from procs.chaos.audit import audit
from procs.chaos.campaign import ready_ms


@pytest.fixture
def world():
    return World()


@pytest.fixture
def judged(tmp_path):
    def judge(world):
        return audit(world.write(tmp_path / "u"), world.summary)

    return judge


def test_books_that_agree(world, judged):
    found = judged(world)
    assert found.findings == []
    assert found.figures["fills"] == 2
    assert found.figures["without_stop_ms"] == {"count": 1, "p50": 5, "max": 5}
    assert found.figures["without_stop_or_guard_ms"]["count"] == 0


def test_a_kill_with_a_live_stop_is_nothing(world, judged):
    world.kill("route", 3000, 3900)
    found = judged(world)
    assert found.findings == []
    assert found.figures["kills_with_position"] == 1
    (death,) = found.deaths
    assert (death.role, death.asked) == ("route", True)
    assert death.ready_ms - death.at_ms == 900


def test_a_number_that_comes_again_is_another_process(world, judged):
    world.kill("route", 3000, 3900, pid=7)
    world.kill("route", 60_000, 60_700, pid=7)
    first, second = judged(world).deaths
    assert (first.ready_ms - first.at_ms, second.ready_ms - second.at_ms) == (900, 700)


@pytest.mark.parametrize(
    ("trouble", "alone"),
    [
        (lambda world: None, True),
        (lambda world: world.pause("route", 2000, 2990), True),
        (lambda world: world.pause("route", 2000, 3010), False),
        (lambda world: world.pause("protect", 3500, 3600), False),
        (lambda world: world.kill("route", 2500, 3100), False),
        (lambda world: world.kill("route", 2500, 2900), True),
        (lambda world: world.kill("route", 3950, 4800), True),
        (lambda world: world.kill("route", 2500, None), False),
        (lambda world: world.faults(2900, 3200), False),
        (lambda world: world.faults(3900, 4200), True),
        (lambda world: world.limited(3300, 0.4), False),
        (lambda world: world.limited(2000, 0.9), True),
    ],
)
def test_a_death_is_alone_when_nothing_else_was_wrong_until_it_was_mended(
    world, judged, trouble, alone
):
    trouble(world)
    world.kill("protect", 3000, 3900, pid=70)
    (death,) = (one for one in judged(world).deaths if one.role == "protect")
    assert death.alone is alone
    assert ("alone" in ready_ms([death])) is alone
    assert ready_ms([death])["all"] == {"count": 1, "p50": 900, "max": 900}


def lose_a_fill(world):
    world.events.remove(world.booked(1))


def book_twice(world):
    world.events.append(dict(world.booked(0)))


def book_another_price(world):
    world.booked(0)["price"] = "101"


def invent_a_fill(world):
    world.events.append({**world.booked(0), "trade_id": "99"})


def invent_an_order(world):
    world.events.append({**world.booked(0), "client_id": "sw-ta-9-e1"})


def forget_an_order(world):
    for event in world.events:
        if event.get("client_id") == "sw-ta-1-s1" and event["type"] == "order_submitted":
            event["client_id"] = "sw-ta-1-s9"


def journal_late(world):
    for event in world.events:
        if event["type"] == "order_submitted":
            event["at_ns"] += 10**9


def accept_twice(world):
    world.order(1012, "sw-ta-1-e1", "BUY", "1", "CANCELED", 1013)


def send_a_second_entry_too_early(world):
    world.buy["updated_ms"] += 100
    world.order(1050, "sw-ta-1-e2", "BUY", "1", "CANCELED", 1060)


def buy_twice(world):
    second = world.order(1020, "sw-ta-1-e2", "BUY", "1", "FILLED", 1020)
    world.fill(second, 1020, "1", "100")
    world.order(1020, "sw-ta-1-s2", "SELL", "1", "CANCELED", 19_999)


def buy_without_an_intent(world):
    world.events[:] = [event for event in world.events if event["type"] != "intent_accepted"]


def sell_twice(world):
    second = world.order(9100, "sw-ta-1-x2", "SELL", "1", "FILLED", 9100)
    world.fill(second, 9100, "1", "90")


def offer_twice(world):
    world.order(2000, "sw-ta-1-x2", "SELL", "1", "CANCELED", 2010)


def go_bare_with_route_dead(world):
    world.stop["updated_ms"] = world.stop["created_ms"] = world.fills[1]["at_ms"]
    world.kill("route", 500, 8000)


def stay_without_a_stop(world):
    world.stop["created_ms"] += 25_000
    world.stop["updated_ms"] += 30_000
    world.fills[1]["at_ms"] += 30_000
    world.diary[-1]["at_ms"] += 40_000


def leave_a_position_bare(world):
    world.orders.remove(world.stop)
    world.fills.pop()
    world.events.remove(world.booked(1))


def touch_a_foreign_order(world):
    world.orders[0]["status"] = "CANCELED"


def place_by_nobody(world):
    world.order(3000, "who", "BUY", "1")


def lose_money(world):
    world.summary["ledger"]["USDT"]["engine"] = "991"


def overlook_an_asset(world):
    world.balances["ETH"] = "1"


def leave_no_summary(world):
    world.summary = None


def stop_badly(world):
    world.summary["clean_shutdown"] = False


def die_alone(world):
    world.died("decide", 4000, pid=3, code=1, words="ZeroDivisionError")
    world.log(4500, "process_ready", field_role="decide", pid=4)


def die_by_a_foreign_signal(world):
    world.died("decide", 4000, pid=3)


def end_alone(world):
    world.blow(4000, "engine_ended", "supervise", said="out of ideas")


def stay_broken(world):
    world.blow(4000, "not_whole", status={})


def give_up(world):
    world.blow(4000, "revived", "route")


def latch(world):
    world.blow(4000, "latched", text="route: ledger mismatch")


def skip_a_number(world):
    world.events[-1]["seq"] = 99


def be_illegal(world):
    world.log(4000, "alarm", kind="illegal_event", text="order X: filled while refused")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lose_a_fill, "lost fill 2 of sw-ta-1-s1"),
        (book_twice, "fill 1 of sw-ta-1-e1 booked twice"),
        (book_another_price, "fill 1 of sw-ta-1-e1 booked as"),
        (invent_a_fill, "fill 99 of sw-ta-1-e1 never happened"),
        (invent_an_order, "fills of sw-ta-9-e1, which the venue does not know"),
        (forget_an_order, "sw-ta-1-s1 lives at the venue, not in the journal"),
        (journal_late, "was journaled 995 ms after it lived"),
        (accept_twice, "sw-ta-1-e1 was accepted 2 times"),
        (send_a_second_entry_too_early, "sw-ta-1-e1 lived when sw-ta-1-e2 came"),
        (buy_twice, "ta-1 bought 2, wanted 1"),
        (buy_without_an_intent, "ta-1 bought without an intent"),
        (sell_twice, "-1 held"),
        (offer_twice, "1 held, 2 on sale"),
        (go_bare_with_route_dead, "ta-1 was bare for 6990 ms"),
        (stay_without_a_stop, "ta-1 had no stop for 25005 ms"),
        (leave_a_position_bare, "ta-1 was left without a stop"),
        (touch_a_foreign_order, "foreign order by-hand was touched"),
        (place_by_nobody, "who is an order that nobody placed"),
        (lose_money, "USDT: the engine has 991, the account 990"),
        (overlook_an_asset, "the engine does not know of ETH"),
        (leave_no_summary, "it left no summary"),
        (stop_badly, "the last stop was not clean"),
        (die_alone, "decide died by itself"),
        (die_by_a_foreign_signal, "decide died by itself"),
        (end_alone, "the supervisor ended by itself: out of ideas"),
        (stay_broken, "not whole again"),
        (give_up, "route was given up"),
        (latch, "ledger mismatch"),
        (skip_a_number, "holes in its numbers"),
        (be_illegal, "illegal event: order X"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_each_wrong_is_found(world, judged, wrong, words):
    wrong(world)
    findings = judged(world).findings
    assert any(words in finding for finding in findings), findings


def test_bare_while_the_venue_is_away_is_not_counted(world, judged):
    go_bare_with_route_dead(world)
    world.kill("localvenue", 1500, 7900, pid=50)
    assert judged(world).findings == []


def test_the_bound_counts_from_the_last_blow(world, judged):
    go_bare_with_route_dead(world)
    world.blow(4000, "aim_hit", "route")
    found = judged(world)
    assert found.findings == []
    assert found.figures["without_stop_or_guard_ms"] == {"count": 1, "p50": 6990, "max": 6990}


def test_what_cannot_be_sold_needs_no_stop(world, judged):
    leave_a_position_bare(world)
    world.fills[0]["quantity"] = world.booked(0)["quantity"] = "0.04"
    assert judged(world).findings == []


def test_legs_of_a_list_are_one_sale_and_a_take_profit_is_no_stop(world, judged):
    world.stop["list_id"] = 1
    world.order(1015, "sw-ta-1-t1", "SELL", "1", "EXPIRED", 9000, list_id=1)
    assert judged(world).findings == []


def test_a_take_profit_alone_guards_nothing(world, judged):
    leave_a_position_bare(world)
    world.order(1015, "sw-ta-1-t1", "SELL", "1")
    assert any("left without a stop" in finding for finding in judged(world).findings)
