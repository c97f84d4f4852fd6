"""Decoders of what a venue says: REST answers, pushes, public answers, HTTP, market frames."""

import asyncio
import gzip
import json
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
from fuzz_engine import Target
from fuzz_samples import samples_of
from picows import WSMsgType

from shared.clock import EngineClock
from shared.errors import MessageError
from shared.messages.base import Reader
from shared.venues import binance_answers as answers
from shared.venues.binance_instruments import EXCHANGE_INFO, instruments_of
from shared.venues.binance_requests import TIME
from shared.venues.credentials import Credentials
from shared.venues.errors import Heard, judge
from shared.venues.feed.budget import WeightBudget
from shared.venues.feed.bybit_rest import BybitPublic
from shared.venues.feed.dialect import BINANCE, BYBIT, FeedDialect
from shared.venues.feed.futures_rest import UsdmPublic
from shared.venues.feed.http import Answer, HttpError, read_answer
from shared.venues.feed.instruments import read_instruments
from shared.venues.feed.link import Link
from shared.venues.feed.questions import Questions
from shared.venues.feed.rest import BinancePublic
from shared.venues.redirect import RecordedBinance, open_exchange
from shared.venues.transport import Access, Exchanged
from shared.venues.user_stream import UserStream
from shared.venues.wire import Wire

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT.parent / "shared" / "fixtures" / "binance_spot_docs.json"
KEYS = Credentials(api_key="key-key-key", api_secret="secret-secret")

ORDER = {
    "symbol": "BTCUSDT", "orderId": 28, "orderListId": -1, "clientOrderId": "sw-1", "price": "1.0",
    "transactTime": 1507725176595, "origQty": "10.00", "executedQty": "10.0", "status": "FILLED",
    "timeInForce": "GTC", "type": "LIMIT", "side": "SELL", "stopPrice": "0.5", "isWorking": True,
    "workingTime": 1507725176595, "updateTime": 1507725176595, "cummulativeQuoteQty": "10.0",
    "fills": [{"price": "4000.0", "qty": "1.0", "commission": "4.0", "commissionAsset": "USDT",
               "tradeId": 56}],
}  # fmt: skip
LIST = {
    "orderListId": 1929, "contingencyType": "OCO", "listStatusType": "EXEC_STARTED",
    "listOrderStatus": "EXECUTING", "listClientOrderId": "sw-l", "transactionTime": 1,
    "symbol": "BTCUSDT", "orders": [], "orderReports": [ORDER, ORDER],
}  # fmt: skip
TRADE = {
    "symbol": "BNBBTC", "id": 28457, "orderId": 100234, "orderListId": -1, "price": "4.00000100",
    "qty": "12.0", "quoteQty": "48.0", "commission": "10.1", "commissionAsset": "BNB",
    "time": 1499865549590, "isBuyer": True, "isMaker": False, "isBestMatch": True,
}  # fmt: skip
ACCOUNT = {
    "canTrade": True, "balances": [{"asset": "BTC", "free": "4723846.89208129", "locked": "0.0"},
                                   {"asset": "LTC", "free": "4763368.6", "locked": "0.1"}],
}  # fmt: skip
REPORT = {
    "e": "executionReport", "E": 1499405658658, "s": "ETHBTC", "c": "sw-1", "S": "BUY",
    "o": "LIMIT", "f": "GTC", "q": "1.0", "p": "0.1", "P": "0.0", "F": "0.0", "g": -1, "C": "",
    "x": "TRADE", "X": "FILLED", "r": "NONE", "i": 4293153, "l": "1.0", "z": "1.0", "L": "0.1",
    "n": "0.001", "N": "ETH", "T": 1499405658657, "t": 77, "I": 8641984, "w": True, "m": False,
    "M": False, "O": 1499405658657, "Z": "0.1", "Y": "0.1", "Q": "0.0",
}  # fmt: skip
POSITION = {
    "e": "outboundAccountPosition", "E": 1, "u": 1,
    "B": [{"a": "ETH", "f": "10000.000000", "l": "0.000000"}],
}  # fmt: skip
FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000.0", "tickSize": "0.01"},
    {"filterType": "LOT_SIZE", "minQty": "0.1", "maxQty": "9000.0", "stepSize": "0.1"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "0", "stepSize": "0"},
    {"filterType": "NOTIONAL", "minNotional": "5.0", "applyMinToMarket": True},
    {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "bidMultiplierDown": "0.2",
     "askMultiplierUp": "5", "askMultiplierDown": "0.2", "avgPriceMins": 5},
]  # fmt: skip
INFO = {
    "timezone": "UTC", "serverTime": 1,
    "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
                    "limit": 6000}],
    "symbols": [{"symbol": name, "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
                 "isSpotTradingAllowed": True, "filters": FILTERS}
                for name in ("BTCUSDT", "ETHUSDT")],
}  # fmt: skip
DEPTH = {
    "stream": "bnbbtc@depth@100ms",
    "data": {"e": "depthUpdate", "E": 1672515782136, "s": "BNBBTC", "U": 161, "u": 162,
             "b": [["0.0024", "10"], ["0.0023", "1"]], "a": [["0.0026", "100"], ["0.0027", "0"]]},
}  # fmt: skip
CANDLE = [1499040000000, "0.0016", "0.8", "0.0015", "0.0157", "148976.1", 1499644799999, "2434.1",
          308, "1756.8", "28.4", "0"]  # fmt: skip


def text(*parts: Any) -> list[bytes]:
    """JSON as the venue writes it."""
    return [json.dumps(part, separators=(",", ":")).encode() for part in parts]


def documented() -> list[bytes]:
    """Samples of the venue's own documentation, where the folder of fixtures is at hand."""
    if not DOCS.is_file():
        return []
    found = []
    for sections in json.loads(DOCS.read_bytes())["files"].values():
        for blocks in sections.values():
            found += [text(block)[0] for block in blocks]
    return [one for one in found if len(one) < 6000][::3]


def venue_targets() -> Iterator[Target]:
    """Everything that comes from outside the machine."""
    docs = documented()
    yield from _answers(docs)
    yield from _pushes(docs)
    yield from _judged(docs)
    yield from _public()


def _answers(docs: list[bytes]) -> Iterator[Target]:
    order = text(ORDER, ORDER | {"fills": [], "origClientOrderId": "sw-0"}, LIST)
    both: list[tuple[str, Reader, list[bytes], Callable[[Any], Any]]] = [
        ("order", answers.ORDER, order, lambda one: (one.order(), one.trades())),
        ("orders", answers.ORDERS, text([ORDER, ORDER]), lambda all_: [o.order() for o in all_]),
        ("order_list", answers.ORDER_LIST, text(LIST), _reports),
        ("canceled", answers.CANCELED, [*order, *text(LIST)], _reports),
        ("trades", answers.TRADES, text([TRADE, TRADE]), lambda all_: [t.trade("c") for t in all_]),
        (
            "account",
            answers.ACCOUNT,
            text(ACCOUNT),
            lambda one: [b.balance() for b in one.balances],
        ),
        (
            "restrictions",
            answers.RESTRICTIONS,
            samples_of(answers.Restrictions, 6),
            lambda one: one,
        ),
        ("server_time", answers.SERVER_TIME, text({"serverTime": 1499827319559}), lambda one: one),
    ]
    for name, reader, samples, use in both:
        yield Target(
            name=f"answers.{name}",
            samples=[*samples, *docs[::9]],
            read=lambda data, reader=reader, use=use: use(reader.read(data)),
        )
    yield Target(
        name="answers.pushed",
        samples=text(REPORT, POSITION),
        read=_pushed,
        refusals=(MessageError, orjson.JSONDecodeError),
    )
    yield Target(
        name="answers.exchange_info",
        samples=text(INFO),
        read=lambda data: instruments_of(EXCHANGE_INFO.read(data).symbols),
    )


def _pushed(data: bytes) -> Any:
    event = orjson.loads(data)
    return answers.pushed(event) if isinstance(event, dict) else None


def _reports(answer: Any) -> Any:
    orders = getattr(answer, "order_reports", None)
    return [one.order() for one in (orders if orders is not None else (answer,))]


def _pushes(docs: list[bytes]) -> Iterator[Target]:
    wrapped = [{"subscriptionId": 1, "event": one} for one in (REPORT, POSITION)]
    pushes = text(
        *wrapped, REPORT, POSITION, {"event": {"e": "eventStreamTerminated"}},
        {"id": "1", "status": 200, "result": {"subscriptionId": 0}, "rateLimits": []},
        {"id": 1, "status": 400, "error": {"code": -1102, "msg": "bad"}},
    )  # fmt: skip
    asyncio.set_event_loop(_loop())
    exchange = open_exchange(
        Access(venue="binance", mode="testnet", credentials=KEYS),
        None,  # type: ignore[arg-type]
    )
    stream = UserStream(exchange, KEYS, EngineClock(), None)  # type: ignore[arg-type]
    client = _Client()
    told: list[Any] = []
    stream._client, stream._deliver = client, told.append

    def read(data: bytes) -> Any:
        told.clear()
        RecordedBinance._read_frame(exchange, client, data)
        return told

    yield Target(name="stream.user", samples=[*pushes, *docs[::9]], read=read, refusals=())


class _Client:
    """As much of a ccxt socket as its handlers touch."""

    url = "wss://fuzz"

    def __init__(self) -> None:
        self.subscriptions: dict[str, Any] = {}
        self.futures: dict[str, Any] = {}

    def resolve(self, *_: Any) -> None:
        """Nobody waits."""

    def reject(self, *_: Any) -> None:
        """Nobody waits."""


class _Replies:
    """A transport that answers at once with what it is given."""

    def __init__(self) -> None:
        self.record = Exchanged(sent=True)

    async def exchange(self, *_: Any) -> tuple[Exchanged, str]:
        return self.record, ""

    def set_clock(self, *_: Any) -> None:
        """Not looked at."""


def _now(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that has nothing to wait for."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    work.close()
    raise AssertionError("it waits")


_LOOP: list[asyncio.AbstractEventLoop] = []


def _loop() -> asyncio.AbstractEventLoop:
    if not _LOOP:
        _LOOP.append(asyncio.new_event_loop())
    return _LOOP[0]


def _judged(docs: list[bytes]) -> Iterator[Target]:
    bodies = text(
        {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."},
        {"code": -1003, "msg": "Way too much request weight used; IP banned until 1659146400000."},
        {"code": -2010, "msg": "Account has insufficient balance for requested action."},
        {"retCode": 10006, "retMsg": "Too many visits"}, {}, [],
    )  # fmt: skip
    statuses = (200, 400, 401, 403, 404, 409, 418, 429, 500, 503)

    def judged(data: bytes) -> Any:
        body = data.decode("utf-8", "surrogateescape")
        venue = ("binance", "bybit", "mexc", "binanceusdm")[len(data) % 4]
        return judge(venue, Heard(status=statuses[len(data) % 10], body=body))

    yield Target(name="answers.judge", samples=[*bodies, *docs[::9]], read=judged, refusals=())
    replies = _Replies()

    def wired(data: bytes) -> Any:
        head, _, body = data.partition(b"\n")
        wire = Wire(replies, KEYS, EngineClock(), 5000)  # type: ignore[arg-type]
        names = ("retry-after", "x-mbx-used-weight-1m", "x-mbx-order-count-10s")
        replies.record.status = statuses[len(body) % 10]
        replies.record.headers = dict.fromkeys(names, head.decode("latin-1"))
        replies.record.body = body.decode("utf-8", "replace")
        wire.set_clock(3.5)
        said = _now(wire.ask(TIME, answers.SERVER_TIME))
        return said, _now(wire.ask(TIME, answers.SERVER_TIME))

    samples = [b"30\n" + body for body in [*bodies, *text({"serverTime": 1499827319559})]]
    yield Target(name="wire", samples=samples, read=wired, refusals=())


class _Public(BinancePublic):
    """The public questions, answered at once."""

    body = b""

    async def _get(self, *_: Any) -> bytes:
        return self.body


def _public() -> Iterator[Target]:
    public = _Public("http://127.0.0.1:1", WeightBudget(EngineClock()))

    def asked(question: Callable[[], Coroutine[Any, Any, Any]]) -> Callable[[bytes], Any]:
        def read(data: bytes) -> Any:
            public.body = data
            return _now(question())

        return read

    volumes = [{"symbol": "BTCUSDT", "quoteVolume": "15.3"}, {"symbol": "A", "quoteVolume": "1"}]
    best = [{"symbol": "BTCUSDT", "bidPrice": "4.0", "bidQty": "9", "askPrice": "4.1"}]
    for name, samples, question in (
        ("volumes", text(volumes), lambda: public.quote_volumes()),
        ("candles", text([CANDLE, CANDLE]), lambda: public.candles("BTCUSDT", 3)),
        ("best", text(best), lambda: public.best_prices(("BTCUSDT",))),
    ):
        yield Target(name=f"feed.{name}", samples=samples, read=asked(question))
    yield Target(name="feed.instruments", samples=text(INFO), read=read_instruments)
    yield from _other_venues()
    yield _http()
    yield _paused()
    yield _control(BINANCE, *BINANCE_SAID)
    yield _control(BYBIT, *BYBIT_SAID)


class _Answered(Questions):
    """Any question, answered at once."""

    body = b""

    async def get(self, path: str, query: dict[str, str], weight: int) -> bytes:
        return self.body


def _other_venues() -> Iterator[Target]:
    """What Bybit and Binance's futures answer."""
    budget = WeightBudget(EngineClock())
    questions = _Answered("http://127.0.0.1:1", budget, 1.0)
    bybit = BybitPublic("bybit", "spot", questions)
    usdm = UsdmPublic("http://127.0.0.1:1", budget)
    usdm._questions = questions

    def asked(question: Callable[[], Coroutine[Any, Any, Any]]) -> Callable[[bytes], Any]:
        def read(data: bytes) -> Any:
            questions.body = data
            return _now(question())

        return read

    def said(*rows: Any) -> list[bytes]:
        return text({"retCode": 0, "retMsg": "OK", "result": {"list": rows}})

    lot = {"basePrecision": "0.1", "minOrderQty": "0.1", "minOrderAmt": "5", "qtyStep": "1"}
    listed = {
        "symbol": "BTCUSDT", "status": "Trading", "baseCoin": "BTC", "quoteCoin": "USDT",
        "priceScale": "2", "lotSizeFilter": lot, "priceFilter": {"tickSize": "0.1"},
    }  # fmt: skip
    for name, samples, question in (
        ("bybit.listings", said(listed), lambda: bybit.instruments((), "USDT")),
        ("bybit.tickers", said({"symbol": "A", "turnover24h": "1"}), bybit.quote_volumes),
        ("bybit.kline", said(["1", "1", "2", "1", "1"]), lambda: bybit.candles("A", 5)),
        ("usdm.listings", text(INFO), lambda: usdm.instruments((), "USDT")),
        ("usdm.volumes", text([{"symbol": "A", "quoteVolume": "1"}]), usdm.quote_volumes),
    ):
        yield Target(name=f"feed.{name}", samples=samples, read=asked(question))


def _http() -> Target:
    body = text(CANDLE)[0]
    ok = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    packed = gzip.compress(body)
    samples = [
        ok + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        ok + b"Connection: close\r\n\r\n" + body,
        ok + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + body[:5]
        + b"\r\n%x;x=1\r\n" % len(body[5:]) + body[5:] + b"\r\n0\r\n\r\n",
        ok + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed,
        b"HTTP/1.1 429 Too Many\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n",
    ]  # fmt: skip
    loop = _loop()

    def read(data: bytes) -> Any:
        reader = asyncio.StreamReader(limit=65_536, loop=loop)
        reader.feed_data(data)
        reader.feed_eof()
        answer: Answer = _now(read_answer(reader))
        return answer.status, answer.headers, len(answer.body)

    # What `http.get` turns into HttpError.
    refused = (HttpError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)
    return Target(name="feed.http", samples=samples, read=read, refusals=refused)


def _paused() -> Target:
    """How long a venue may silence the feed by one header."""
    from shared.venues.feed.questions import retry_after_s

    def read(data: bytes) -> float:
        budget = WeightBudget(EngineClock())
        seconds = retry_after_s(data.decode("latin-1"))
        budget.pause(seconds)
        assert 0 <= seconds <= 4 * 86_400, f"a pause of {seconds} s"
        return seconds

    return Target(name="feed.retry_after", samples=[b"30", b"120", b""], read=read, refusals=())


def _control(dialect: FeedDialect, *said: Any) -> Target:
    """A market stream's own words: acknowledgements, refusals, pongs, the announced end."""
    loop = _loop()
    heard: list[bytes] = []

    async def make() -> Link:
        return Link(lambda data, _: heard.append(data), EngineClock(), dialect.manners, False)

    link = loop.run_until_complete(make())

    def read(data: bytes) -> Any:
        heard.clear()
        link._answers = {1: loop.create_future()}
        frame = SimpleNamespace(
            msg_type=WSMsgType.TEXT, fin=True, get_payload_as_bytes=lambda: data
        )
        link.on_ws_frame(None, frame)
        assert link.failure is None, f"the link failed: {link.failure}"
        return None

    name = f"stream.control.{dialect.name}"
    return Target(name=name, samples=text(*said), read=read, refusals=())


BINANCE_SAID = (
    {"result": None, "id": 1}, {"error": {"code": 2, "msg": "bad"}, "id": 1}, DEPTH,
    {"e": "serverShutdown", "E": 1}, {"stream": "!x", "data": {"e": "serverShutdown"}},
)  # fmt: skip
BYBIT_SAID = (
    {"success": True, "ret_msg": "", "conn_id": "x", "req_id": "1", "op": "subscribe"},
    {"success": False, "ret_msg": "error:handler not found", "req_id": "1", "op": "subscribe"},
    {"success": True, "ret_msg": "pong", "conn_id": "x", "op": "ping"}, {"op": "pong"},
    {"type": "snapshot", "topic": "orderbook.200.BTCUSDT", "ts": 1, "data": {}},
)  # fmt: skip
