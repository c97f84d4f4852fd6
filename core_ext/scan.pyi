from collections.abc import Iterable
from typing import final

from typing_extensions import Buffer, disjoint_base

from core_ext.book import Book
from core_ext.codes import FramesFed, TradeSeen

@final
class ScanResult:
    kind: int
    outcome: int
    levels: int
    trades: int
    is_snapshot: bool
    buyer_is_maker: bool
    event_ms: int
    match_ms: int
    first_id: int
    last_id: int
    previous_id: int
    cross_sequence: int
    trade_id: int
    price_ticks: int
    lots: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    spread_bps: float
    mid: float
    bid_depth_50bps: float
    ask_depth_50bps: float
    bid_depth_10: float
    ask_depth_10: float
    imbalance: float
    bid_levels: int
    ask_levels: int
    @property
    def symbol(self) -> str: ...

@disjoint_base
class Scanner:
    dialect: int
    def feed(self, book: Book, frame: Buffer) -> ScanResult: ...
    def feed_stats(self, book: Book, frame: Buffer) -> ScanResult: ...
    def feed_many(
        self, book: Book, frames: Iterable[Buffer], rows: Buffer | None = None
    ) -> FramesFed: ...
    def trades(self) -> list[TradeSeen]: ...

@final
class BinanceScanner(Scanner):
    def __init__(self, dialect: int = ...) -> None: ...
    def load_snapshot(self, book: Book, body: Buffer) -> int: ...

@final
class BybitScanner(Scanner): ...

def symbol_of(frame: Buffer) -> str | None: ...
def kind_of(frame: Buffer) -> int: ...
