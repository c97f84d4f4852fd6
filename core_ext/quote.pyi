from typing import final

from typing_extensions import Buffer

from core_ext.book import Book

QUOTE_SIZE: int
QUOTE_VERSION: int
FIELDS: tuple[str, ...]

@final
class Quote:
    def __init__(
        self,
        *,
        symbol: str,
        sequence: int = 0,
        recv_ns: int = 0,
        publish_ns: int = 0,
        event_ms: int = 0,
        bid_ticks: int = 0,
        bid_lots: int = 0,
        ask_ticks: int = 0,
        ask_lots: int = 0,
        last_ticks: int = 0,
        anchor_ticks: int = 0,
        drop_pct: float = 0.0,
        spread_bps: float = 0.0,
        bid_depth_quote: float = 0.0,
        ask_depth_quote: float = 0.0,
        imbalance: float = 0.0,
        volume_quote_24h: float = 0.0,
        atr_pct: float = 0.0,
        buy_price: float = 0.0,
        flags: int = 0,
    ) -> None: ...
    @property
    def symbol(self) -> str: ...
    @property
    def sequence(self) -> int: ...
    @property
    def recv_ns(self) -> int: ...
    @property
    def publish_ns(self) -> int: ...
    @property
    def event_ms(self) -> int: ...
    @property
    def bid_ticks(self) -> int: ...
    @property
    def bid_lots(self) -> int: ...
    @property
    def ask_ticks(self) -> int: ...
    @property
    def ask_lots(self) -> int: ...
    @property
    def last_ticks(self) -> int: ...
    @property
    def anchor_ticks(self) -> int: ...
    @property
    def drop_pct(self) -> float: ...
    @property
    def spread_bps(self) -> float: ...
    @property
    def bid_depth_quote(self) -> float: ...
    @property
    def ask_depth_quote(self) -> float: ...
    @property
    def imbalance(self) -> float: ...
    @property
    def volume_quote_24h(self) -> float: ...
    @property
    def atr_pct(self) -> float: ...
    @property
    def buy_price(self) -> float: ...
    @property
    def flags(self) -> int: ...
    def pack(self) -> bytes: ...

def topic(symbol: str) -> bytes: ...
def pack(
    *,
    symbol: str,
    sequence: int = 0,
    recv_ns: int = 0,
    publish_ns: int = 0,
    event_ms: int = 0,
    bid_ticks: int = 0,
    bid_lots: int = 0,
    ask_ticks: int = 0,
    ask_lots: int = 0,
    last_ticks: int = 0,
    anchor_ticks: int = 0,
    drop_pct: float = 0.0,
    spread_bps: float = 0.0,
    bid_depth_quote: float = 0.0,
    ask_depth_quote: float = 0.0,
    imbalance: float = 0.0,
    volume_quote_24h: float = 0.0,
    atr_pct: float = 0.0,
    buy_price: float = 0.0,
    flags: int = 0,
) -> bytes: ...
def unpack(data: Buffer) -> Quote: ...
def pack_book(
    book: Book,
    symbol: str,
    *,
    sequence: int,
    recv_ns: int,
    publish_ns: int,
    event_ms: int = 0,
    last_ticks: int = 0,
    anchor_ticks: int = 0,
    drop_pct: float = 0.0,
    volume_quote_24h: float = 0.0,
    atr_pct: float = 0.0,
    buy_quote: float = 0.0,
    flags: int = 0,
) -> bytes: ...
