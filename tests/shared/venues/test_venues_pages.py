"""Paged lists: each row once, whatever the gap, the pages and the ids (L3)."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from shared.messages.venue import Outcome
from shared.venues.binance_requests import ROWS_PER_PAGE, trades_page
from shared.venues.errors import Verdict, unreadable
from shared.venues.pages import DAY_MS, PAGES_MAX, read_pages
from shared.venues.wire import Answer

NOW_MS = 400 * DAY_MS


class Exchange:
    """Answers pages as the exchange does: refuses windows over a day, cuts at the page's size."""

    def __init__(self, times_ms):
        self.rows = list(enumerate(sorted(times_ms), start=1))
        self.asked = []

    async def ask(self, call):
        params = call.params
        self.asked.append(params)
        if "fromId" in params:
            found = [row for row in self.rows if row[0] >= int(params["fromId"])]
        else:
            start, end = int(params["startTime"]), int(params["endTime"])
            if end - start > DAY_MS:
                return Answer(verdict=Verdict(outcome=Outcome.REFUSED, text="-1127"))
            found = [row for row in self.rows if start <= row[1] <= end]
        return Answer(verdict=Verdict(outcome=Outcome.OK), content=found[:ROWS_PER_PAGE])


def read(exchange, since_ms):
    return asyncio.run(
        read_pages(exchange.ask, trades_page, lambda row: row[0], "BTCUSDT", since_ms, NOW_MS)
    )


@given(
    st.lists(st.integers(NOW_MS - 40 * DAY_MS, NOW_MS), max_size=30),
    st.integers(0, 3),
    st.integers(0, 40 * DAY_MS),
)
def test_every_row_comes_exactly_once(times_ms, bursts, gap_ms):
    burst = [NOW_MS - gap_ms // 2] * (bursts * 900)
    exchange = Exchange([*times_ms, *burst])
    answer = read(exchange, NOW_MS - gap_ms)
    assert answer.is_ok
    wanted = [row for row in exchange.rows if row[1] >= NOW_MS - gap_ms]
    got = [row for row in answer.content if row[1] >= NOW_MS - gap_ms]
    assert sorted(got) == wanted
    assert len(answer.content) == len(set(answer.content))


def test_a_year_is_read_by_id():
    exchange = Exchange([NOW_MS - 300 * DAY_MS, NOW_MS - 5])
    assert len(read(exchange, 0).content) == 2
    assert [params.get("fromId") for params in exchange.asked] == ["0"]


def test_half_a_list_is_no_list():
    exchange = Exchange([NOW_MS] * (ROWS_PER_PAGE * (PAGES_MAX + 1)))
    answer = read(exchange, NOW_MS - 1000)
    assert answer.verdict.outcome is unreadable("").outcome
    assert "pages" in answer.verdict.text
