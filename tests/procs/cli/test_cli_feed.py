"""`seawall feed`: rows and rates, clear refusals, and the real process against a Bybit of ours."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from core_ext.codes import QuoteFlag
from core_ext.quote import Quote
from procs.cli.feed import Rates, lines_of, row_of, rows_of, short
from procs.cli.main import main
from shared.domain.instrument import Instrument
from shared.units import NS_PER_S

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests" / "shared" / "venues"))
from feed_server import FeedServer, bybit_book, bybit_trades, until  # noqa: E402

MARKET = Instrument(
    symbol="AAAUSDT", base="AAA", quote="USDT",
    tick_size=Decimal("0.00010"), step_size=Decimal("0.1"), min_quantity=Decimal("0.1"),
    max_quantity=Decimal(9000), min_price=Decimal(0), max_price=Decimal(9), min_notional=Decimal(5),
    market_max_quantity=Decimal(900),
)  # fmt: skip
LISTED = {
    "symbol": "AAAUSDT", "status": "Trading", "baseCoin": "AAA", "quoteCoin": "USDT",
    "lotSizeFilter": {"basePrecision": "0.1", "minOrderQty": "0.1", "minOrderAmt": "5"},
    "priceFilter": {"tickSize": "0.01"},
}  # fmt: skip


def quote(**fields: Any) -> Quote:
    return Quote(symbol="AAAUSDT", recv_ns=5 * NS_PER_S, **fields)


def test_a_row_has_exact_prices_and_the_age_of_the_last_frame():
    row = row_of(
        MARKET,
        quote(bid_ticks=12_345, ask_ticks=12_346, drop_pct=-1.23456, flags=int(QuoteFlag.WARM)),
        6 * NS_PER_S,
    )
    assert (row["bid"], row["ask"], row["last"]) == ("1.2345", "1.2346", None)
    assert (row["age_ms"], row["drop_pct"]) == (1000, -1.2346)
    assert (row["ok"], row["flags"]) == (True, ["warm"])


def test_depth_of_inverse_contracts_is_told_in_contracts():
    said = quote(bid_ticks=19_999, ask_ticks=20_001, bid_depth_quote=300.0, ask_depth_quote=50.0)
    row = row_of(MARKET, said, 6 * NS_PER_S, inverse=True)
    assert (row["bid_depth"], row["ask_depth"], row["depth_unit"]) == (150.0, 25.0, "contracts")
    row = row_of(MARKET, said, 6 * NS_PER_S)
    assert (row["bid_depth"], row["depth_unit"]) == (300.0, "USDT")
    assert row_of(MARKET, quote(), 0, inverse=True)["bid_depth"] == 0.0


@pytest.mark.parametrize("flag", ["CROSSED", "GAPPED", "STALE", "HALTED"])
def test_a_quote_that_is_not_to_be_trusted_says_why(flag: str):
    row = row_of(MARKET, quote(flags=int(QuoteFlag[flag])), 6 * NS_PER_S)
    assert (row["ok"], row["flags"]) == (False, [flag.lower()])
    assert (row["bid"], row["ask"]) == (None, None)


def test_rows_come_in_the_order_asked_for_and_only_of_what_was_heard():
    other = MARKET.__class__(**{name: getattr(MARKET, name) for name in MARKET.__struct_fields__}
                             | {"symbol": "BBBUSDT"})  # fmt: skip
    assert [row["symbol"] for row in rows_of([other, MARKET], {"AAAUSDT": quote()}, 0)] == [
        "AAAUSDT"
    ]


def test_lines_are_narrow_and_cut_nothing():
    said = quote(bid_ticks=644_440_300, ask_ticks=644_440_400, bid_depth_quote=5_325_659.0)
    rows = [row_of(MARKET, said, 6 * NS_PER_S), {**row_of(MARKET, quote(), 0), "symbol": "B"}]
    title, first, second = lines_of(rows)
    assert title.split()[:3] == ["symbol", "bid", "ask"]
    assert first.split()[:3] == ["AAAUSDT", "64444.03", "64444.04"]
    assert "5.33M" in first
    assert second.split()[:3] == ["B", "-", "-"]
    assert max(map(len, (title, first, second))) <= 80
    assert [short(n) for n in (0.0, 950.0, 12_345.0, 1.2e9)] == ["0", "950", "12.3k", "1.2G"]


def test_rates_are_those_between_two_heartbeats_and_stay_until_there_is_another():
    rates = Rates()
    assert rates.look({}, 0)["frames_per_s"] == 0
    assert rates.look({"frames": 100.0, "gaps": 2.0}, NS_PER_S)["gaps"] == 2
    assert rates.look({"frames": 400.0}, 3 * NS_PER_S)["frames_per_s"] == 150.0
    assert rates.look({"frames": 400.0}, 3 * NS_PER_S)["frames_per_s"] == 150.0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("local", "X"), 4, "--rest and --ws are needed"),
        (("bybit", "X", "--seconds", "0"), 4, "--seconds 0.0: allowed is above 0"),
        (("bybit", "X", "--every", "9999"), 4, "--every 9999.0: allowed is 0.05 to 3600"),
        (("bybit", "X", "--rest", "http://127.0.0.1:9"), 1, "instruments-info"),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: tuple[str, ...], code: int, says: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["feed", *arguments]) == code
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


def answers(server: FeedServer) -> None:
    def said(result: Any) -> Any:
        return lambda request: web.json_response({"retCode": 0, "retMsg": "OK", "result": result})

    server.answers = {
        "instruments-info": said({"list": [LISTED]}),
        "tickers": said({"list": [{"symbol": "AAAUSDT", "turnover24h": "7000000"}]}),
        "kline": said({"list": [["60000", "1", "120", "1", "100", "1"]]}),
    }

    async def snapshot(link: web.WebSocketResponse, topics: list[str]) -> None:
        if any(topic.startswith("orderbook.") for topic in topics):
            number = 10 * len(server.requests)
            levels = [["99.99", "5"]], [["100.01", "5"]]
            await link.send_str(bybit_book("AAAUSDT", "snapshot", number, number, *levels))

    server.on_subscribe = snapshot


async def started(server: FeedServer, *more: str) -> asyncio.subprocess.Process:
    addresses = ("--rest", server.rest, "--ws", server.ws)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "procs", "feed", "bybit", *more, *addresses,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT,
    )  # fmt: skip


@pytest.mark.e2e
def test_a_feed_that_gaps_is_shown_line_by_line_until_it_is_asked_to_stop():
    async def scene() -> None:
        async with FeedServer() as server:
            answers(server)
            process = await started(server, "AAAUSDT", "--json", "--every", "0.1")
            shown = process.stdout
            assert shown is not None
            rows: list[dict[str, Any]] = []

            async def read_on() -> None:
                while line := await shown.readline():
                    rows.append(json.loads(line))

            reading = asyncio.create_task(read_on())
            await until(lambda: rows and rows[-1]["ok"])
            assert (rows[-1]["bid"], rows[-1]["ask"]) == ("99.99", "100.01")
            assert rows[-1]["drop_pct"] == pytest.approx((100 / 120 - 1) * 100, abs=1e-3)
            link = server.links[0]
            await link.send_str(bybit_trades("AAAUSDT", (5, "99.95")))
            await until(lambda: rows[-1]["last"] == "99.95")
            await link.send_str(bybit_book("AAAUSDT", "delta", 500, 500, [["99.98", "1"]]))
            await until(lambda: rows[-1]["gaps"] == 1 and rows[-1]["ok"])
            assert rows[-1]["resyncs"] == 1
            assert [said["op"] for said in server.requests][1:] == ["unsubscribe", "subscribe"]
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), 60) == 0
            await reading
            assert process.stderr is not None
            last = json.loads(await process.stderr.read())
            assert (last["gaps"], last["reconnects"]) == (1, 0)

    asyncio.run(scene())


@pytest.mark.e2e
def test_a_name_that_the_venue_does_not_list_and_a_stream_that_never_comes():
    async def scene() -> None:
        async with FeedServer() as server:
            answers(server)
            process = await started(server, "AAA/USDT", "--seconds", "5")
            _, told = await process.communicate()
            assert process.returncode == 4
            assert b"'AAA/USDT'" in told
            assert b"AAAUSDT" in told.replace(b"AAA/USDT", b"")
            server.refuse_connections = 10_000
            process = await started(server, "AAAUSDT", "--seconds", "1.5")
            shown, told = await process.communicate()
            assert process.returncode == 5
            assert b"no book was in sync" in told
            assert b"gapped stale" in shown

    asyncio.run(scene())
