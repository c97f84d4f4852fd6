from typing import final

from typing_extensions import Buffer

from core_ext.book import Book

@final
class ScanResult:
    kind: int
    outcome: int
    levels: int
    buyer_is_maker: bool
    event_ms: int
    first_id: int
    last_id: int
    trade_id: int
    price_ticks: int
    lots: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    @property
    def symbol(self) -> str: ...

@final
class BinanceScanner:
    def feed(self, book: Book, frame: Buffer) -> ScanResult: ...
    def load_snapshot(self, book: Book, body: Buffer) -> int: ...

def symbol_of(frame: Buffer) -> str | None: ...
def kind_of(frame: Buffer) -> int: ...
